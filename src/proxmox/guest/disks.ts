import { defined } from '../../core/defined.ts';
import type { GuestType } from '../../core/guest.ts';
import { byNumber } from '../../core/text/order.ts';
import { numberOf } from '../../core/text/sizes.ts';
import { MOUNT } from '../access/option-privileges.ts';
import { storageOf } from '../storage.ts';
import { type Options, parseNet, parseProperties, parseSizeGib } from './property-strings.ts';

/**
 * `disk` data · `cdrom` an ISO, which is not the guest's own · `cloudinit` its generated drive · `firmware` EFI variables, TPM state ·
 * `unused` detached · `bind` a folder of the host inside a container
 */
type Media = 'disk' | 'cdrom' | 'cloudinit' | 'firmware' | 'unused' | 'bind';

export interface Disk {
  /** `scsi0`, `rootfs`, … */
  slot: string;
  volid: string;
  /** Empty for a path on the host. */
  storage: string;
  /** VMID of the guest whose volume this is; absent for what belongs to no guest, see ownerOf. */
  owner?: number;
  /** Absent where the configuration does not tell. */
  sizeGib?: number;
  media: Media;
}

/** The volume of a drive that Proxmox generates for cloud-init. */
export const CLOUD_INIT = /(?:^|[:/])(?:vm-\d+-)?cloudinit(?:\.\w+)?$/;

const SLOT = /^(?:(?:ide|sata|scsi|virtio|unused|mp)\d+|efidisk0|tpmstate0|rootfs)$/;
/** All drives and volumes of a configuration in the order of their slots; empty CD drives are left out. */
export function disksOf(config: Options): Disk[] {
  return Object.keys(config)
    .filter((key) => SLOT.test(key))
    .sort(byNumber)
    .flatMap((slot): Disk[] => {
      const parts = parseProperties(config[slot] ?? '', 'volume');
      const volid = parts.file ?? parts.volume ?? '';
      if (volid === '' || volid === 'none' || volid === 'cdrom') return [];
      const sizeGib = parseSizeGib(parts.size ?? '');
      return [
        { slot, volid, storage: storageOf(volid), ...defined({ owner: ownerOf(volid), sizeGib }), media: mediaOf(slot, parts, volid) },
      ];
    });
}

/** Folders of a storage whose files belong to no guest, whatever they are called. */
const COMMON = /^(?:iso|vztmpl|backup|snippets|import)\//;

/**
 * VMID of the guest to which a volume belongs. Proxmox tells it from the volume's name: `local-lvm:vm-105-disk-0`,
 * `zfs:subvol-201-disk-0`, `nfs:105/any.qcow2`, and the last part of a linked clone
 * (`nfs:9000/base-9000-disk-0.qcow2/105/vm-105-disk-0.qcow2`). It frees a volume with its owner and with no other guest.
 * Undefined for a path on the host, an ISO, a container's archive, an import, and for a name of another kind.
 */
export function ownerOf(volid: string): number | undefined {
  const storage = storageOf(volid);
  const name = volid.slice(storage.length + 1);
  if (storage === '' || COMMON.test(name)) return undefined;
  const owner = /(?:^|\/)(\d+)\/[^/]+$/.exec(name)?.[1] ?? /(?:^|\/)(?:vm|base|subvol|basevol)-(\d+)-[^/]+$/.exec(name)?.[1];
  return owner === undefined ? undefined : Number(owner);
}

/** VMID of the guest in a backup: `local:backup/vzdump-qemu-102-…`, `pbs:backup/vm/102/…`. */
export function backupOwner(volid: string): number | undefined {
  const owner = /:backup\/(?:vzdump-(?:qemu|lxc)-(\d+)-|(?:vm|ct)\/(\d+)\/)/.exec(volid);
  return owner ? Number(owner[1] ?? owner[2]) : undefined;
}

function mediaOf(slot: string, parts: Record<string, string>, volid: string): Media {
  if (slot.startsWith('unused')) return 'unused';
  if (slot === 'efidisk0' || slot === 'tpmstate0') return 'firmware';
  if (CLOUD_INIT.test(volid)) return 'cloudinit';
  if (MOUNT.test(slot) && volid.startsWith('/') && !volid.startsWith('/dev/')) return 'bind';
  return parts.media === 'cdrom' ? 'cdrom' : 'disk';
}

/**
 * The sum of the data disks in GiB, as quotas count it and storages list it. A disk of the host takes no space of a storage, and the volume of
 * another guest counts with that guest.
 */
export function dataGib(disks: readonly Disk[], vmid: number): number {
  return sumOf(disks.filter((d) => d.storage !== '' && (d.owner === undefined || d.owner === vmid)));
}

/** The size of a full copy in GiB, including volumes of other guests, which Proxmox copies like the guest's own. */
export function copiedGib(disks: readonly Disk[]): number {
  return sumOf(disks.filter((d) => d.storage !== ''));
}

function sumOf(disks: readonly Disk[]): number {
  return disks.filter((d) => d.media === 'disk').reduce((sum, d) => sum + (d.sizeGib ?? 0), 0);
}

/** The disk that the guest boots from: the first one of the boot order, else the usual one. */
export function bootDisk(config: Options, disks: readonly Disk[]): Disk | undefined {
  const data = disks.filter((d) => d.media === 'disk');
  const order = [
    ...(parseProperties(config.boot ?? '', 'order').order?.split(';') ?? []),
    config.bootdisk ?? '',
    'rootfs',
    'scsi0',
    'virtio0',
    'sata0',
    'ide0',
  ];
  return order.map((slot) => data.find((d) => d.slot === slot)).find((d) => d !== undefined) ?? data[0];
}

export interface Network {
  /** `net0` */
  slot: string;
  /** `virtio`, `e1000`, …; for containers the name of the interface. */
  model: string;
  mac?: string;
  bridge?: string;
  vlan?: number;
  /** The configured address: `dhcp`, `manual` or CIDR, for ip6 also `auto`. Of a VM what cloud-init gives it. */
  ip?: string;
  ip6?: string;
  /** VLANs that pass, `2;5;10-20`. */
  trunks?: string;
  /** MB a second. */
  rate?: number;
  /** The firewall acts on this device, where it is enabled at all. */
  firewall?: boolean;
  /** As if the cable was not plugged in. */
  link_down?: boolean;
}

/** Network devices of a VM (`virtio=MAC,bridge=vmbr0,tag=20`) or container (`name=eth0,bridge=vmbr0,hwaddr=MAC,ip=dhcp`). */
export function networksOf(type: GuestType, config: Options): Network[] {
  return Object.keys(config)
    .filter((key) => /^net\d+$/.test(key))
    .sort(byNumber)
    .map((slot) => {
      const { model, mac, options } = type === 'qemu' ? parseNet(config[slot] ?? '') : interfaceOf(config[slot] ?? '');
      return {
        slot,
        model,
        ...defined({ mac, bridge: options.bridge, vlan: numberOf(options.tag) }),
        ...(type === 'lxc' ? defined({ ip: options.ip, ip6: options.ip6 }) : givenAddress(config[slot.replace('net', 'ipconfig')])),
        ...defined({ trunks: options.trunks, rate: numberOf(options.rate) }),
        ...(options.firewall === '1' ? { firewall: true } : {}),
        ...(options.link_down === '1' ? { link_down: true } : {}),
      };
    });
}

/** The addresses of `ipconfig0`: `ip=10.0.0.5/24,gw=10.0.0.1,ip6=auto`. */
function givenAddress(text: string | undefined) {
  const { ip, ip6 } = parseProperties(text ?? '', 'ip');
  return defined({ ip: ip || undefined, ip6 });
}

function interfaceOf(text: string) {
  const { name = '', hwaddr: mac, ...options } = parseProperties(text, 'name');
  return { model: name, mac, options };
}
