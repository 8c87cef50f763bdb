import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { askInside, type Inside } from '../../../proxmox/guest/addresses.ts';
import type { GuestAt } from '../../../proxmox/guest/guests.ts';

/** How long (ms) an agent that failed gets no request: each request to a dead one blocks a worker of its node for 3 s. */
const PAUSE_MS = 5_000;

const failures = new WeakMap<ProxmoxReader, Map<number, { at: number; inside: Inside }>>();

/** The interfaces inside a guest. An agent that failed within the last seconds gets no request, and its failure is the answer. */
export async function askedLately(api: ProxmoxReader, at: GuestAt): Promise<Inside> {
  const failed = failures.get(api) ?? new Map<number, { at: number; inside: Inside }>();
  failures.set(api, failed);
  const known = failed.get(at.vmid);
  if (known && Date.now() - known.at < PAUSE_MS && !api.changedLately?.(at.vmid)) return known.inside;
  const inside = await askInside(api, at);
  failed.delete(at.vmid);
  // A missing right may have been granted since, so it is asked for again.
  if ('error' in inside && inside.error.code !== 'permission_denied') failed.set(at.vmid, { at: Date.now(), inside });
  return inside;
}
