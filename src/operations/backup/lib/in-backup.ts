import type { Disk } from '../../../proxmox/guest/disks.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';

/** Whether vzdump takes a volume: every disk of a VM unless `backup=0`; of a container rootfs, and mount points with `backup=1` alone. */
export function isBackedUp(type: Guest['at']['type'], { slot }: Pick<Disk, 'slot'>, text = ''): boolean {
  if (type === 'lxc') return slot === 'rootfs' || /(?:^|,)backup=(?:1|on|yes|true)(?:,|$)/.test(text);
  return !/(?:^|,)backup=(?:0|off|no|false)(?:,|$)/.test(text);
}

/** Volumes of a guest that its backup leaves out, by slot. */
export function leftOut({ at, disks, config }: Pick<Guest, 'at' | 'disks' | 'config'>): string[] {
  return disks.filter((d) => d.media === 'disk' && !isBackedUp(at.type, d, config[d.slot])).map(({ slot }) => slot);
}
