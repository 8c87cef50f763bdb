import { fail } from '../core/errors/errors.ts';
import type { ProxmoxVersion } from '../core/proxmox.ts';

/** Answer of GET /version: `9.2.11`, `8.4.1`, `7.4-17`. Throws `proxmox_refused` for anything else. */
export function parseVersion(text: string): ProxmoxVersion {
  const found = /^(\d+)\.(\d+)/.exec(text);
  if (!found)
    fail('proxmox_refused', 'The server did not answer with a Proxmox VE version.', {
      hint: 'Check that PROXMOX_HOST is a Proxmox VE node.',
    });
  return { version: text, major: Number(found[1]), minor: Number(found[2]) };
}

/** Whether a version is this one or newer. */
export function atLeast(version: ProxmoxVersion, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}
