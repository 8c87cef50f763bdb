import { defined } from '../core/defined.ts';
import type { ProxmoxReader } from '../core/proxmox.ts';
import { byNumber } from '../core/text/order.ts';
import { gibOf, isSet, numberOf } from '../core/text/sizes.ts';
import { path } from './guest/encode.ts';

export interface StorageRow {
  storage: string;
  /** `dir`, `nfs`, `lvmthin`, `zfspool`, `rbd`, … */
  type: string;
  content: string[];
  /** Enabled, and mounted or connected on this node. */
  usable: boolean;
  shared: boolean;
  freeGib: number;
  totalGib: number;
}

/** Storages that a node can use and the token can see: `GET /nodes/{node}/storage`. */
export async function listStorages(api: ProxmoxReader, node: string): Promise<StorageRow[]> {
  const rows = await api.get<
    {
      storage: string;
      type: string;
      content?: string;
      active?: number;
      enabled?: number;
      shared?: number;
      avail?: number;
      total?: number;
    }[]
  >(path`/nodes/${node}/storage`);
  return rows
    .map((r) => ({
      storage: r.storage,
      type: r.type,
      content: (r.content ?? '').split(',').filter((c) => c !== ''),
      usable: isSet(r.active) && isSet(r.enabled ?? 1),
      shared: isSet(r.shared),
      freeGib: gibOf(r.avail ?? 0),
      totalGib: gibOf(r.total ?? 0),
    }))
    .sort((a, b) => a.storage.localeCompare(b.storage));
}

/** The name of a pool of space. A storage that nodes share is one pool for all of them. */
export function placeOn(node: string, { storage, shared }: Pick<StorageRow, 'storage' | 'shared'>): string {
  return shared ? storage : `${node}/${storage}`;
}

/** Storages that keep disks as files; raw files there cannot be snapshotted, qcow2 ones can. */
export function isFileStorage(type: string): boolean {
  return ['dir', 'nfs', 'cifs', 'glusterfs'].includes(type);
}

/** Storages that give out more space than they have. */
export function isThin(type: string): boolean {
  return ['lvmthin', 'zfspool', 'rbd'].includes(type);
}

/** Whether a disk of a template can be the base of linked clones there; undefined for a type that is not known here. */
export function canLink(type: string): boolean | undefined {
  // `zfs` is ZFS over iSCSI.
  if (isFileStorage(type) || isThin(type) || type === 'btrfs' || type === 'zfs') return true;
  return ['lvm', 'iscsi', 'iscsidirect'].includes(type) ? false : undefined;
}

/** A volume as its storage lists it. */
export interface VolumeRow {
  volid: string;
  content?: string;
  /** Bytes. */
  size?: number;
  /** Epoch seconds. */
  ctime?: number;
  vmid?: number | string;
  parent?: string | null;
  protected?: number | boolean;
  /** These three of a backup. */
  notes?: string;
  subtype?: string;
  verification?: { state?: string };
}

type VolumeFilter = { content?: string; vmid?: number };

/** The volumes on a storage as Proxmox lists them: `GET /nodes/{node}/storage/{storage}/content`. */
export function volumeRows(api: ProxmoxReader, node: string, storage: string, filter: VolumeFilter = {}): Promise<VolumeRow[]> {
  return api.get<VolumeRow[]>(path`/nodes/${node}/storage/${storage}/content`, filter);
}

export interface Volume {
  volid: string;
  /** `images`, `rootdir`, `iso`, `import`, `backup`, `vztmpl`, `snippets` */
  content: string;
  sizeGib: number;
  /** Owner, for disks and backups. */
  vmid?: number;
  /** Base of a linked clone. */
  parent?: string;
  /** Epoch seconds. */
  createdAt?: number;
}

/**
 * Volumes on a storage: `GET /nodes/{node}/storage/{storage}/content`. Proxmox silently omits disks of guests
 * that the token may not configure. The filter by VMID does not apply to `import`.
 */
export async function listVolumes(api: ProxmoxReader, node: string, storage: string, filter?: VolumeFilter): Promise<Volume[]> {
  const rows = await volumeRows(api, node, storage, filter);
  return rows
    .map((r) => ({
      volid: r.volid,
      content: r.content ?? '',
      sizeGib: gibOf(r.size ?? 0),
      ...defined({ vmid: numberOf(r.vmid), parent: r.parent || undefined, createdAt: numberOf(r.ctime) }),
    }))
    .sort((a, b) => byNumber(a.volid, b.volid));
}

/** Disks of VMs and of containers. */
const DISKS = ['images', 'rootdir'];

export function takesDisks({ content }: Pick<StorageRow, 'content'>): boolean {
  return content.some((kind) => DISKS.includes(kind));
}

export function isDisk({ content = '' }: { content?: string }): boolean {
  return DISKS.includes(content);
}

/** The storage's name in a volume id; empty for a path on the host and for any other text. */
export function storageOf(volid: string): string {
  return /^([A-Za-z][A-Za-z0-9\-_.]*):./.exec(volid)?.[1] ?? '';
}
