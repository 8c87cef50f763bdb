import { defined } from '../../core/defined.ts';
import type { GuestAt, GuestIdentity } from '../../core/guest.ts';
import { digestOf } from '../../core/text/canonical.ts';
import { disksOf } from './disks.ts';
import type { Options } from './property-strings.ts';

/** The SMBIOS uuid of a VM, in small letters; containers have none. */
export function uuidOf(config: Options): string | undefined {
  return /(?:^|,)uuid=([0-9a-f-]+)/i.exec(config.smbios1 ?? '')?.[1]?.toLowerCase();
}

/** See GuestIdentity. The notes and tags are left out, because they change without a change of the guest, and clones copy them. */
export function identityOf(at: GuestAt, live: Options, config: Options): GuestIdentity {
  const macs = Object.entries(live)
    .filter(([key]) => /^net\d+$/.test(key))
    .flatMap(([, value]) => value.match(/(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}/g) ?? [])
    .sort();
  const disks = disksOf(live).filter((d) => d.media !== 'cdrom');
  // Containers have no uuid, and very old VMs may lack it: their parts identify them.
  const root = disks.find((d) => d.slot === 'rootfs') ?? disks[0];
  const made = { root: root?.volid ?? '', macs, arch: live.arch ?? '', ostype: live.ostype ?? '' };
  const generation = live.vmgenid;
  return {
    type: at.type,
    vmid: at.vmid,
    key: uuidOf(live) ?? digestOf(made),
    ...(generation !== undefined && generation !== '0' ? { generation } : {}),
    name: (at.type === 'qemu' ? config.name : config.hostname) ?? '',
    node: at.node,
    protection: config.protection === '1',
    ...defined({ lock: config.lock }),
    disks: disks.map((d) => d.volid).sort(),
  };
}
