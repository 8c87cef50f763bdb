import type { GuestType } from '../core/guest.ts';
import type { Options } from './options.ts';
import { parseNet, parseProperties, parseSizeGib } from './property-strings.ts';

/** `disk` data · `cdrom` an ISO, which is not the guest's own · `cloudinit` its generated drive · `firmware` EFI variables, TPM state · `unused` detached */
export type Media = 'disk' | 'cdrom' | 'cloudinit' | 'firmware' | 'unused';

export interface Disk {
  /** `scsi0`, `rootfs`, … */
  slot: string;
  volid: string;
  /** Empty for a path on the host. */
  storage: string;
  /** Absent where the configuration does not tell. */
  sizeGib?: number;
  media: Media;
}

const SLOT = /^(?:(?:ide|sata|scsi|virtio|unused|mp)\d+|efidisk0|tpmstate0|rootfs)$/;
/** All drives and volumes of a configuration in the order of their slots; empty CD drives are left out. */
export function disksOf(config: Options): Disk[] {
  return Object.keys(config)
    .filter((key) => SLOT.test(key))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .flatMap((slot): Disk[] => {
      const parts = parseProperties(config[slot] ?? '', 'volume');
      const volid = parts.file ?? parts.volume ?? '';
      if (volid === '' || volid === 'none' || volid === 'cdrom') return [];
      const sizeGib = parseSizeGib(parts.size ?? '');
      const storage = /^([a-zA-Z][a-zA-Z0-9\-_.]*):/.exec(volid)?.[1] ?? '';
      return [{ slot, volid, storage, ...(sizeGib === undefined ? {} : { sizeGib }), media: mediaOf(slot, parts, volid) }];
    });
}

function mediaOf(slot: string, parts: Record<string, string>, volid: string): Media {
  if (slot.startsWith('unused')) return 'unused';
  if (slot === 'efidisk0' || slot === 'tpmstate0') return 'firmware';
  if (/(?:^|[:/])vm-\d+-cloudinit(?:\.\w+)?$/.test(volid)) return 'cloudinit';
  return parts.media === 'cdrom' ? 'cdrom' : 'disk';
}

/** The sum of the data disks in GiB, as quotas count it. */
export function dataGib(disks: readonly Disk[]): number {
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
  /** Containers: `dhcp` or CIDR. */
  ip?: string;
}

/** Network devices of a VM (`virtio=MAC,bridge=vmbr0,tag=20`) or container (`name=eth0,bridge=vmbr0,hwaddr=MAC,ip=dhcp`). */
export function networksOf(type: GuestType, config: Options): Network[] {
  return Object.keys(config)
    .filter((key) => /^net\d+$/.test(key))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((slot) => {
      const { model, mac, options } = type === 'qemu' ? parseNet(config[slot] ?? '') : interfaceOf(config[slot] ?? '');
      return {
        slot,
        model,
        ...(mac === undefined ? {} : { mac }),
        ...(options.bridge === undefined ? {} : { bridge: options.bridge }),
        ...(options.tag === undefined ? {} : { vlan: Number(options.tag) }),
        ...(type === 'lxc' && options.ip !== undefined ? { ip: options.ip } : {}),
      };
    });
}

function interfaceOf(text: string) {
  const { name = '', hwaddr: mac, ...options } = parseProperties(text, 'name');
  return { model: name, mac, options };
}
