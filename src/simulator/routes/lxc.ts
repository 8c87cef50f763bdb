import {
  type Context,
  edit,
  findGuest,
  flag,
  guestOf,
  integer,
  missingConfig,
  nodeOf,
  type Routes,
  refuseLocked,
  requireBridges,
  takeLock,
  task,
  text,
  vmidOf,
} from '../context.ts';
import { parameterOf } from '../contract.ts';
import { checkVolumeAccess, randomMac } from '../drives.ts';
import { invalid, refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import { CT_VOLUME_KEY, digestOf, freeKey, normalTags, option, parseSize, printSize, volumeOf } from '../guest-config.ts';
import { listRow } from '../guest-status.ts';
import type { Config, Guest } from '../model.ts';
import { demand, requireVm } from '../permissions.ts';
import type { Kinds, Run } from '../tasks.ts';
import { allocate, findStorage, findVolume, freeByName, isFileBased, saveVolume, storageOf } from '../volumes.ts';
import { newUuid } from '../world.ts';
import { emptyGuest, joinPool, optionsOf, requireAllocate, undoCreate } from './new-guest.ts';
import { beginShutdown, checkLock, finishShutdown, guestOfTask, setRunning, setStopped } from './power.ts';
import { destroy } from './qemu-destroy.ts';
import { listGuests } from './qemu-read.ts';

const GIB = 1024 ** 3;
const START = 800;
const CREATE = 1_500;
const NOT_OPTIONS = [
  'node',
  'vmid',
  'pool',
  'start',
  'storage',
  'ostemplate',
  'password',
  'ssh-public-keys',
  'unique',
  'force',
  'restore',
  'bwlimit',
].concat(['ignore-unpack-errors', 'ha-managed', 'delete', 'revert', 'digest']);
const target = (run: Run): Guest => guestOfTask(run, (vmid) => missingConfig(run.task.node, 'lxc', vmid));

/** Options that are in force at once while the container runs. */
const LIVE =
  /^(memory|swap|cores|cpulimit|cpuunits|hostname|nameserver|searchdomain|description|tags|onboot|startup|protection|lock|net\d+)$/;

const PRIVILEGE: [RegExp, string][] = [
  [/^(cores|cpulimit|cpuunits)$/, 'VM.Config.CPU'],
  [/^(memory|swap)$/, 'VM.Config.Memory'],
  [/^(net\d+|nameserver|searchdomain|hostname)$/, 'VM.Config.Network'],
  [/^(rootfs|mp\d+|unused\d+)$/, 'VM.Config.Disk'],
];

function checkRights(context: Context, vmid: number, pool: string | undefined, keys: string[]): void {
  for (const key of keys) {
    const priv = PRIVILEGE.find(([pattern]) => pattern.test(key))?.[1] ?? 'VM.Config.Options';
    requireVm(context.world, context.who, vmid, pool, [priv]);
  }
}

const netsOf = (options: Config): string[] => Object.entries(options).flatMap(([key, value]) => (/^net\d+$/.test(key) ? [value] : []));

function storeNet(value: string): string {
  const parts = value.split(',').filter((part) => !part.startsWith('type='));
  const named = parts.filter((part) => part.startsWith('name='));
  const rest = parts.filter((part) => !part.startsWith('name='));
  if (!rest.some((part) => part.startsWith('hwaddr='))) rest.push(`hwaddr=${randomMac()}`);
  return [...named, ...rest.sort(), 'type=veth'].join(',');
}

function create(context: Context): string {
  const { world, who } = context;
  const vmid = vmidOf(context);
  const pool = text(context, 'pool');
  requireAllocate(context, vmid, pool);
  const taken = world.guest(vmid);
  if (taken) refuse(`${taken.type === 'qemu' ? 'VM' : 'CT'} ${vmid} already exists on node '${taken.node}'`);
  const options = optionsOf(context, NOT_OPTIONS);
  checkRights(context, vmid, pool, Object.keys(options));
  const rootfs = options.rootfs ?? `${text(context, 'storage') ?? 'local'}:4`;
  demand(world, who, `/storage/${storageOf(rootfs)}`, ['Datastore.AllocateSpace']);
  const storage = findStorage(world, storageOf(rootfs));
  if (!storage.content.includes('rootdir')) refuse(`storage '${storage.storage}' does not support container directories`);
  const template = text(context, 'ostemplate') ?? '';
  checkVolumeAccess(context, vmid, template);
  requireBridges(context, netsOf(options));
  world.saveGuest(emptyGuest(vmid, 'lxc', nodeOf(context), { lock: 'create' }), context.at);
  const args = { options: { ...options, rootfs }, template, pool, start: flag(context, 'start'), made: [] };
  return task(context, { type: 'vzcreate', id: String(vmid), kind: 'ct-create', args, locks: [vmid] });
}

function beginCreate(run: Run): number {
  const vmid = Number(run.task.id);
  const { options, template, made } = run.task.args as { options: Config; template: string; made: string[] };
  const [file = '', ...rest] = (options.rootfs as string).split(',');
  const size = Number(/:(\d+(\.\d+)?)$/.exec(file)?.[1] ?? 4) * GIB;
  const storage = findStorage(run.world, storageOf(file));
  try {
    const volume = allocate(run.world, {
      node: run.task.node,
      storage,
      vmid,
      size,
      format: 'raw',
      content: 'rootdir',
      at: run.at,
      log: run.log,
    });
    made.push(volume.volid);
    if (isFileBased(storage)) logFileSystem(run, size);
    if (!findVolume(run.world, run.task.node, template)) {
      run.log(`volume '${template}' does not exist`);
      refuse(`volume '${template}' does not exist`);
    }
    run.task.args.rootfs = [volume.volid, ...rest, `size=${printSize(size)}`].join(',');
    return CREATE;
  } catch (error) {
    return refuse(`unable to create CT ${vmid} - ${(error as Error).message}`);
  }
}

function logFileSystem(run: Run, size: number): void {
  const blocks = size / 4096;
  run.log(`Creating filesystem with ${blocks} 4k blocks and ${blocks / 4} inodes`);
  run.log(`Filesystem UUID: ${newUuid()}`);
  run.log('Superblock backups stored on blocks: ');
  run.log('\t32768, 98304, 163840, 229376');
}

function finishCreate(run: Run): void {
  const { options, pool, rootfs, start } = run.task.args as { options: Config; pool?: string; rootfs: string; start: boolean };
  const guest = target(run);
  const config: Config = {
    arch: 'amd64',
    ostype: 'debian',
    unprivileged: '1',
    hostname: `CT${guest.vmid}`,
    memory: '512',
    swap: '512',
    ...options,
    rootfs,
  };
  for (const [key, value] of Object.entries(config)) if (/^net\d+$/.test(key)) config[key] = storeNet(value);
  if (config.tags !== undefined) config.tags = normalTags(config.tags);
  run.world.saveGuest({ ...guest, config }, run.at);
  joinPool(run.world, pool, guest.vmid);
  if (start) setRunning(run, target(run));
}

function status(context: Context): unknown {
  const guest = guestOf(context, 'lxc');
  const node = context.world.get('node', guest.node);
  const ha = context.world.get('ha', `ct:${guest.vmid}`);
  return { ...listRow(guest, context.at, node?.cpus ?? 1), ha: ha ? { managed: 1, state: ha.state } : { managed: 0 } };
}

function update(context: Context): null {
  const vmid = vmidOf(context);
  const set = optionsOf(context, NOT_OPTIONS);
  const remove = splitList(text(context, 'delete') ?? '');
  for (const key of remove) if (!parameterOf(context.method, key)) invalid({ delete: `unknown option '${key}'` });
  checkRights(context, vmid, undefined, [...Object.keys(set), ...remove]);
  requireBridges(context, netsOf(set));
  if (!findGuest(context, 'lxc')) guestOf(context, 'lxc');
  takeLock(context, vmid);
  const guest = guestOf(context, 'lxc');
  const digest = text(context, 'digest');
  if (digest !== undefined && digest !== digestOf(guest))
    refuse('detected modified configuration - file changed by other user? Try again.');
  refuseLocked(guest);
  const next = edit(guest);
  for (const key of remove) removeOption(context, next, key);
  for (const [key, given] of Object.entries(set)) {
    const value = /^net\d+$/.test(key) ? storeNet(given) : key === 'tags' ? normalTags(given) : given;
    delete next.pending[key];
    if (next.config[key] === value) continue;
    if (next.running && !LIVE.test(key)) next.pending[key] = value;
    else next.config[key] = value;
  }
  context.world.saveGuest(next, context.at);
  return null;
}

function removeOption(context: Context, guest: Guest, key: string): void {
  const value = guest.config[key];
  if (value === undefined) return;
  if (/^unused\d+$/.test(key)) freeByName(context.world, guest.node, value);
  else if (CT_VOLUME_KEY.test(key)) guest.config[freeKey(guest.config, 'unused')] = volumeOf(value);
  if (guest.running && !LIVE.test(key)) guest.pendingDelete[key] = '1';
  else delete guest.config[key];
}

function power(context: Context, type: string, kind: string, args: Record<string, unknown> = {}): string {
  const vmid = vmidOf(context);
  return task(context, { type, id: String(vmid), kind, args, locks: [vmid] });
}

function mustRun(context: Context): void {
  const guest = guestOf(context, 'lxc');
  if (!guest.running) refuse(`CT ${guest.vmid} not running`);
}

function interfaces(context: Context): unknown {
  const guest = guestOf(context, 'lxc');
  if (!guest.running) return null;
  const loopback = {
    name: 'lo',
    hwaddr: '00:00:00:00:00:00',
    inet: '127.0.0.1/8',
    inet6: '::1/128',
    'hardware-address': '00:00:00:00:00:00',
  };
  const addressed = (inet: string) => [{ 'ip-address': inet.split('/')[0], prefix: inet.split('/')[1], 'ip-address-type': 'inet' }];
  const cards = netsOf(guest.config).map((value) => {
    const configured = option(`,${value}`, 'ip');
    const inet = configured?.includes('/') ? configured : `10.77.0.${(guest.vmid % 240) + 10}/24`;
    const mac = (option(`,${value}`, 'hwaddr') ?? '').toLowerCase();
    return { name: option(`,${value}`, 'name') ?? 'eth0', hwaddr: mac, 'hardware-address': mac, inet, 'ip-addresses': addressed(inet) };
  });
  return [{ ...loopback, 'ip-addresses': addressed('127.0.0.1/8') }, ...cards];
}

function finishResize(run: Run): void {
  const { disk, size } = run.task.args as { disk: string; size: string };
  const guest = edit(target(run));
  checkLock(guest);
  const value = guest.config[disk] ?? refuse(`no such volume '${disk}'`);
  const volume = findVolume(run.world, guest.node, volumeOf(value)) ?? refuse(`volume '${volumeOf(value)}' does not exist`);
  const wanted = size.startsWith('+') ? volume.size + parseSize(size.slice(1)) : parseSize(size);
  if (wanted < volume.size) refuse('unable to shrink disk size');
  if (wanted === volume.size) refuse('disk is already at specified size');
  saveVolume(run.world, { ...volume, size: wanted });
  guest.config[disk] = value.replace(/size=[^,]+/, `size=${printSize(wanted)}`);
  run.world.saveGuest(guest, run.at);
}

export const LXC_KINDS: Kinds = {
  'ct-create': { begin: beginCreate, finish: finishCreate, undo: undoCreate },
  'ct-start': {
    begin: (run) => {
      checkLock(target(run));
      return START;
    },
    finish: (run) => setRunning(run, target(run)),
  },
  'ct-stop': { begin: () => 300, finish: (run) => setStopped(run.world, target(run), run.at) },
  'ct-shutdown': { begin: beginShutdown, finish: finishShutdown },
  'ct-reboot': {
    begin: (run) => beginShutdown(run) + START,
    finish: (run) => {
      setStopped(run.world, target(run), run.at);
      setRunning(run, target(run));
    },
  },
  'ct-resize': { finish: finishResize },
};

const BASE = '/nodes/{node}/lxc/{vmid}';

export const LXC_ROUTES: Routes = {
  'GET /nodes/{node}/lxc': (context) => listGuests(context, 'lxc'),
  'POST /nodes/{node}/lxc': create,
  [`DELETE ${BASE}`]: (context) => destroy(context, 'lxc'),
  [`GET ${BASE}/status/current`]: status,
  [`PUT ${BASE}/config`]: update,
  [`GET ${BASE}/interfaces`]: interfaces,
  [`PUT ${BASE}/resize`]: (context) => {
    guestOf(context, 'lxc');
    return power(context, 'resize', 'ct-resize', { disk: text(context, 'disk'), size: text(context, 'size') });
  },
  [`POST ${BASE}/status/start`]: (context) => {
    const guest = guestOf(context, 'lxc');
    if (guest.config.template === '1') refuse("you can't start a CT if it's a template");
    if (guest.running) refuse(`CT ${guest.vmid} already running`);
    return power(context, 'vzstart', 'ct-start');
  },
  [`POST ${BASE}/status/stop`]: (context) => {
    mustRun(context);
    return power(context, 'vzstop', 'ct-stop');
  },
  [`POST ${BASE}/status/shutdown`]: (context) => {
    mustRun(context);
    return power(context, 'vzshutdown', 'ct-shutdown', { timeout: integer(context, 'timeout'), force: flag(context, 'forceStop') });
  },
  [`POST ${BASE}/status/reboot`]: (context) => {
    mustRun(context);
    return power(context, 'vzreboot', 'ct-reboot', { timeout: integer(context, 'timeout') });
  },
};
