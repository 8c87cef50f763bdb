import { createHash } from 'node:crypto';
import { findMethod, parameterOf } from '../contract.ts';
import type { Config, Guest } from '../model.ts';

const GIB = 1024 ** 3;
const UNITS: Record<string, number> = { K: 1024, M: 1024 ** 2, G: GIB, T: 1024 ** 4 };

export const DRIVE_KEY = /^(ide|sata|scsi|virtio)\d+$|^(efidisk0|tpmstate0)$/;
export const CT_VOLUME_KEY = /^(rootfs|mp\d+)$/;

/** Keys in the order in which the implementation sorts drives: bus by bus, then by number. */
export function driveKeys(config: Config): string[] {
  return Object.keys(config)
    .filter((key) => DRIVE_KEY.test(key))
    .sort((a, b) => a.replace(/\d+$/, '').localeCompare(b.replace(/\d+$/, '')) || number(a) - number(b));
}

const number = (key: string): number => Number(/\d+$/.exec(key)?.[0] ?? 0);

/** Mount points of a container, the root first. */
export const mountKeys = (config: Config): string[] =>
  Object.keys(config)
    .filter((key) => /^(rootfs|mp\d+)$/.test(key))
    .sort((a, b) => (a === 'rootfs' ? -1 : b === 'rootfs' ? 1 : number(a) - number(b)));

/** Drives or mount points that hold data of their own. */
export function dataKeys({ type, config }: Pick<Guest, 'type' | 'config'>): string[] {
  return type === 'qemu' ? driveKeys(config).filter((key) => !isCdrom(config[key] as string)) : mountKeys(config);
}

/** The volume (or `none`, `cdrom`) a drive or mount point names first. */
export function volumeOf(value: string): string {
  return (value.split(',')[0] ?? '').replace(/^(file|volume)=/, '');
}

export function option(value: string, name: string): string | undefined {
  return value
    .split(',')
    .slice(1)
    .find((part) => part.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}

export const isCdrom = (value: string): boolean => option(value, 'media') === 'cdrom';
export const isCloudInit = (value: string): boolean => /[:/]vm-\d+-cloudinit(\.\w+)?$/.test(volumeOf(value));

/** `32G`, `96M`, `1120M` → bytes; a bare number is bytes. */
export function parseSize(text: string): number {
  const found = /^(\d+(?:\.\d+)?)([KMGT])?(?:iB)?$/.exec(text);
  return found ? Math.round(Number(found[1]) * (found[2] ? (UNITS[found[2]] as number) : 1)) : 0;
}

/** Bytes → the largest unit that fits without a rest. */
export function printSize(bytes: number): string {
  for (const unit of ['T', 'G', 'M', 'K']) {
    const size = UNITS[unit] as number;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

/** Bytes of memory: `512` or `current=512`, MiB. */
export function memoryOf(config: Config, fallback = 512): number {
  return Number((config.memory ?? String(fallback)).replace(/^current=/, '').split(',')[0]) * 1024 ** 2;
}

export const vcpusOf = (config: Config): number => Number(config.vcpus ?? 0) || Number(config.sockets ?? 1) * Number(config.cores ?? 1);

/** Size of the disk that the guest boots from, bytes; an empty boot order names none. */
export function bootDiskSize(config: Config): number {
  if (config.boot?.trim() === '') return 0;
  const order = /order=([^,]*)/.exec(config.boot ?? '')?.[1]?.split(';') ?? [];
  const disks = driveKeys(config).filter((key) => !isCdrom(config[key] as string) && !/^(efidisk|tpmstate)/.test(key));
  const key = order.find((entry) => disks.includes(entry)) ?? disks[0];
  return key === undefined ? 0 : parseSize(option(config[key] as string, 'size') ?? '0');
}

/** Values leave the API as the declared type wants them: numbers for integers, numbers and booleans; strings otherwise. */
export function loose(type: Guest['type'], key: string, value: string): string | number {
  const method = findMethod('POST', `/nodes/n/${type}`)?.method;
  const declared = method && parameterOf(method, key);
  return declared && ['integer', 'number', 'boolean'].includes(declared.type ?? '') ? Number(value) : value;
}

const HIDDEN_SECRET = '**********';

/** A configuration as `GET config` prints it. */
export function printConfig(guest: Guest, config: Config): Record<string, string | number> {
  const printed: Record<string, string | number> = {};
  for (const [key, value] of Object.entries(config)) printed[key] = key === 'cipassword' ? HIDDEN_SECRET : loose(guest.type, key, value);
  return printed;
}

/** The configuration with what is pending merged in. */
export function pendingConfig(guest: Guest): Config {
  const merged = { ...guest.config, ...guest.pending };
  for (const key of Object.keys(guest.pendingDelete)) delete merged[key];
  return merged;
}

/** SHA-1 of the configuration file, snapshots and pending changes included. */
export function digestOf(guest: Guest): string {
  const section = (config: Config) =>
    Object.keys(config)
      .sort()
      .map((key) => `${key}: ${config[key]}\n`)
      .join('');
  const text = [
    section(guest.config),
    `parent: ${guest.parent ?? ''}\n`,
    `[PENDING]\n${section(guest.pending)}delete: ${JSON.stringify(guest.pendingDelete)}\n`,
    ...Object.entries(guest.snapshots).map(
      ([name, snapshot]) => `[${name}]\n${section(snapshot.config)}${snapshot.snaptime}${snapshot.description}\n`,
    ),
  ].join('');
  return createHash('sha1').update(text).digest('hex');
}

/** Keys of a device number that is still free: `unused0`, `unused1` … */
export function freeKey(config: Config, prefix: string): string {
  for (let index = 0; ; index += 1) if (config[`${prefix}${index}`] === undefined) return `${prefix}${index}`;
}

/** Tags as they are stored: lower case, without doubles, sorted. */
export function normalTags(text: string): string {
  return [
    ...new Set(
      text
        .toLowerCase()
        .split(/[,;\s]+/)
        .filter(Boolean),
    ),
  ]
    .sort()
    .join(';');
}
