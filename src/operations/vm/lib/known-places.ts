import { asError } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { hasInside } from '../../../proxmox/guest/addresses.ts';
import { type Guest, type GuestRow, locate } from '../../../proxmox/guest/guests.ts';
import { forgetPlaces, keepPlace, type Place, placeOf } from '../../../proxmox/guest/places.ts';

/** Age (ms) up to which the pool and HA state of a guest are used without another read of the cluster's list. */
const FACTS_MS = 120_000;

/**
 * Reads a guest at its last known place without the cluster's list, and at its new place when it moved.
 * The row's pool and HA state are at most two minutes old, and of the guest that answered.
 * @throws guest_not_found
 */
export async function atKnownPlace<T extends { guest: Guest; running: boolean }>(
  api: ProxmoxReader,
  vmid: number,
  read: (place: Pick<Place, 'row' | 'agent'>) => Promise<T>,
): Promise<T & { row: GuestRow }> {
  const seen = placeOf(api, vmid);
  const isYoung = seen !== undefined && Date.now() - seen.listedAt < FACTS_MS;
  const found = isYoung ? await unlessMoved(api, seen, read) : undefined;
  if (found) {
    const key = found.guest.identity.key;
    if (seen?.key === undefined || seen.key === key) return kept(api, found, seen as Place);
  }
  // Another guest has the VMID: the row is about the former one.
  const row = await locate(api, vmid);
  const same = found && row.node === found.guest.at.node && row.type === found.guest.at.type;
  return kept(api, same ? found : await read({ row }), { row, listedAt: Date.now() });
}

/**
 * Reads a guest for a change at its last known place, however old: the answer proves node and type.
 * @throws guest_not_found
 */
export async function atItsPlace<T>(api: ProxmoxReader, vmid: number, read: (row: GuestRow, isFresh: boolean) => Promise<T>): Promise<T> {
  const seen = placeOf(api, vmid);
  return (seen && (await unlessMoved(api, seen, ({ row }) => read(row, false)))) ?? read(await locate(api, vmid), true);
}

/** Undefined when the guest does not answer there: to a token of a pool, one that is gone or elsewhere looks forbidden. */
async function unlessMoved<T>(api: ProxmoxReader, place: Place, read: (place: Place) => Promise<T>): Promise<T | undefined> {
  try {
    return await read(place);
  } catch (thrown) {
    if (!['guest_not_found', 'permission_denied', 'unreachable'].includes(asError(thrown).code)) throw thrown;
    forgetPlaces(api, place.row.vmid);
    return undefined;
  }
}

function kept<T extends { guest: Guest; running: boolean }>(
  api: ProxmoxReader,
  found: T,
  { row: seen, listedAt }: Pick<Place, 'row' | 'listedAt'>,
): T & { row: GuestRow } {
  const { guest, running } = found;
  const status = running ? 'running' : 'stopped';
  const row = seen.status === status ? seen : { ...seen, status };
  keepPlace(api, { row, listedAt, key: guest.identity.key, agent: hasInside(guest) });
  return { ...found, row };
}
