import { demand } from '../../access/permissions.ts';
import {
  type Context,
  edit,
  flag,
  guestOf,
  needed,
  nodeOf,
  type Routes,
  refuseLocked,
  requireBridges,
  task,
  text,
  vmidOf,
} from '../../context.ts';
import { invalid, refuse } from '../../errors.ts';
import { CT_VOLUME_KEY, digestOf, freeKey, mountKeys, volumeOf } from '../../guest/config.ts';
import { inSnapshot } from '../../guest/hotplug.ts';
import { allocate, findStorage, findVolume, freeByName, freeVolume, isFileBased, saveVolume, usableStorage } from '../../guest/volumes.ts';
import type { Config, Guest } from '../../model.ts';
import type { Kinds, Run } from '../../tasks.ts';
import { emptyGuest, joinPool, requireAllocate, undoCreate } from '../guest/new-guest.ts';
import { ctOfTask, ctShop, makeCtVolume, netsOf, storageOfMount, storeCtNet } from './parts.ts';

const COPY = 2_000;

function sourceConfig(guest: Guest, snapname: string | undefined): Config {
  const found =
    snapname === undefined ? guest.config : (guest.snapshots[snapname] ?? refuse(`snapshot '${snapname}' does not exist`)).config;
  return Object.fromEntries(Object.entries(found).filter(([key]) => !/^unused\d+$|^(lock|template|parent|snaptime)$/.test(key)));
}

const isBase = (volid: string): boolean => /(^|[:/])base(vol)?-[^/]*$/.test(volid);

function clone(context: Context): string {
  const { world, who } = context;
  const newid = Number(needed(context, 'newid'));
  const pool = text(context, 'pool');
  requireAllocate(context, newid, pool);
  const [storage, snapname] = [text(context, 'storage'), text(context, 'snapname')];
  const target = text(context, 'target') === nodeOf(context) ? undefined : text(context, 'target');
  if (target !== undefined && !world.get('node', target)) refuse(`no such cluster node '${target}'`);
  if (storage !== undefined) usableStorage(world, storage, nodeOf(context));
  if (storage !== undefined && target !== undefined && !findStorage(world, storage).shared)
    refuse(`can't clone to non-shared storage '${storage}'`);
  const guest = guestOf(context, 'lxc');
  refuseLocked(guest);
  if (world.guest(newid)) refuse(`unable to create CT ${newid}: config file already exists`);
  const full = text(context, 'full') === undefined ? guest.config.template !== '1' : flag(context, 'full');
  if (storage !== undefined && !full) refuse("parameter 'storage' not allowed for linked clones");
  const config = sourceConfig(guest, snapname);
  for (const key of mountKeys(config)) {
    const volid = volumeOf(config[key] as string);
    demand(world, who, `/storage/${storage ?? storageOfMount(config[key] as string)}`, ['Datastore.AllocateSpace']);
    if (full && guest.running && snapname === undefined) refuse('Full clone of a running container is only possible from a snapshot');
    if (!full && (!isBase(volid) || isFileBased(findStorage(world, storageOfMount(config[key] as string)))))
      refuse(`Linked clone feature for '${volid}' is not available`);
  }
  requireBridges(context, netsOf(config));
  const isLocal = mountKeys(config).some((key) => !findStorage(world, storage ?? storageOfMount(config[key] as string)).shared);
  if (target !== undefined && isLocal) refuse(`can't clone CT to node '${target}' (CT uses local storage)`);
  world.saveGuest(emptyGuest(newid, 'lxc', guest.node, { lock: 'create' }), context.at);
  const optional = { hostname: text(context, 'hostname'), description: text(context, 'description'), pool, snapname, storage, target };
  const args = { newid, full, made: [], ...optional };
  return task(context, { type: 'vzclone', id: String(guest.vmid), kind: 'ct-clone', args, locks: [newid] });
}

interface CloneArgs {
  newid: number;
  full: boolean;
  snapname?: string;
  storage?: string;
  target?: string;
  hostname?: string;
  description?: string;
  pool?: string;
}

function finishClone(run: Run): void {
  const args = run.task.args as unknown as CloneArgs;
  const { world } = run;
  const source = ctOfTask({ ...run, task: { ...run.task, args: {} } });
  run.log(`creating a clone of container ${source.vmid} with ID ${args.newid}`);
  const config = sourceConfig(source, args.snapname);
  for (const key of mountKeys(config)) {
    const value = config[key] as string;
    const origin = findVolume(world, source.node, volumeOf(value)) ?? refuse(`clone failed: volume '${volumeOf(value)}' does not exist`);
    run.log(`create ${args.full ? 'full clone of mountpoint' : 'linked clone of mount point'} ${key} (${origin.volid})`);
    const name = args.storage ?? origin.storage;
    const copy = makeCtVolume(ctShop(run, args.newid), name, origin.size, args.full ? origin.used : 0);
    if (!args.full) saveVolume(world, { ...copy, parent: origin.volid });
    config[key] = value.replace(origin.volid, copy.volid);
  }
  for (const [key, value] of Object.entries(config)) if (/^net\d+$/.test(key)) config[key] = storeCtNet(value, true);
  if (args.hostname !== undefined) config.hostname = args.hostname;
  if (args.description !== undefined) config.description = args.description;
  world.saveGuest({ ...emptyGuest(args.newid, 'lxc', args.target ?? source.node, config), inside: source.inside }, run.at);
  joinPool(world, args.pool, args.newid);
}

/** Answers with nothing, although it works in a task. */
function template(context: Context): null {
  const guest = guestOf(context, 'lxc');
  refuseLocked(guest);
  if (Object.keys(guest.snapshots).length > 0) refuse('unable to create template, because CT contains snapshots');
  if (guest.config.template === '1') refuse("you can't convert a template to a template");
  if (guest.running) refuse("you can't convert a CT to template if the CT is running");
  task(context, { type: 'vztemplate', id: String(guest.vmid), kind: 'ct-template', locks: [guest.vmid] });
  return null;
}

function finishTemplate(run: Run): void {
  const guest = edit(ctOfTask(run));
  for (const key of mountKeys(guest.config)) {
    const value = guest.config[key] as string;
    const volume = findVolume(run.world, guest.node, volumeOf(value));
    if (!volume) continue;
    const volid = volume.volid.replace(/(^|[:/])(vm|subvol)-(\d+-[^/]*)$/, '$1base-$3');
    freeVolume(run.world, volume);
    saveVolume(run.world, { ...volume, volid });
    guest.config[key] = value.replace(volume.volid, volid);
  }
  guest.config.template = '1';
  run.world.saveGuest(guest, run.at);
}

function moveVolume(context: Context): string {
  const { world, who } = context;
  const key = needed(context, 'volume');
  const [name, other] = [text(context, 'storage'), text(context, 'target-vmid')];
  const both = "either set 'storage' or 'target-vmid', but not both";
  if (name !== undefined && other !== undefined) invalid({ storage: both, 'target-vmid': both });
  if (other !== undefined) return reassign(context, key, Number(other));
  if (name === undefined) invalid({ storage: both, 'target-vmid': both });
  demand(world, who, `/storage/${name}`, ['Datastore.AllocateSpace']);
  const guest = guestOf(context, 'lxc');
  refuseLocked(guest);
  checkMove(context, guest, key);
  if (!usableStorage(world, name, guest.node).content.includes('rootdir'))
    refuse(`storage '${name}' does not support container directories`);
  const args = { key, storage: name, delete: flag(context, 'delete'), made: [] };
  return task(context, { type: 'move_volume', id: String(guest.vmid), kind: 'ct-move', args, locks: [guest.vmid] });
}

function checkMove(context: Context, guest: Guest, key: string): void {
  if (guest.running) refuse('cannot move volumes of a running container');
  const digest = text(context, 'digest');
  if (digest !== undefined && digest !== digestOf(guest))
    refuse('detected modified configuration - file changed by other user? Try again.');
  const value = guest.config[key] ?? refuse(`volume '${key}' for container '${guest.vmid}' does not exist`);
  if (inSnapshot(guest, volumeOf(value)) && flag(context, 'delete')) refuse("you can't move a volume with snapshots and delete the source");
}

function finishMove(run: Run): void {
  const { key, storage, delete: remove } = run.task.args as { key: string; storage: string; delete: boolean };
  const guest = edit(ctOfTask(run));
  refuseLocked(guest);
  const value = guest.config[key] ?? refuse(`volume '${key}' for container '${guest.vmid}' does not exist`);
  const source = findVolume(run.world, guest.node, volumeOf(value)) ?? refuse(`volume '${volumeOf(value)}' does not exist`);
  const copy = makeCtVolume(ctShop(run, guest.vmid), storage, source.size, source.used);
  guest.config[key] = /^unused/.test(key) ? copy.volid : value.replace(source.volid, copy.volid);
  if (remove) freeVolume(run.world, source);
  else guest.config[freeKey(guest.config, 'unused')] = source.volid;
  run.world.saveGuest(guest, run.at);
}

function reassign(context: Context, key: string, to: number): string {
  const { world, who } = context;
  demand(world, who, `/vms/${to}`, ['VM.Config.Disk']);
  if (key === 'rootfs' || text(context, 'target-volume') === 'rootfs') refuse("Cannot move to/from 'rootfs'");
  const guest = guestOf(context, 'lxc');
  const other = world.guest(to) ?? refuse(`could not find CT ${to}`);
  if (other.node !== guest.node) refuse(`Both containers need to be on the same node (${guest.node} != ${other.node})`);
  if (guest.config.template === '1' || other.config.template === '1') refuse("Can't move volumes from or to template CT");
  const value = guest.config[key] ?? refuse(`volume '${key}' for container '${guest.vmid}' does not exist`);
  demand(world, who, `/storage/${storageOfMount(value)}`, ['Datastore.AllocateSpace']);
  const goal = text(context, 'target-volume') ?? key;
  if (other.config[goal] !== undefined) refuse(`Target volume key '${goal}' is already in use for container '${to}'`);
  const id = `${guest.vmid}-${key}>${to}-${goal}`;
  const args = { key, vmid: guest.vmid, to, goal };
  return task(context, { type: 'move_volume', id, kind: 'ct-reassign', args, locks: [vmidOf(context), to] });
}

function finishReassign(run: Run): void {
  const { key, vmid, to, goal } = run.task.args as { key: string; vmid: number; to: number; goal: string };
  const [from, other] = [run.world.guest(vmid), run.world.guest(to)].map((guest) => guest && edit(guest));
  const value = from?.config[key];
  const volume = value === undefined || !from ? undefined : findVolume(run.world, from.node, volumeOf(value));
  if (!from || !other || value === undefined || !volume) refuse(`volume '${key}' for container '${vmid}' does not exist`);
  const storage = findStorage(run.world, volume.storage);
  const wish = { node: from.node, storage, vmid: to, size: volume.size, format: volume.format, content: volume.content };
  const { volid } = allocate(run.world, { ...wish, at: run.at, log: () => {} });
  saveVolume(run.world, { ...volume, volid, vmid: to });
  freeVolume(run.world, volume);
  delete from.config[key];
  other.config[goal] = CT_VOLUME_KEY.test(goal) ? value.replace(volume.volid, volid) : volid;
  run.world.saveGuest(from, run.at);
  run.world.saveGuest(other, run.at);
}

export const CLONE_CT_KINDS: Kinds = {
  'ct-clone': { begin: () => COPY, finish: finishClone, undo: undoCreate },
  'ct-template': { finish: finishTemplate },
  'ct-move': {
    begin: () => COPY,
    finish: finishMove,
    undo: (run) => {
      for (const volid of run.task.args.made as string[]) freeByName(run.world, run.task.node, volid);
    },
  },
  'ct-reassign': { finish: finishReassign },
};

const BASE = '/nodes/{node}/lxc/{vmid}';

export const CLONE_CT_ROUTES: Routes = {
  [`POST ${BASE}/clone`]: clone,
  [`POST ${BASE}/template`]: template,
  [`POST ${BASE}/move_volume`]: moveVolume,
};
