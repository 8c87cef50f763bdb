import { checkTagRights } from '../../access/option-rights.ts';
import { demand, requireVm } from '../../access/permissions.ts';
import { type Context, missingConfig } from '../../context.ts';
import { forbid, invalid, refuse } from '../../errors.ts';
import { option, printSize, volumeOf } from '../../guest/config.ts';
import { checkVolumeAccess, randomMac } from '../../guest/drives.ts';
import { allocate, findStorage, findVolume, isFileBased, storageOf, usableStorage } from '../../guest/volumes.ts';
import type { Config, Guest, Volume } from '../../model.ts';
import type { Run } from '../../tasks.ts';
import { newUuid, type World } from '../../world.ts';
import { guestOfTask } from '../guest/power.ts';

const GIB = 1024 ** 3;

/** Parameters of a create or an update that do not become options of the container. */
export const NOT_OPTIONS = [
  ...['node', 'vmid', 'pool', 'start', 'storage', 'ostemplate', 'password', 'ssh-public-keys', 'unique', 'force', 'restore', 'bwlimit'],
  ...['ignore-unpack-errors', 'ha-managed', 'delete', 'revert', 'digest', 'entrypoint', 'env'],
];

export const ctOfTask = (run: Run): Guest => guestOfTask(run, (vmid) => missingConfig(run.task.node, 'lxc', vmid));

export const netsOf = (options: Config): string[] =>
  Object.entries(options).flatMap(([key, value]) => (/^net\d+$/.test(key) ? [value] : []));

/** A network device as it is stored: with an address, its name first. */
export function storeCtNet(value: string, freshMac = false): string {
  const parts = value.split(',').filter((part) => !part.startsWith('type=') && !(freshMac && part.startsWith('hwaddr=')));
  const named = parts.filter((part) => part.startsWith('name='));
  const rest = parts.filter((part) => !part.startsWith('name='));
  if (!rest.some((part) => part.startsWith('hwaddr='))) rest.push(`hwaddr=${randomMac()}`);
  return [...named, ...rest.sort(), 'type=veth'].join(',');
}

/** Storage and GiB of a volume that is to be made; nothing for one that exists. */
export function newVolume(value: string, fallback: string): { storage: string; gib: number } | undefined {
  const found = /^(?:([^/:\s]+):)?(\d+(?:\.\d+)?)$/.exec(volumeOf(value));
  return found ? { storage: found[1] ?? fallback, gib: Number(found[2]) } : undefined;
}

/** The storage of a container's volumes, checked as the API checks it. */
export function checkCtStorage(context: Context, name: string): void {
  const storage = usableStorage(context.world, name, String(context.params.node));
  if (!storage.content.includes('rootdir')) invalid({ storage: `storage '${name}' does not support container directories` });
  demand(context.world, context.who, `/storage/${name}`, ['Datastore.AllocateSpace']);
}

const PRIVILEGE: [RegExp, string][] = [
  [/^(cores|cpulimit|cpuunits)$/, 'VM.Config.CPU'],
  [/^(memory|swap)$/, 'VM.Config.Memory'],
  [/^(net\d+|nameserver|searchdomain|hostname)$/, 'VM.Config.Network'],
  [/^(rootfs|mp\d+|unused\d+)$/, 'VM.Config.Disk'],
];

interface RightsCheck {
  vmid: number;
  pool?: string | undefined;
  /** The present configuration; absent for a container that is being made. */
  before?: Config;
  set: Config;
  remove?: string[];
  unprivileged: boolean;
}

/** Privileges for options of a container, key by key; some belong to root alone, whatever the token may do. */
export function checkCtRights(context: Context, check: RightsCheck): void {
  const { vmid, pool, set, before = {}, remove = [] } = check;
  for (const key of [...Object.keys(set), ...remove]) {
    const value = remove.includes(key) ? undefined : set[key];
    if (/^dev\d+$/.test(key)) forbid('configuring device passthrough is only allowed for root@pam');
    if (key === 'hookscript') forbid('changing the hookscript is only allowed for root@pam');
    if (key === 'features') checkFeatures(context, check, value);
    else if (key === 'tags') {
      requireVm(context.world, context.who, { vmid, pool }, ['VM.Config.Options']);
      checkTagRights(context, before.tags, value);
    } else {
      const priv = PRIVILEGE.find(([pattern]) => pattern.test(key))?.[1] ?? 'VM.Config.Options';
      requireVm(context.world, context.who, { vmid, pool }, [priv]);
    }
    if (value !== undefined && /^(rootfs|mp\d+)$/.test(key)) checkMount(context, vmid, value);
  }
}

function checkMount(context: Context, vmid: number, value: string): void {
  const file = volumeOf(value);
  if (file.startsWith('/')) forbid(`mount point type ${file.startsWith('/dev/') ? 'device' : 'bind'} is only allowed for root@pam`);
  const made = newVolume(value, '');
  if (made) {
    if (made.storage !== '') demand(context.world, context.who, `/storage/${made.storage}`, ['Datastore.AllocateSpace']);
  } else checkVolumeAccess(context, vmid, file);
}

const featuresOf = (value: string | undefined): Map<string, string> =>
  new Map(
    (value ?? '')
      .split(',')
      .filter(Boolean)
      .map((part) => part.split('=', 2) as [string, string]),
  );

/** Of the features a token may change nesting alone, and only of an unprivileged container. */
function checkFeatures(context: Context, { vmid, pool, before, unprivileged }: RightsCheck, value: string | undefined): void {
  if (!unprivileged) forbid('changing feature flags for privileged container is only allowed for root@pam');
  const [old, next] = [featuresOf(before?.features), featuresOf(value)];
  const changed = [...new Set([...old.keys(), ...next.keys()])].filter((name) => (old.get(name) ?? '') !== (next.get(name) ?? ''));
  if (changed.some((name) => name !== 'nesting')) forbid('changing feature flags (except nesting) is only allowed for root@pam');
  if (changed.length > 0) requireVm(context.world, context.who, { vmid, pool }, ['VM.Allocate']);
}

export interface CtWorkshop {
  world: World;
  node: string;
  vmid: number;
  at: number;
  log: (line: string) => void;
  made: string[];
}

/** Makes the volume that a mount point asks for and returns the mount point as it is stored. */
export function makeMount(shop: CtWorkshop, value: string, fallback: string): string {
  const [file = '', ...rest] = value.split(',');
  const others = rest.filter((part) => !part.startsWith('size='));
  const wanted = newVolume(file, fallback);
  if (wanted) {
    const volume = makeCtVolume(shop, findStorage(shop.world, wanted.storage).storage, Math.round(wanted.gib * GIB));
    return [volume.volid, ...others, `size=${printSize(volume.size)}`].join(',');
  }
  const found = findVolume(shop.world, shop.node, volumeOf(value)) ?? refuse(`volume '${volumeOf(value)}' does not exist`);
  return [found.volid, ...others, `size=${printSize(found.size)}`].join(',');
}

/** An empty volume with a file system. */
export function makeCtVolume(shop: CtWorkshop, name: string, size: number, written = 0): Volume {
  const storage = findStorage(shop.world, name);
  const { world, node, vmid, at, log } = shop;
  const volume = allocate(world, { node, storage, vmid, size, format: 'raw', content: 'rootdir', written, at, log });
  shop.made.push(volume.volid);
  if (!isFileBased(storage)) return volume;
  const blocks = size / 4096;
  log(`Creating filesystem with ${blocks} 4k blocks and ${blocks / 4} inodes`);
  log(`Filesystem UUID: ${newUuid()}`);
  log('Superblock backups stored on blocks: ');
  log('\t32768, 98304, 163840, 229376');
  return volume;
}

export const ctShop = (run: Run, vmid: number): CtWorkshop => ({
  world: run.world,
  node: run.task.node,
  vmid,
  at: run.at,
  log: run.log,
  made: run.task.args.made as string[],
});

/** The storage a mount point's volume is on. */
export const storageOfMount = (value: string): string => storageOf(volumeOf(value));

/** GiB of a mount point, by its size. */
export const sizeOfMount = (value: string): string => option(value, 'size') ?? '0';
