import { asError } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';
import { readSnapshots, type Snapshots } from '../../../proxmox/guest/snapshots.ts';
import { atOnce } from '../../lib/at-once.ts';

/** Each guest costs a request. */
const MAX_GUESTS = 200;
const AT_ONCE = 4;

export interface ReadSnapshots {
  found: { guest: GuestRow; snapshots: Snapshots }[];
  /** Guests whose list could not be read, and those beyond the limit. */
  unread: GuestRow[];
}

/** The snapshots of many guests, a few requests at a time; a guest that cannot be read hides no other. */
export async function readAll(api: ProxmoxReader, guests: readonly GuestRow[]): Promise<ReadSnapshots> {
  const asked = guests.filter(({ template }) => !template);
  const result: ReadSnapshots = { found: [], unread: asked.slice(MAX_GUESTS) };
  await atOnce(asked.slice(0, MAX_GUESTS), AT_ONCE, async (guest) => {
    try {
      result.found.push({ guest, snapshots: await readSnapshots(api, guest) });
    } catch (thrown) {
      if (asError(thrown).code !== 'guest_not_found') result.unread.push(guest);
    }
  });
  result.found.sort((a, b) => a.guest.vmid - b.guest.vmid);
  return result;
}
