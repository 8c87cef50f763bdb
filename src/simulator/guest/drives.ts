import { demand, may } from '../access/permissions.ts';
import { type Context, nodeOf } from '../context.ts';
import { checkProperty, type Format, findMethod, parameterOf, propertyFormat } from '../contract.ts';
import { ApiError, forbid, invalid, refuse } from '../errors.ts';
import type { Config, Storage, Volume } from '../model.ts';
import { parsePropertyString, printPropertyString } from '../property-string.ts';
import type { World } from '../world.ts';
import { DRIVE_KEY, isCloudInit, option, printSize, volumeOf } from './config.ts';
import {
  allocate,
  contentOf,
  findStorage,
  findVolume,
  isFileBased,
  logMirror,
  logTransfer,
  ownerOf,
  pathOf,
  storageOf,
  usableStorage,
} from './volumes.ts';

const GIB = 1024 ** 3;
const CLOUD_INIT_SIZE = 4 * 1024 ** 2;
const NEW_DISK = /^(?:([^/:\s]+):)?(\d+(?:\.\d+)?)$/;
const PATH_REFUSAL = 'Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 651.';

/** The order in which drives are worked through. */
const BUSES = ['ide', 'scsi', 'virtio', 'sata', 'efidisk', 'tpmstate'];

export function settingsInOrder(settings: Config): [string, string][] {
  const rank = (key: string) => BUSES.indexOf(key.replace(/\d+$/, '')) * 100 + Number(/\d+$/.exec(key)?.[0] ?? 0);
  return Object.entries(settings)
    .filter(([key]) => DRIVE_KEY.test(key))
    .sort(([a], [b]) => rank(a) - rank(b));
}

/** Declared property-string format of a drive or network key. */
export function formatOf(key: string): Format {
  const method = findMethod('POST', '/nodes/n/qemu')?.method;
  const format = method && parameterOf(method, key)?.format;
  if (format === undefined) throw new Error(`${key} has no format`);
  return typeof format === 'string' ? propertyFormat(format) : format;
}

export type DriveKind = 'empty' | 'cloudinit' | 'new' | 'existing';

export function driveKind(value: string): DriveKind {
  const file = volumeOf(value);
  if (file === 'none' || file === 'cdrom') return 'empty';
  if (file === 'cloudinit' || file.endsWith(':cloudinit')) return 'cloudinit';
  return NEW_DISK.test(file) ? 'new' : 'existing';
}

/** Storage privileges for the drives of a request; everything a caller may not touch is refused here, before anything happens. */
export function checkStorageAccess(context: Context, vmid: number, settings: Config, fallback?: string): void {
  const { world, who } = context;
  for (const [, value] of settingsInOrder(settings)) {
    const file = volumeOf(value);
    const kind = driveKind(value);
    if (kind === 'new') {
      const name = NEW_DISK.exec(file)?.[1] ?? fallback ?? invalid({ storage: 'no storage ID specified (and no default specified)' });
      demand(world, who, `/storage/${name}`, ['Datastore.AllocateSpace']);
      if (!usableStorage(world, name, nodeOf(context)).content.includes('images'))
        invalid({ storage: `storage '${name}' does not support vm images` });
    } else if (kind === 'existing') checkVolumeAccess(context, vmid, file);
    const source = option(value, 'import-from');
    if (source !== undefined) checkImport(context, vmid, source);
  }
}

function checkImport(context: Context, vmid: number, source: string): void {
  if (source.startsWith('/')) refuse(PATH_REFUSAL);
  const content = contentOf(source);
  if (content !== 'images' && content !== 'import') refuse(`'${source}' has wrong type '${content}' - needs to be 'images' or 'import'`);
  checkVolumeAccess(context, vmid, source);
}

export function checkVolumeAccess(context: Context, vmid: number, volid: string): void {
  const { world, who } = context;
  if (volid.startsWith('/')) refuse(PATH_REFUSAL);
  const storage = findStorage(world, storageOf(volid));
  const path = `/storage/${storage.storage}`;
  if (may(world, who, path, ['Datastore.Allocate'])) return;
  const content = contentOf(volid);
  if (content === 'iso' || content === 'vztmpl' || content === 'import') {
    demand(world, who, path, ['Datastore.AllocateSpace', 'Datastore.Audit'], true);
    return;
  }
  const owner = ownerOf(volid);
  if (owner === undefined) forbid(path);
  if (content === 'backup') {
    demand(world, who, path, ['Datastore.AllocateSpace']);
    demand(world, who, `/vms/${owner}`, ['VM.Backup']);
  } else if (owner !== vmid) {
    demand(world, who, path, ['Datastore.Audit']);
    demand(world, who, `/vms/${owner}`, ['VM.Config.Disk']);
  }
}

/** Where drives are made: in a task with its log, or silently. */
export interface Workshop {
  world: World;
  node: string;
  vmid: number;
  at: number;
  log: (line: string) => void;
  /** Volumes made so far, so that a failure can take them away again. */
  made: string[];
}

/** Makes what a drive setting asks for and returns the setting as it is stored. */
export function makeDrive(shop: Workshop, key: string, value: string, fallback?: string): string {
  const format = formatOf(key);
  const { values } = parsePropertyString(format, value, checkProperty);
  const { format: wantedFormat, 'import-from': source, size: _size, ...rest } = values;
  const store = (volume: Volume | undefined, extra: Record<string, string> = {}): string => {
    const size = volume && !('noSize' in extra) ? { size: printSize(volume.size) } : {};
    const { noSize: _noSize, ...more } = extra;
    return printPropertyString(format, { ...rest, ...more, ...(volume ? { file: volume.volid } : {}), ...size });
  };
  const file = volumeOf(value);
  switch (driveKind(value)) {
    case 'empty':
      return store(undefined);
    case 'cloudinit': {
      const storage = findStorage(shop.world, storageOf(file) || (fallback ?? 'local'));
      const wish = { size: CLOUD_INIT_SIZE, format: wantedFormat ?? (isFileBased(storage) ? 'qcow2' : 'raw'), name: 'cloudinit' };
      const volume = make(shop, { storage, ...wish });
      return announce(shop, key, store(volume, { media: 'cdrom', noSize: '1' }));
    }
    case 'new': {
      const [, name, gib] = NEW_DISK.exec(file) ?? [];
      const storage = findStorage(shop.world, name ?? fallback ?? 'local');
      if (source !== undefined) return announce(shop, key, store(importDisk(shop, storage, source, wantedFormat)));
      const size = key === 'efidisk0' ? 528 * 1024 : key === 'tpmstate0' ? CLOUD_INIT_SIZE : Math.round(Number(gib) * GIB);
      return announce(shop, key, store(make(shop, { storage, size, format: wantedFormat })));
    }
    default: {
      const volume = findVolume(shop.world, shop.node, file) ?? refuse(`volume '${file}' does not exist`);
      return store(volume);
    }
  }
}

function make(shop: Workshop, wish: Omit<Parameters<typeof allocate>[1], 'node' | 'vmid' | 'at' | 'log'>): Volume {
  const { world, node, vmid, at, log } = shop;
  const volume = allocate(world, { node, vmid, at, log, ...wish });
  shop.made.push(volume.volid);
  return volume;
}

function announce(shop: Workshop, key: string, stored: string): string {
  shop.log(`${key}: successfully created disk '${stored}'`);
  return stored;
}

function importDisk(shop: Workshop, storage: Storage, source: string, format: string | undefined): Volume {
  const origin = findVolume(shop.world, shop.node, source);
  if (!origin) refuse(`failed to stat '${pathOf(findStorage(shop.world, storageOf(source)), source)}'`);
  const owner = origin.content === 'images' ? shop.world.guest(ownerOf(source) ?? 0) : undefined;
  if (isCloudInit(`${source},media=cdrom`)) refuse(`cannot import from '${source}' - cannot import from cloudinit disk`);
  if (owner && owner.node !== shop.node) refuse(`cannot import from '${source}' - owner VM ${owner.vmid} not on local node`);
  shop.log(`create full clone of drive (${source})`);
  return copyVolume(shop, origin, { storage, format: format ?? origin.format });
}

/** A full copy with its progress in the log. */
export function copyVolume(
  shop: Workshop,
  origin: Volume,
  to: { storage: Storage; format?: string | undefined; name?: string; mirror?: string | undefined },
): Volume {
  const { mirror: _mirror, ...where } = to;
  const size = origin.virtual ?? origin.size;
  const volume = make(shop, { ...where, size, written: origin.used, content: 'images' });
  shop.log(`allocated target volume '${volume.volid}'`);
  if (to.mirror) logMirror(shop.log, to.mirror, size);
  else if (to.name !== 'cloudinit') logTransfer(shop.log, size, origin.format);
  return volume;
}

const KEY_TYPES =
  /^(ssh-(rsa|dss|ed25519)|ecdsa-sha2-nistp\d+|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)\s+[A-Za-z0-9+/]{16,}={0,3}(\s|$)/;

/** Every line of `sshkeys` is parsed as a key; empty lines and CRLF are fine, comments are not. */
export function checkSshKeys(encoded: string | undefined): void {
  if (encoded === undefined || encoded === '') return;
  const lines = decodeURIComponent(encoded)
    .split('\n')
    .map((line) => line.trim());
  if (!lines.every((line) => line === '' || KEY_TYPES.test(line))) throw new ApiError(500, 'SSH public key validation error');
}

/** `boot: order=…` may only name devices that are there. */
export function checkBootOrder(config: Config): void {
  const order = /order=([^,]*)/.exec(config.boot ?? '')?.[1];
  for (const device of order?.split(';').filter(Boolean) ?? []) {
    if (config[device] === undefined) refuse(`invalid bootorder: device '${device}' does not exist'`);
  }
}

/** The default boot order of a guest: first disk, first CD, first network card. */
export function defaultBoot(config: Config): string {
  const drives = settingsInOrder(config).filter(([key]) => !/^(efidisk|tpmstate)/.test(key));
  const disk = drives.find(([, value]) => option(value, 'media') !== 'cdrom')?.[0];
  const cd = drives.find(([, value]) => option(value, 'media') === 'cdrom')?.[0];
  const net = Object.keys(config)
    .filter((key) => /^net\d+$/.test(key))
    .sort()[0];
  const devices = [disk, cd, net].filter((device) => device !== undefined);
  return devices.length > 0 ? `order=${devices.join(';')}` : ' ';
}

/** Locally administered prefix of the cluster plus three octets of chance. */
export function randomMac(): string {
  const octet = () =>
    Math.floor(Math.random() * 256)
      .toString(16)
      .toUpperCase()
      .padStart(2, '0');
  return `BC:24:11:${octet()}:${octet()}:${octet()}`;
}

/** A network setting as it is stored: with a MAC, model first. */
export function storeNet(key: string, value: string, freshMac = false): string {
  const format = formatOf(key);
  const { values } = parsePropertyString(format, value, checkProperty);
  if (freshMac || values.macaddr === undefined) values.macaddr = randomMac();
  values.macaddr = (values.macaddr as string).toUpperCase();
  return printPropertyString(format, values);
}
