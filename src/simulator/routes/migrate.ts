import { type Context, edit, flag, guestOf, missingConfig, needed, type Routes, refuseLocked, task, text } from '../context.ts';
import { invalid, refuse } from '../errors.ts';
import { driveKeys, isCdrom, isCloudInit, option, volumeOf } from '../guest-config.ts';
import type { Guest, Volume } from '../model.ts';
import type { Kinds, Run } from '../tasks.ts';
import { findStorage, findVolume, freeVolume, hasStorage, saveVolume } from '../volumes.ts';
import type { World } from '../world.ts';
import { guestOfTask } from './power.ts';

const OFFLINE = 2_000;
const LIVE = 4_000;
const typeOf = (context: Context): Guest['type'] => (context.method.path.startsWith('/nodes/{node}/lxc') ? 'lxc' : 'qemu');

/** Volumes that only this node has. */
function localVolumes(world: World, guest: Guest): [string, Volume][] {
  const keys = guest.type === 'qemu' ? driveKeys(guest.config) : ['rootfs'];
  return keys.flatMap((key): [string, Volume][] => {
    const volume = findVolume(world, guest.node, volumeOf(guest.config[key] ?? ''));
    return volume && volume.node !== '' ? [[key, volume]] : [];
  });
}

const isMedium = (guest: Guest, key: string): boolean => {
  const value = guest.config[key] ?? '';
  return isCdrom(value) && !isCloudInit(value);
};

function localDisk(guest: Guest, key: string, volume: Volume): Record<string, unknown> {
  const value = guest.config[key] as string;
  const inSnapshots = Object.entries(guest.snapshots).filter(([, snapshot]) =>
    Object.values(snapshot.config).some((stored) => volumeOf(stored) === volume.volid),
  );
  const cloudInit = isCloudInit(value);
  return {
    volid: volume.volid,
    drivename: key,
    ...(cloudInit ? {} : { size: volume.size }),
    cdrom: option(value, 'media') === 'cdrom' ? 1 : 0,
    is_cloudinit: cloudInit ? 1 : 0,
    is_attached: 1,
    is_unused: 0,
    is_vmstate: 0,
    is_tpmstate: 0,
    replicate: 1,
    shared: 0,
    ...(inSnapshots.length > 0 ? { referenced_in_snapshot: Object.fromEntries(inSnapshots.map(([name]) => [name, 1])) } : {}),
  };
}

function preconditions(context: Context): unknown {
  const guest = guestOf(context, typeOf(context));
  const { world } = context;
  const others = [...world.all('node').values()].filter((node) => node.node !== guest.node && node.online);
  const storages = [...new Set(Object.values(guest.config).map((value) => findVolume(world, guest.node, volumeOf(value))?.storage))];
  const missing = (node: string) => storages.filter((name) => name !== undefined && !hasStorage(findStorage(world, name), node));
  const blocked = others.filter((node) => missing(node.node).length > 0);
  return {
    running: guest.running ? 1 : 0,
    allowed_nodes: others.filter((node) => !blocked.includes(node)).map((node) => node.node),
    not_allowed_nodes: Object.fromEntries(blocked.map((node) => [node.node, { unavailable_storages: missing(node.node) }])),
    local_disks: localVolumes(world, guest).map(([key, volume]) => localDisk(guest, key, volume)),
    local_resources: [],
    'mapped-resources': [],
    'mapped-resource-info': {},
    'has-dbus-vmstate': 1,
  };
}

const ROOT_ONLY = ['force', 'migration_type', 'migration_network'];

function migrate(context: Context): string {
  const { world } = context;
  const goal = needed(context, 'target');
  const type = typeOf(context);
  if (goal === needed(context, 'node')) invalid({ target: 'target is local node.' });
  if (!world.get('node', goal)) refuse(`no such cluster node '${goal}'`);
  for (const name of ROOT_ONLY) if (text(context, name) !== undefined) invalid({ [name]: 'Only root may use this option.' });
  const guest = guestOf(context, type);
  refuseLocked(guest);
  if (guest.running && type === 'qemu' && !flag(context, 'online')) refuse("can't migrate running VM without --online");
  if (guest.running && type === 'lxc' && !flag(context, 'restart')) refuse('lxc live migration is currently not implemented');
  const args = {
    goal,
    withDisks: type === 'lxc' || !guest.running || flag(context, 'with-local-disks'),
    storage: text(context, 'targetstorage'),
  };
  const id = String(guest.vmid);
  if (world.get('ha', `vm:${id}`)) {
    return task(context, {
      type: 'hamigrate',
      id,
      kind: 'migrate',
      args,
      locks: [guest.vmid],
      log: [`Requesting HA migration for VM ${id} to node ${goal}`],
    });
  }
  return task(context, { type: type === 'qemu' ? 'qmigrate' : 'vzmigrate', id, kind: 'migrate', args, locks: [guest.vmid] });
}

const target = (run: Run): Guest => guestOfTask(run, (vmid) => missingConfig(run.task.node, 'qemu', vmid));

function begin(run: Run): number {
  const guest = target(run);
  const { goal, withDisks } = run.task.args as { goal: string; withDisks: boolean };
  for (const [key, volume] of localVolumes(run.world, guest)) {
    if (isMedium(guest, key))
      refuse(`migration aborted: Problem found while scanning volumes - can't migrate local cdrom '${volume.volid}'`);
    if (!withDisks) refuse(`migration aborted: can't live migrate attached local disks without with-local-disks option`);
    if (!hasStorage(findStorage(run.world, volume.storage), goal))
      refuse(`migration aborted: storage '${volume.storage}' is not available on node '${goal}'`);
  }
  run.log(`starting migration of VM ${guest.vmid} to node '${goal}' (${run.world.get('node', goal)?.ip})`);
  return guest.running ? LIVE : OFFLINE;
}

function finish(run: Run): void {
  const guest = edit(target(run));
  const { goal } = run.task.args as { goal: string };
  for (const [, volume] of localVolumes(run.world, guest)) {
    freeVolume(run.world, volume);
    saveVolume(run.world, { ...volume, node: goal });
    run.log(`copying local disk image: '${volume.volid}'`);
  }
  guest.node = goal;
  run.world.saveGuest(guest, run.at);
  run.log('migration finished successfully (duration 00:00:02)');
}

export const MIGRATE_KINDS: Kinds = { migrate: { begin, finish } };

export const MIGRATE_ROUTES: Routes = {
  'GET /nodes/{node}/qemu/{vmid}/migrate': preconditions,
  'POST /nodes/{node}/qemu/{vmid}/migrate': migrate,
  'POST /nodes/{node}/lxc/{vmid}/migrate': migrate,
};
