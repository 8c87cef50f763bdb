import { demand, demandInTask, may, requirePool, type Who } from '../../access/permissions.ts';
import { bridgePaths, type Context, flag, needed, nodeOf, type Routes, requireBridges, task, text, vmidOf } from '../../context.ts';
import { forbid, refuse } from '../../errors.ts';
import { mountKeys, normalTags, parseSize, volumeOf } from '../../guest/config.ts';
import { checkSshKeys, checkVolumeAccess } from '../../guest/drives.ts';
import { findVolume, freeByName } from '../../guest/volumes.ts';
import type { Config } from '../../model.ts';
import { type Kinds, type Run, startTask } from '../../tasks.ts';
import { emptyGuest, joinPool, optionsOf, undoCreate } from '../guest/new-guest.ts';
import { listGuests } from '../qemu/read.ts';
import {
  checkCtRights,
  checkCtStorage,
  ctOfTask,
  ctShop,
  makeMount,
  NOT_OPTIONS,
  netsOf,
  newVolume,
  sizeOfMount,
  storeCtNet,
} from './parts.ts';
import { POWER_CT_KINDS } from './power.ts';

const CREATE = 700;
const RESTORE = 2_500;

interface Args {
  options: Config;
  mounts: Config;
  archive: string;
  storage: string;
  restore: boolean;
  replaced: boolean;
  unique: boolean;
  start: boolean;
  pool?: string;
  who: Who;
  made: string[];
  made_mounts?: Config;
}

/** VM.Allocate on the id or the pool; over an existing container VM.Backup on it is enough. */
function requireCreate(context: Context, vmid: number, over: boolean): void {
  const { world, who } = context;
  const pool = text(context, 'pool');
  if (pool !== undefined) requirePool(world, pool);
  if (may(world, who, `/vms/${vmid}`, ['VM.Allocate'])) return;
  if (pool !== undefined && may(world, who, `/pool/${pool}`, ['VM.Allocate'])) return;
  if (!over || !may(world, who, `/vms/${vmid}`, ['VM.Backup'])) forbid();
}

/** An id that is taken, unless its container is to be restored over. */
function checkTaken(context: Context, vmid: number, restore: boolean): boolean {
  const taken = context.world.guest(vmid);
  const over = restore && flag(context, 'force') && taken?.type === 'lxc' && taken.node === nodeOf(context);
  if (taken && !over) refuse(`${taken.type === 'qemu' ? 'VM' : 'CT'} ${vmid} already exists on node '${taken.node}'`);
  if (over && taken.running) refuse("can't overwrite running container");
  if (over && taken.config.protection === '1') refuse(`unable to restore CT ${vmid} - protection mode enabled`);
  return over;
}

function create(context: Context): string {
  const { world, who } = context;
  const vmid = vmidOf(context);
  const restore = flag(context, 'restore');
  const privileged = text(context, 'unprivileged') === '0';
  if (!restore && privileged) demand(world, who, '/', ['Sys.Modify']);
  if (flag(context, 'ha-managed')) demand(world, who, '/', ['Sys.Console']);
  const over = checkTaken(context, vmid, restore);
  const keys = text(context, 'ssh-public-keys');
  checkSshKeys(keys === undefined ? undefined : encodeURIComponent(keys));
  const pool = text(context, 'pool');
  requireCreate(context, vmid, over);
  const { unprivileged: _unprivileged, ...options } = optionsOf(context, NOT_OPTIONS);
  checkCtRights(context, { vmid, pool, set: options, unprivileged: !privileged });
  const archive = needed(context, 'ostemplate');
  checkVolumeAccess(context, vmid, archive);
  const storage = text(context, 'storage') ?? 'local';
  const mounts = Object.fromEntries(Object.entries(options).filter(([key]) => /^(rootfs|mp\d+)$/.test(key)));
  if (Object.keys(mounts).length > 0 && mounts.rootfs === undefined) refuse("mount points configured, but 'rootfs' not set - aborting");
  for (const value of Object.values(mounts)) checkCtStorage(context, newVolume(value, storage)?.storage ?? storage);
  if (mounts.rootfs === undefined) checkCtStorage(context, storage);
  requireBridges(context, netsOf(options));
  const rest = Object.fromEntries(Object.entries(options).filter(([key]) => !(key in mounts)));
  if (!over) world.saveGuest(emptyGuest(vmid, 'lxc', nodeOf(context), { lock: 'create' }), context.at);
  const settings = { ...rest, ...(restore && text(context, 'unprivileged') === undefined ? {} : privileged ? {} : { unprivileged: '1' }) };
  const how = { restore, replaced: over, unique: flag(context, 'unique'), start: flag(context, 'start') };
  const args = { options: settings, mounts, archive, storage, pool, who, made: [], ...how };
  return task(context, { type: restore ? 'vzrestore' : 'vzcreate', id: String(vmid), kind: 'ct-create', args, locks: [vmid] });
}

const argsOf = (run: Run): Args => run.task.args as unknown as Args;

/** The configuration inside a backup; the bridges it names have to be open to the caller. */
function recover(run: Run): Config {
  const { archive, who, options } = argsOf(run);
  run.log(`recovering backed-up configuration from '${archive}'`);
  const config = findVolume(run.world, run.task.node, archive)?.config ?? refuse(`volume '${archive}' does not exist`);
  const given = Object.entries(config).filter(([key]) => options[key] === undefined);
  for (const path of bridgePaths(run.world, netsOf(Object.fromEntries(given)))) demandInTask(run.world, who, path, ['SDN.Use']);
  if (config.unprivileged !== '1') demandInTask(run.world, who, '/', ['Sys.Modify']);
  return config;
}

/** Mount points as they are to be made: the given ones, else those of the backup on the default storage, else 4 GiB. */
function wantedMounts(run: Run, backup: Config | undefined): Config {
  const { mounts, storage } = argsOf(run);
  if (Object.keys(mounts).length > 0) return mounts;
  if (!backup) return { rootfs: `${storage}:4` };
  return Object.fromEntries(
    mountKeys(backup).map((key) => {
      const value = backup[key] as string;
      const gib = parseSize(sizeOfMount(value)) / 1024 ** 3;
      return [key, [`${storage}:${gib}`, ...value.split(',').slice(1)].join(',')];
    }),
  );
}

function begin(run: Run): number {
  const vmid = Number(run.task.id);
  const args = argsOf(run);
  try {
    const backup = args.restore ? recover(run) : undefined;
    const made = Object.entries(wantedMounts(run, backup)).map(([key, value]) => [key, makeMount(ctShop(run, vmid), value, args.storage)]);
    run.task.args.made_mounts = Object.fromEntries(made);
    if (!findVolume(run.world, run.task.node, args.archive)) {
      run.log(`volume '${args.archive}' does not exist`);
      refuse(`volume '${args.archive}' does not exist`);
    }
    if (args.restore) run.log(`restoring '${args.archive}' now..`);
    return args.restore ? RESTORE : CREATE;
  } catch (error) {
    return refuse(`unable to ${args.restore ? 'restore' : 'create'} CT ${vmid} - ${(error as Error).message}`);
  }
}

function finish(run: Run): void {
  const { options, pool, start, restore, archive, unique, replaced, made_mounts: mounts } = argsOf(run);
  const guest = ctOfTask(run);
  const backup = restore ? (findVolume(run.world, guest.node, archive)?.config ?? {}) : {};
  if (restore) run.log('merging backed-up and given configuration..');
  if (replaced) for (const key of mountKeys(guest.config)) freeByName(run.world, guest.node, volumeOf(guest.config[key] ?? ''));
  const kept = Object.fromEntries(Object.entries(backup).filter(([key]) => !/^(rootfs|mp\d+|lock)$/.test(key)));
  const config: Config = {
    arch: 'amd64',
    ostype: 'debian',
    hostname: `CT${guest.vmid}`,
    memory: '512',
    swap: '512',
    ...kept,
    ...options,
    ...mounts,
  };
  for (const [key, value] of Object.entries(config)) if (/^net\d+$/.test(key)) config[key] = storeCtNet(value, unique);
  if (config.tags !== undefined) config.tags = normalTags(config.tags);
  run.world.saveGuest({ ...emptyGuest(guest.vmid, 'lxc', guest.node, config) }, run.at);
  joinPool(run.world, pool, guest.vmid);
  if (!start) return;
  const wanted = { node: guest.node, type: 'vzstart', id: String(guest.vmid), owner: run.task.owner, kind: 'ct-start' };
  startTask(run.world, POWER_CT_KINDS, { ...wanted, locks: [guest.vmid] }, run.at);
}

export const CREATE_CT_KINDS: Kinds = {
  'ct-create': {
    begin,
    finish,
    undo: (run) => {
      if (!argsOf(run).replaced) return undoCreate(run);
      for (const volid of argsOf(run).made) freeByName(run.world, run.task.node, volid);
    },
  },
};

export const CREATE_CT_ROUTES: Routes = {
  'GET /nodes/{node}/lxc': (context) => listGuests(context, 'lxc'),
  'POST /nodes/{node}/lxc': create,
};
