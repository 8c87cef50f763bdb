import { asError } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { counted } from '../../../core/text/text.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';
import { readSnapshots, type Snapshots } from '../../../proxmox/guest/snapshots.ts';
import { atOnce } from '../../lib/at-once.ts';

/** Each guest costs a request. */
const MAX_GUESTS = 200;
const AT_ONCE = 4;

/**
 * The snapshots of many guests, a few requests at a time. A guest that cannot be read does not hide the others.
 * @returns `unread`: the guests whose list could not be read, and those beyond the limit
 */
export async function readAll(api: ProxmoxReader, guests: readonly GuestRow[]) {
  const asked = guests.filter(({ template }) => !template);
  const found: { guest: GuestRow; snapshots: Snapshots }[] = [];
  const unread = asked.slice(MAX_GUESTS);
  await atOnce(asked.slice(0, MAX_GUESTS), AT_ONCE, async (guest) => {
    try {
      found.push({ guest, snapshots: await readSnapshots(api, guest) });
    } catch (thrown) {
      if (asError(thrown).code !== 'guest_not_found') unread.push(guest);
    }
  });
  return { found: found.sort((a, b) => a.guest.vmid - b.guest.vmid), unread };
}

/** A note about guests that `readAll` did not read; undefined where it read all. */
export function unreadText(guests: readonly GuestRow[]): string | undefined {
  if (guests.length === 0) return undefined;
  const named = guests.slice(0, 20).map(({ vmid }) => vmid);
  return `the snapshots of ${counted(guests.length, 'guest')} were not read: ${named.join(', ')}`;
}
