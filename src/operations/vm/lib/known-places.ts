import { asError } from '../../../core/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { type GuestRow, locate } from '../../../proxmox/guests.ts';

/** Where guests were last seen, per connection; forgotten with it. */
const places = new WeakMap<ProxmoxReader, Map<number, GuestRow>>();

/**
 * Reads a guest where it was last seen, without asking the cluster for all guests again; once more at its new place when it moved. For
 * reading only: changes always look afresh. What the row says beside node and type may be old.
 * @throws guest_not_found
 */
export async function atKnownPlace<T>(api: ProxmoxReader, vmid: number, read: (row: GuestRow) => Promise<T>): Promise<T> {
  const known = places.get(api) ?? new Map<number, GuestRow>();
  places.set(api, known);
  const seen = known.get(vmid);
  if (seen) {
    try {
      return await read(seen);
    } catch (thrown) {
      known.delete(vmid);
      // To a token of a pool, a guest that is gone or elsewhere looks forbidden.
      if (!['guest_not_found', 'permission_denied', 'unreachable'].includes(asError(thrown).code)) throw thrown;
    }
  }
  const row = await locate(api, vmid);
  const result = await read(row);
  known.set(vmid, row);
  return result;
}
