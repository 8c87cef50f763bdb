import { demand } from '../../access/permissions.ts';
import { type Context, flag, guestOf, needed, type Routes, refuseLocked, task, text } from '../../context.ts';
import { invalid, refuse } from '../../errors.ts';
import { isCloudInit, option, volumeOf } from '../../guest/config.ts';
import { findStorage, findVolume, hasStorage } from '../../guest/volumes.ts';
import { blockedByHa, isManaged, movedAlong } from '../../ha.ts';
import type { Guest, Volume } from '../../model.ts';
import type { World } from '../../world.ts';
import { hostDevices, localVolumes, mappedDevices, type StorageMap, storageMap, volumesOf } from './migrate-run.ts';

const typeOf = (context: Context): Guest['type'] => (context.method.path.startsWith('/nodes/{node}/lxc') ? 'lxc' : 'qemu');

function localDisk(guest: Guest, key: string, volume: Volume): Record<string, unknown> {
  const value = guest.config[key] as string;
  const inSnapshots = Object.entries(guest.snapshots).filter(([, snapshot]) =>
    Object.values(snapshot.config).some((stored) => volumeOf(stored) === volume.volid),
  );
  const cloudInit = isCloudInit(value);
  const unused = key.startsWith('unused');
  return {
    volid: volume.volid,
    ...(unused ? {} : { drivename: key }),
    ...(cloudInit || unused ? {} : { size: volume.size }),
    cdrom: option(value, 'media') === 'cdrom' ? 1 : 0,
    is_cloudinit: cloudInit ? 1 : 0,
    is_attached: unused ? 0 : 1,
    is_unused: unused ? 1 : 0,
    is_vmstate: 0,
    is_tpmstate: key === 'tpmstate0' ? 1 : 0,
    replicate: 1,
    shared: 0,
    ...(inSnapshots.length > 0 ? { referenced_in_snapshot: Object.fromEntries(inSnapshots.map(([name]) => [name, 1])) } : {}),
  };
}

/** Where a virtual machine could go, and what hinders it. */
export function preconditions(context: Context): unknown {
  const guest = guestOf(context, 'qemu');
  const { world } = context;
  const others = [...world.all('node').values()].filter((node) => node.node !== guest.node && node.online);
  const storages = [...new Set(Object.values(guest.config).map((value) => findVolume(world, guest.node, volumeOf(value))?.storage))];
  const missing = (node: string) => storages.filter((name) => name !== undefined && !hasStorage(findStorage(world, name), node));
  const byHa = blockedByHa(world, guest);
  const why = (node: string) => ({
    ...(missing(node).length > 0 ? { unavailable_storages: missing(node) } : {}),
    ...(byHa[node] ? { 'blocking-ha-resources': byHa[node] } : {}),
  });
  const blocked = others.filter(({ node }) => Object.keys(why(node)).length > 0);
  return {
    running: guest.running ? 1 : 0,
    allowed_nodes: others.filter((node) => !blocked.includes(node)).map(({ node }) => node),
    not_allowed_nodes: Object.fromEntries(blocked.map(({ node }) => [node, why(node)])),
    ...(isManaged(world, guest) ? { 'dependent-ha-resources': movedAlong(world, guest) } : {}),
    local_disks: localVolumes(world, guest).map(([key, volume]) => localDisk(guest, key, volume)),
    local_resources: hostDevices(guest),
    'mapped-resources': mappedDevices(guest).map(([key]) => key),
    'mapped-resource-info': Object.fromEntries(mappedDevices(guest).map(([key, name]) => [key, { name }])),
    'has-dbus-vmstate': 1,
  };
}

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

/** The copies of a running guest would be left behind. */
function checkReplicas(world: World, guest: Guest, goal: string): void {
  const jobs = [...world.all('replication').values()].filter((job) => job.guest === guest.vmid);
  if (jobs.length === 0 || jobs.some((job) => job.target === goal)) return;
  invalid({ target: `Cannot live-migrate replicated VM to node '${goal}' - not a replication target. Use 'force' to override.` });
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
  if (guest.running && type === 'qemu') checkReplicas(world, guest, goal);
  const live = flag(context, 'online') || flag(context, 'restart');
  if (guest.running && type === 'lxc' && !live) refuse("can't migrate running container without --online or --restart");
  const map = storageMap(text(context, 'targetstorage') ?? text(context, 'target-storage'));
  checkGoal(context, guest, map, goal);
  const args = { goal, withDisks: type === 'lxc' || !guest.running || flag(context, 'with-local-disks'), map, vmid: guest.vmid };
  const [id, letters, word] = [String(guest.vmid), type === 'qemu' ? 'q' : 'vz', type === 'qemu' ? 'VM' : 'CT'];
  if (isManaged(world, guest)) {
    const log = [`Requesting HA migration for ${word} ${id} to node ${goal}`];
    return task(context, { type: 'hamigrate', id, kind: 'ha-migrate', args, log });
  }
  return task(context, { type: `${letters}migrate`, id, kind: 'migrate', args, locks: [guest.vmid] });
}

/** Of a container only the nodes are told: no look at its volumes. */
function ctPreconditions(context: Context): unknown {
  const guest = guestOf(context, 'lxc');
  refuseLocked(guest);
  const others = [...context.world.all('node').values()].filter(({ node }) => node !== guest.node).map(({ node }) => node);
  const blocked = blockedByHa(context.world, guest);
  return {
    running: guest.running ? 1 : 0,
    'allowed-nodes': others.filter((node) => !blocked[node]),
    'not-allowed-nodes': Object.fromEntries(Object.entries(blocked).map(([node, by]) => [node, { 'blocking-ha-resources': by }])),
    ...(isManaged(context.world, guest) ? { 'dependent-ha-resources': movedAlong(context.world, guest) } : {}),
  };
}

export const MIGRATE_ROUTES: Routes = {
  'GET /nodes/{node}/qemu/{vmid}/migrate': preconditions,
  'GET /nodes/{node}/lxc/{vmid}/migrate': ctPreconditions,
  'POST /nodes/{node}/qemu/{vmid}/migrate': migrate,
  'POST /nodes/{node}/lxc/{vmid}/migrate': migrate,
};
