import { type Context, edit, flag, guestOf, missingConfig, needed, type Routes, refuseLocked, task, text } from '../context.ts';
import { invalid, refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import { driveKeys, isCdrom, isCloudInit, option, volumeOf } from '../guest-config.ts';
import type { Guest, Volume } from '../model.ts';
import { demand } from '../permissions.ts';
import type { Kinds, Run } from '../tasks.ts';
import { allocate, findStorage, findVolume, freeVolume, hasStorage, saveVolume } from '../volumes.ts';
import type { World } from '../world.ts';
import { guestOfTask } from './power.ts';

const OFFLINE = 2_000;
const LIVE = 4_000;
const typeOf = (context: Context): Guest['type'] => (context.method.path.startsWith('/nodes/{node}/lxc') ? 'lxc' : 'qemu');

function volumesOf(world: World, guest: Guest): [string, Volume][] {
  const keys = guest.type === 'qemu' ? driveKeys(guest.config) : ['rootfs'];
  return keys.flatMap((key): [string, Volume][] => {
    const volume = findVolume(world, guest.node, volumeOf(guest.config[key] ?? ''));
    return volume ? [[key, volume]] : [];
  });
}

/** Volumes that only this node has. */
const localVolumes = (world: World, guest: Guest): [string, Volume][] => volumesOf(world, guest).filter(([, volume]) => volume.node !== '');

/** Devices of the host that no other node has; SPICE and mapped ones can go along. */
const hostDevices = (guest: Guest): string[] =>
  Object.keys(guest.config)
    .filter((key) => /^(hostpci|usb|serial|parallel)\d+$/.test(key))
    .filter((key) => !/^(spice|socket)$|(^|,)mapping=|^spice,/.test(guest.config[key] ?? ''))
    .sort();

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
    local_resources: hostDevices(guest),
    'mapped-resources': [],
    'mapped-resource-info': {},
    'has-dbus-vmstate': 1,
  };
}

/** Where volumes of a storage go: by its name, by `*`, or (no entry) to the storage of the same name. */
type StorageMap = Record<string, string>;

/** `fast`, `1`, `local-lvm:fast,nas:nas2`. */
function storageMap(text: string | undefined): StorageMap {
  const parts = splitList(text ?? '').filter((part) => part !== '1');
  return Object.fromEntries(parts.map((part) => (part.includes(':') ? part.split(':', 2) : ['*', part]) as [string, string]));
}

const mapped = (map: StorageMap, storage: string): string => map[storage] ?? map['*'] ?? storage;

function mustHave(world: World, storage: string, node: string): void {
  if (!hasStorage(findStorage(world, storage), node)) refuse(`storage '${storage}' is not available on node '${node}'`);
}

/** A named target storage has to be there and open to the caller; without one, every storage of the guest has to be on the other node. */
function checkGoal(context: Context, guest: Guest, map: StorageMap, goal: string): void {
  const { world, who } = context;
  for (const storage of new Set(Object.values(map))) {
    demand(world, who, `/vms/${guest.vmid}`, ['VM.Config.Disk']);
    mustHave(world, storage, goal);
    demand(world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
    if (!findStorage(world, storage).content.includes('images')) invalid({ storage: `storage '${storage}' does not support vm images` });
  }
  if (Object.keys(map).length > 0) return;
  for (const [, volume] of volumesOf(world, guest)) mustHave(world, volume.storage, goal);
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
  const map = storageMap(text(context, 'targetstorage') ?? text(context, 'target-storage'));
  checkGoal(context, guest, map, goal);
  const args = { goal, withDisks: type === 'lxc' || !guest.running || flag(context, 'with-local-disks'), map };
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
  const { goal, withDisks, map } = run.task.args as { goal: string; withDisks: boolean; map: StorageMap };
  const devices = hostDevices(guest);
  if (devices.length > 0) refuse(`migration aborted: can't migrate VM which uses local devices: ${devices.join(', ')}`);
  for (const [key, volume] of localVolumes(run.world, guest)) {
    if (isMedium(guest, key))
      refuse(`migration aborted: Problem found while scanning volumes - can't migrate local cdrom '${volume.volid}'`);
    if (!withDisks) refuse(`migration aborted: can't live migrate attached local disks without with-local-disks option`);
  }
  // The map concerns local volumes alone: those on shared storage stay where they are, and the other node has to reach them there.
  for (const [, volume] of volumesOf(run.world, guest)) {
    const storage = volume.node === '' ? volume.storage : mapped(map, volume.storage);
    if (!hasStorage(findStorage(run.world, storage), goal))
      refuse(`migration aborted: storage '${storage}' is not available on node '${goal}'`);
  }
  run.log(`starting migration of VM ${guest.vmid} to node '${goal}' (${run.world.get('node', goal)?.ip})`);
  return guest.running ? LIVE : OFFLINE;
}

/** Makes the volume on the other node's storage, under a name that is free there, and returns the drive as it then stands. */
function moved(run: Run, guest: Guest, key: string, volume: Volume, storage: string, goal: string): string {
  const there = allocate(run.world, {
    node: goal,
    storage: findStorage(run.world, storage),
    vmid: guest.vmid,
    size: volume.size,
    written: volume.used,
    format: volume.format,
    content: volume.content,
    at: run.at,
    log: run.log,
    ...(isCloudInit(guest.config[key] ?? '') ? { name: 'cloudinit' } : {}),
  });
  run.log(`volume '${volume.volid}' is '${there.volid}' on the target`);
  return (guest.config[key] as string).replace(volume.volid, there.volid);
}

function finish(run: Run): void {
  const guest = edit(target(run));
  const { goal, map } = run.task.args as { goal: string; map: StorageMap };
  for (const [key, volume] of localVolumes(run.world, guest)) {
    run.log(`copying local disk image: '${volume.volid}'`);
    freeVolume(run.world, volume);
    const storage = mapped(map, volume.storage);
    if (storage === volume.storage) saveVolume(run.world, { ...volume, node: goal });
    else guest.config[key] = moved(run, guest, key, volume, storage, goal);
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
