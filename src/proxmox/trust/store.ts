import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fail } from '../../core/errors/errors.ts';

/**
 * The identity by which a cluster is recognised. Normally its own authority, so that renewed certificates and other nodes pass; where the
 * certificate is not signed by it, the certificates themselves.
 */
export type Pin = { kind: 'ca'; pem: string; fingerprint: string; since: string } | { kind: 'leaf'; fingerprints: string[]; since: string };

export interface TrustStore {
  get(cluster: string): Pin | undefined;
  set(cluster: string, pin: Pin): void;
}

/**
 * Pins in `<dataDir>/trust.json`, readable by the owner alone and replaced atomically. Read at every new connection, so that
 * `proxmox-mcp trust` in another process takes effect at once. Throws `store_unavailable` when the file cannot be read or written.
 */
export function openTrustStore(dataDir: string): TrustStore {
  const file = join(dataDir, 'trust.json');
  const read = (): Record<string, Pin> => {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      // Only a missing file means that nothing is pinned: an unreadable one must not turn into a first use.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      return unusable(file, error);
    }
    try {
      const pins = JSON.parse(text) as unknown;
      return isPins(pins) ? pins : unusable(file, undefined);
    } catch (error) {
      return unusable(file, error);
    }
  };
  return {
    get: (cluster) => read()[cluster],
    set(cluster, pin) {
      const pins = { ...read(), [cluster]: pin };
      const draft = `${file}.${process.pid}`;
      try {
        mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
        writeFileSync(draft, `${JSON.stringify(pins, null, 2)}\n`, { mode: 0o600 });
        renameSync(draft, file);
      } catch (error) {
        unusable(file, error);
      }
    },
  };
}

/** A damaged file must not turn into a first use either. */
function isPins(value: unknown): value is Record<string, Pin> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isPin);
}

function isPin(value: Partial<Pin> | null): value is Pin {
  if (value?.kind === 'ca') return typeof value.pem === 'string' && typeof value.fingerprint === 'string';
  return value?.kind === 'leaf' && Array.isArray(value.fingerprints);
}

/** Pins for the life of the process: the demo, and looking at a certificate without deciding about it. */
export function memoryTrustStore(): TrustStore {
  const pins = new Map<string, Pin>();
  return { get: (cluster) => pins.get(cluster), set: (cluster, pin) => void pins.set(cluster, pin) };
}

function unusable(file: string, cause: unknown): never {
  fail('store_unavailable', `The pinned certificates in ${file} cannot be read or written.`, {
    hint: `Check the permissions and the content of ${file}. If it is damaged, remove it and run \`proxmox-mcp trust\`.`,
    cause,
  });
}
