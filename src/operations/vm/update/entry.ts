import { fail } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import { type Disk, disksOf } from '../../../proxmox/guest/disks.ts';
import { type GuestAt, guestPath } from '../../../proxmox/guest/guests.ts';
import type { Options } from '../../../proxmox/guest/property-strings.ts';
import type { OperationContext } from '../../define.ts';
import { atOnce } from '../../lib/at-once.ts';
import { snapshotPath } from '../../snapshot/lib/snapshots.ts';
import type { Target } from '../lib/target.ts';

const AT_ONCE = 4;

/** One entry of a call. */
export interface Entry {
  ctx: OperationContext;
  target: Target;
  /** Options of the guest as it is and as it will be, with the slots that earlier entries take. */
  taken: Set<string>;
  /** Snapshots by the volume that they hold; read only where an entry would move or delete one. */
  held: ReadonlyMap<string, string[]>;
  /** Makes the ids of steps unique. */
  suffix: string;
}

/** The names of the snapshots that hold a volume, by its id: `GET …/snapshot/{name}/config`. Proxmox does not count CD and cloud-init drives. */
export async function heldBySnapshots(api: ProxmoxReader, at: GuestAt, names: readonly string[]): Promise<ReadonlyMap<string, string[]>> {
  const held = new Map<string, string[]>();
  await atOnce(names, AT_ONCE, async (name) => {
    const config = await api.get<Options>(`${guestPath(at)}${snapshotPath(name)}/config`);
    for (const { volid, media } of disksOf(config)) {
      if (media === 'disk' || media === 'firmware') held.set(volid, [...(held.get(volid) ?? []), name]);
    }
  });
  return held;
}

/** Proxmox frees no volume that a snapshot needs. @throws not_possible */
export function refuseHeld({ held }: Entry, of: string, { slot, volid }: Disk, hint: string): void {
  const names = held.get(volid)?.map((name) => plainText(name, 40));
  if (names)
    fail('not_possible', `${slot} of ${of} is part of ${names.length === 1 ? 'snapshot' : 'the snapshots'} ${names.join(', ')}.`, { hint });
}
