import { asError, fail } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import type { Backup } from '../../../proxmox/backups.ts';
import { type Disk, disksOf } from '../../../proxmox/guest/disks.ts';
import { path } from '../../../proxmox/guest/encode.ts';
import { cpuOf, type Guest, memoryOf } from '../../../proxmox/guest/guests.ts';
import { optionsInFile } from '../../../proxmox/guest/property-strings.ts';

export type Inside = Awaited<ReturnType<typeof readInside>>;

/** The guest inside a backup: `GET /nodes/{node}/vzdump/extractconfig`. @throws permission_denied, not_possible for an archive without one */
export async function readInside(api: ProxmoxReader, { node, volid, type }: Backup) {
  const text = await api.get<string>(path`/nodes/${node}/vzdump/extractconfig`, { volume: volid }).catch((thrown) => {
    const error = asError(thrown);
    if (error.code === 'permission_denied' || error.code === 'unreachable') throw error;
    return fail('not_possible', `The configuration in ${plainText(volid, 200)} cannot be read: ${error.message}`, {
      hint: 'Choose another backup with list_backups.',
    });
  });
  const config = optionsInFile(String(text));
  const data = disksOf(config).filter((d) => d.media === 'disk' || d.media === 'firmware');
  const excluded = data.filter((d) => !isBackedUp(type, d, config[d.slot]));
  // A container's excluded mount points are made again, empty.
  const disks = data
    .filter((d) => type === 'lxc' || !excluded.includes(d))
    .map((d) => ({ slot: d.slot, storage: d.storage, sizeGib: d.sizeGib ?? 0 }));
  const name = (type === 'lxc' ? config.hostname : config.name) ?? '';
  return {
    config,
    name,
    ...cpuOf(type, config),
    memoryMib: memoryOf(config),
    diskGib: disks.reduce((sum, d) => sum + d.sizeGib, 0),
    /** Disks that a restore makes, with the storage on which each was. */
    disks,
    /** Slots of disks that were excluded from the backup. */
    excluded: excluded.map((d) => d.slot),
  };
}

/** Whether vzdump takes a volume: every disk of a VM unless `backup=0`; of a container rootfs, and mount points with `backup=1` alone. */
export function isBackedUp(type: Guest['at']['type'], { slot }: Pick<Disk, 'slot'>, text = ''): boolean {
  if (type === 'lxc') return slot === 'rootfs' || /(?:^|,)backup=(?:1|on|yes|true)(?:,|$)/.test(text);
  return !/(?:^|,)backup=(?:0|off|no|false)(?:,|$)/.test(text);
}

/** Slots of the volumes that a backup of the guest leaves out. */
export function leftOut({ at, disks, config }: Pick<Guest, 'at' | 'disks' | 'config'>): string[] {
  return disks.filter((d) => d.media === 'disk' && !isBackedUp(at.type, d, config[d.slot])).map(({ slot }) => slot);
}
