import { demand, demandInTask, type Who } from '../../access/permissions.ts';
import {
  type Context,
  edit,
  findGuest,
  guestOf,
  needed,
  nodeOf,
  type Routes,
  refuseLocked,
  requireBridges,
  takeLock,
  task,
  text,
  vmidOf,
} from '../../context.ts';
import { parameterOf } from '../../contract.ts';
import { invalid, refuse } from '../../errors.ts';
import { splitList } from '../../formats.ts';
import { CT_VOLUME_KEY, digestOf, freeKey, normalTags, parseSize, printSize, volumeOf } from '../../guest/config.ts';
import { inSnapshot } from '../../guest/hotplug.ts';
import { findVolume, freeByName, ownerOf, saveVolume, storageOf } from '../../guest/volumes.ts';
import type { Guest } from '../../model.ts';
import type { Kinds, Run } from '../../tasks.ts';
import { optionsOf } from '../guest/new-guest.ts';
import { type CtWorkshop, checkCtRights, ctOfTask, makeMount, NOT_OPTIONS, storageOfMount, storeCtNet } from './parts.ts';

/** Options that are in force at once while the container runs. A new mount point is, a changed one is not. */
const LIVE =
  /^(memory|swap|cores|cpulimit|cpuunits|hostname|nameserver|searchdomain|description|tags|onboot|startup|protection|lock|net\d+|unused\d+)$/;

function checkDigest(context: Context, guest: Guest): void {
  const digest = text(context, 'digest');
  if (digest !== undefined && digest !== digestOf(guest))
    refuse('detected modified configuration - file changed by other user? Try again.');
}

function update(context: Context): null {
  const { world } = context;
  const vmid = vmidOf(context);
  const set = optionsOf(context, NOT_OPTIONS);
  const [remove, revert] = [splitList(text(context, 'delete') ?? ''), splitList(text(context, 'revert') ?? '')];
  if (Object.keys(set).length + remove.length + revert.length === 0) refuse('no options specified');
  for (const key of remove) {
    if (set[key] !== undefined) invalid({ delete: `you can't use '-${key}' and '-delete ${key}' at the same time` });
    if (!parameterOf(context.method, key)) invalid({ delete: `unknown option '${key}'` });
    if (['hostname', 'memory', 'rootfs'].includes(key)) invalid({ delete: `unable to delete required option '${key}'` });
  }
  for (const key of revert) if (!parameterOf(context.method, key)) invalid({ revert: `unknown option '${key}'` });
  const before = findGuest(context, 'lxc')?.config ?? {};
  checkCtRights(context, { vmid, before, set, remove, unprivileged: before.unprivileged === '1' });
  const cards = [...Object.keys(set), ...remove].filter((key) => /^net\d+$/.test(key));
  requireBridges(
    context,
    cards.flatMap((key) => [before[key], set[key]].filter((value) => value !== undefined)),
  );
  guestOf(context, 'lxc');
  takeLock(context, vmid);
  const guest = guestOf(context, 'lxc');
  checkDigest(context, guest);
  refuseLocked(guest);
  const next = edit(guest);
  for (const key of revert) {
    delete next.pending[key];
    delete next.pendingDelete[key];
  }
  for (const key of remove) removeOption(context, next, key);
  const shop: CtWorkshop = { world, node: nodeOf(context), vmid, at: context.at, log: () => {}, made: [] };
  for (const [key, given] of Object.entries(set)) setOption(shop, next, key, given);
  world.saveGuest(next, context.at);
  return null;
}

function setOption(shop: CtWorkshop, guest: Guest, key: string, given: string): void {
  const value = /^net\d+$/.test(key)
    ? storeCtNet(given)
    : key === 'tags'
      ? normalTags(given)
      : CT_VOLUME_KEY.test(key)
        ? makeMount(shop, given, 'local')
        : given;
  delete guest.pending[key];
  delete guest.pendingDelete[key];
  const before = guest.config[key];
  if (before === value) return;
  const isNewMount = /^mp\d+$/.test(key) && before === undefined;
  if (guest.running && !LIVE.test(key) && !isNewMount) {
    guest.pending[key] = value;
    return;
  }
  if (CT_VOLUME_KEY.test(key) && before !== undefined && volumeOf(before) !== volumeOf(value))
    guest.config[freeKey(guest.config, 'unused')] = volumeOf(before);
  for (const [unused, volid] of Object.entries(guest.config))
    if (/^unused\d+$/.test(unused) && volid === volumeOf(value)) delete guest.config[unused];
  guest.config[key] = value;
}

function removeOption(context: Context, guest: Guest, key: string): void {
  delete guest.pending[key];
  const value = guest.config[key];
  if (value === undefined) return;
  if (CT_VOLUME_KEY.test(key) && guest.config.protection === '1')
    refuse(`can't remove CT ${guest.vmid} drive '${key}' - protection mode enabled`);
  if (/^unused\d+$/.test(key)) {
    // The entry goes, and a snapshot keeps its volume.
    if (!inSnapshot(guest, value)) freeByName(context.world, guest.node, value);
    delete guest.config[key];
  } else if (guest.running && !LIVE.test(key)) guest.pendingDelete[key] = '1';
  else {
    delete guest.config[key];
    if (CT_VOLUME_KEY.test(key)) guest.config[freeKey(guest.config, 'unused')] = volumeOf(value);
  }
}

/** The volume and the size it is to have; what is wrong is told at once and again by the task. */
function wantedSize(guest: Guest, world: Run['world'], disk: string, size: string) {
  const value = guest.config[disk] ?? refuse(`no such volume '${disk}'`);
  const volume = findVolume(world, guest.node, volumeOf(value)) ?? refuse(`volume '${volumeOf(value)}' does not exist`);
  const owner = ownerOf(volume.volid);
  if (owner !== guest.vmid) refuse(`can't resize mount point owned by another container (${owner})`);
  const wanted = size.startsWith('+') ? volume.size + parseSize(size.slice(1)) : parseSize(size);
  if (wanted < volume.size) refuse('unable to shrink disk size');
  if (wanted === volume.size) refuse('disk is already at specified size');
  return { value, volume, wanted };
}

function resize(context: Context): string {
  const { world, who } = context;
  const guest = guestOf(context, 'lxc');
  refuseLocked(guest);
  const [disk, size] = [needed(context, 'disk'), needed(context, 'size')];
  for (const priv of ['VM.Config.Disk', 'VM.Config.Options']) demand(world, who, `/vms/${guest.vmid}`, [priv]);
  checkDigest(context, guest);
  if (guest.config[disk] !== undefined)
    demand(world, who, `/storage/${storageOfMount(guest.config[disk] as string)}`, ['Datastore.AllocateSpace']);
  wantedSize(guest, world, disk, size);
  return task(context, { type: 'resize', id: String(guest.vmid), kind: 'ct-resize', args: { disk, size, who }, locks: [guest.vmid] });
}

function finishResize(run: Run): void {
  const { disk, size, who } = run.task.args as { disk: string; size: string; who: Who };
  const guest = edit(ctOfTask(run));
  refuseLocked(guest);
  const { value, volume, wanted } = wantedSize(guest, run.world, disk, size);
  demandInTask(run.world, who, `/storage/${storageOf(volume.volid)}`, ['Datastore.AllocateSpace']);
  saveVolume(run.world, { ...volume, size: wanted });
  guest.config[disk] = value.replace(/size=[^,]+/, `size=${printSize(wanted)}`);
  run.world.saveGuest(guest, run.at);
}

export const CONFIG_CT_KINDS: Kinds = { 'ct-resize': { finish: finishResize } };

export const CONFIG_CT_ROUTES: Routes = {
  'PUT /nodes/{node}/lxc/{vmid}/config': update,
  'PUT /nodes/{node}/lxc/{vmid}/resize': resize,
};
