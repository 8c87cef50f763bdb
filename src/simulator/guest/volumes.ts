import { refuse } from '../errors.ts';
import type { Storage, Volume } from '../model.ts';
import type { World } from '../world.ts';

const MIB = 1024 ** 2;
/** The file system under a directory storage takes no bigger file. */
const FILE_LIMIT = 16 * 1024 ** 4;
/** A fresh qcow2 file occupies this much. */
const FRESH_QCOW2 = 266_240;

const CONTENT_OF: Record<string, Volume['content']> = { iso: 'iso', vztmpl: 'vztmpl', backup: 'backup', import: 'import' };

export const storageOf = (volid: string): string => volid.slice(0, volid.indexOf(':'));

export function findStorage(world: World, name: string): Storage {
  return world.get('storage', name) ?? refuse(`storage '${name}' does not exist`);
}

/** The storage, if it may be used on that node. */
export function usableStorage(world: World, name: string, node: string): Storage {
  const storage = findStorage(world, name);
  if (storage.disabled) refuse(`storage '${name}' is disabled`);
  if (!hasStorage(storage, node)) refuse(`storage '${name}' is not available on node '${node}'`);
  return storage;
}

export const isFileBased = (storage: Storage): boolean => storage.type === 'dir' || storage.type === 'nfs';

/** Only snapshots of these can be taken: qcow2 files, and everything on storages that snapshot by themselves. */
export const canSnapshot = (storage: Storage, volume: Volume): boolean => !isFileBased(storage) || volume.format === 'qcow2';

const place = (storage: Storage, node: string): string => (storage.shared ? '' : node);
const key = (node: string, volid: string): string => `${node}|${volid}`;

export function hasStorage(storage: Storage, node: string): boolean {
  return storage.nodes === undefined || storage.nodes.includes(node);
}

export function findVolume(world: World, node: string, volid: string): Volume | undefined {
  const storage = world.get('storage', storageOf(volid));
  return storage && world.get('volume', key(place(storage, node), volid));
}

export function saveVolume(world: World, volume: Volume): void {
  world.put('volume', key(volume.node, volume.volid), volume);
}

export function freeVolume(world: World, volume: Volume): void {
  world.drop('volume', key(volume.node, volume.volid));
}

/** Frees it if it is there. */
export function freeByName(world: World, node: string, volid: string): void {
  const volume = findVolume(world, node, volid);
  if (volume) freeVolume(world, volume);
}

export function volumesOn(world: World, storage: Storage, node: string): Volume[] {
  const at = place(storage, node);
  return [...world.all('volume').values()].filter((volume) => volume.storage === storage.storage && volume.node === at);
}

/** Bytes; thin storages count what is written, not what is promised. */
export function usage(world: World, storage: Storage, node: string): { total: number; used: number; avail: number } {
  const used = Math.min(
    storage.total,
    volumesOn(world, storage, node).reduce((sum, volume) => sum + volume.used, storage.base),
  );
  return { total: storage.total, used, avail: storage.total - used };
}

/** Volumes that are linked clones of this one. */
export function childrenOf(world: World, volume: Volume): Volume[] {
  if (world.get('storage', volume.storage)?.type === 'lvmthin') return [];
  return [...world.all('volume').values()].filter((other) => other.parent === volume.volid && other.node === volume.node);
}

/** The file or device behind a volume, as log lines and messages show it. */
export function pathOf(storage: Storage, volid: string): string {
  const name = volid.slice(volid.indexOf(':') + 1);
  if (storage.type === 'pbs')
    return `${storage.extra?.username}@${storage.extra?.server}:${storage.extra?.datastore}:${name.replace('backup/', '')}`;
  if (!isFileBased(storage)) return `/dev/${storage.extra?.vgname ?? storage.storage}/${name}`;
  const root = storage.path ?? `/mnt/pve/${storage.storage}`;
  const [kind = '', ...rest] = name.split('/');
  if (kind === 'iso' || kind === 'vztmpl') return `${root}/template/${kind === 'iso' ? 'iso' : 'cache'}/${rest.join('/')}`;
  if (kind === 'import') return `${root}/import/${rest.join('/')}`;
  if (kind === 'backup') return `${root}/dump/${rest.join('/')}`;
  return `${root}/images/${name.replace(/^.*\/(\d+\/[^/]+)$/, '$1')}`;
}

/** Content of a volume name that belongs to no guest: `local:iso/x.iso` → iso. */
export function contentOf(volid: string): Volume['content'] {
  return CONTENT_OF[volid.slice(volid.indexOf(':') + 1).split('/')[0] as string] ?? 'images';
}

/** Guest a volume name belongs to, by the name alone. */
export function ownerOf(volid: string): number | undefined {
  const onServer = /:backup\/(?:vm|ct)\/(\d+)\//.exec(volid);
  const found = onServer ?? /(?:vm|base|subvol|basevol)-(\d+)-[^/]*$/.exec(volid) ?? /vzdump-(?:qemu|lxc)-(\d+)-/.exec(volid);
  return found ? Number(found[1]) : undefined;
}

export interface Allocation {
  node: string;
  storage: Storage;
  vmid: number;
  /** Bytes. */
  size: number;
  /** raw or qcow2; storages without files know only raw. */
  format?: string | undefined;
  /** `cloudinit`, `state-NAME`; default the next `disk-N`. */
  name?: string;
  content?: Volume['content'];
  /** Bytes that are written at once. */
  written?: number;
  /** Volume it is a linked clone of. */
  parent?: Volume;
  /** Epoch ms. */
  at: number;
  log: (line: string) => void;
}

/** Makes a volume for a guest and logs what the tools print. @throws Error in the tools' words when it does not fit */
export function allocate(world: World, wanted: Allocation): Volume {
  const { storage, vmid, node } = wanted;
  const files = isFileBased(storage);
  const format = files ? (wanted.format ?? 'raw') : 'raw';
  const base = wanted.parent && files ? `${wanted.parent.volid.slice(storage.storage.length + 1)}/` : '';
  const suffix = files ? `.${format}` : '';
  const name = `vm-${vmid}-${wanted.name ?? nextDisk(world, storage, node, vmid)}${suffix}`;
  if (files && !['raw', 'qcow2', 'vmdk'].includes(format)) refuse(`unable to parse volume filename '${name}'`);
  const volid = files ? `${storage.storage}:${base}${vmid}/${name}` : `${storage.storage}:${name}`;
  const path = pathOf(storage, `${storage.storage}:${files ? `${vmid}/` : ''}${name}`);
  if (files) {
    wanted.log(formatting(path, format, wanted));
    if (format === 'raw' && wanted.size > FILE_LIMIT) {
      refuse(`unable to create image: qemu-img: ${path}: The image size is too large for file format 'raw'`);
    }
  } else if (storage.type === 'lvmthin') wanted.log(`  Logical volume "${name}" created.`);
  if (storage.type === 'zfspool' && wanted.size > usage(world, storage, node).avail) {
    refuse(`unable to create image: zfs error: cannot create '${storage.extra?.pool ?? storage.storage}/${name}': out of space`);
  }
  const volume: Volume = {
    volid,
    storage: storage.storage,
    node: place(storage, node),
    content: wanted.content ?? 'images',
    format,
    size: wanted.size,
    used: storage.type === 'zfspool' ? wanted.size : Math.max(wanted.written ?? 0, format === 'qcow2' ? FRESH_QCOW2 : 0),
    vmid,
    ctime: Math.floor(wanted.at / 1000),
    ...(wanted.parent ? { parent: wanted.parent.volid } : {}),
  };
  saveVolume(world, volume);
  return volume;
}

function nextDisk(world: World, storage: Storage, node: string, vmid: number): string {
  const taken = new Set(
    volumesOn(world, storage, node)
      .filter((volume) => volume.vmid === vmid)
      .map((volume) => /-disk-(\d+)/.exec(volume.volid)?.[1]),
  );
  for (let index = 0; ; index += 1) if (!taken.has(String(index))) return `disk-${index}`;
}

function formatting(path: string, format: string, wanted: Allocation): string {
  if (format !== 'qcow2') return `Formatting '${path}', fmt=${format} size=${wanted.size} preallocation=off`;
  const [cluster, extended] = wanted.parent ? ['131072', 'on'] : ['65536', 'off'];
  const backing = wanted.parent
    ? ` backing_file=../${wanted.parent.volid.slice(wanted.parent.volid.indexOf(':') + 1).replace(/^.*\/(\d+\/[^/]+)$/, '$1')} backing_fmt=${wanted.parent.format}`
    : '';
  return `Formatting '${path}', fmt=qcow2 cluster_size=${cluster} extended_l2=${extended} preallocation=metadata compression_type=zlib size=${wanted.size}${backing} lazy_refcounts=off refcount_bits=16`;
}

const STEPS = {
  raw: [11.4, 22.57, 33.73, 44.9, 56.06, 67.23, 78.39, 89.56],
  qcow2: [11.76, 22.84, 33.91, 44.98, 56.06, 67.13, 78.2, 89.27],
};

/** The progress of a full copy, as qemu-img convert prints it. */
export function logTransfer(log: (line: string) => void, size: number, source: string): void {
  const steps = source === 'qcow2' ? STEPS.qcow2 : STEPS.raw;
  for (const percent of [0, ...steps, 100, 100])
    log(`transferred ${human((size * percent) / 100)} of ${human(size)} (${percent.toFixed(2)}%)`);
}

/** The progress of copying a disk in use. */
export function logMirror(log: (line: string) => void, drive: string, size: number): void {
  log(`drive mirror is starting for drive-${drive}`);
  log(`mirror-${drive}: transferred 64.0 KiB of ${human(size)} (${((65_536 / size) * 100).toFixed(2)}%) in 0s`);
  log(`mirror-${drive}: transferred ${human(size)} of ${human(size)} (100.00%) in 1s, ready`);
  log("all 'mirror' jobs are ready");
}

function human(bytes: number): string {
  const units: [string, number][] = [
    ['TiB', 1024 ** 4],
    ['GiB', 1024 ** 3],
    ['MiB', MIB],
    ['KiB', 1024],
  ];
  for (const [unit, size] of units) if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  return `${bytes.toFixed(1)} B`;
}
