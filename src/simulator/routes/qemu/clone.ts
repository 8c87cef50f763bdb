import { demand } from '../../access/permissions.ts';
import { type Context, guestOf, needed, nodeOf, type Routes, refuseLocked, requireBridges, startedTask, text } from '../../context.ts';
import { refuse } from '../../errors.ts';
import { driveKeys, isCdrom, isCloudInit, option, parseSize, printSize, volumeOf } from '../../guest/config.ts';
import { copyVolume, storeNet, type Workshop } from '../../guest/drives.ts';
import { allocate, findStorage, findVolume, hasStorage, isFileBased, storageOf } from '../../guest/volumes.ts';
import type { Config, Guest, Volume } from '../../model.ts';
import type { Kinds, Run } from '../../tasks.ts';
import { newUuid, type World } from '../../world.ts';
import { emptyGuest, joinPool, requireAllocate, undoCreate } from '../guest/new-guest.ts';
import { wantsAgent } from '../guest/power.ts';

const LINKED = 600;
const FULL = 2_000;

interface Args {
  newid: number;
  full: boolean;
  storage?: string;
  format?: string;
  target?: string;
  name?: string;
  description?: string;
  pool?: string;
  snapname?: string;
  made: string[];
}

/** The configuration that is copied: the present one or a snapshot's, without what belongs to the source alone. */
function sourceConfig(guest: Guest, snapname: string | undefined): Config {
  const from =
    snapname === undefined ? guest.config : (guest.snapshots[snapname] ?? refuse(`snapshot '${snapname}' does not exist`)).config;
  return Object.fromEntries(
    Object.entries(from).filter(
      ([key]) => !/^unused\d+$/.test(key) && !['template', 'lock', 'vmstate', 'parent', 'snaptime'].includes(key),
    ),
  );
}

/** Volumes to be copied, by drive; inserted media stay as they are. */
function volumesToCopy(world: World, guest: Guest, config: Config): [string, Volume][] {
  return driveKeys(config).flatMap((key): [string, Volume][] => {
    const value = config[key] as string;
    if (isCdrom(value) && !isCloudInit(value)) return [];
    const volume = findVolume(world, guest.node, volumeOf(value));
    return volume ? [[key, volume]] : [];
  });
}

function isLinkable(volume: Volume): boolean {
  return /(^|[:/])base-[^/]*$/.test(volume.volid);
}

function clone(context: Context): string {
  const { world, who } = context;
  const newid = Number(needed(context, 'newid'));
  const pool = text(context, 'pool');
  requireAllocate(context, newid, pool);
  const storage = text(context, 'storage');
  const target = text(context, 'target');
  if (storage !== undefined) checkTargetStorage(context, storage);
  if (target !== undefined && !world.get('node', target)) refuse(`no such cluster node '${target}'`);
  const vmid = Number(needed(context, 'vmid'));
  const found = world.guest(vmid);
  if (found?.type !== 'qemu' || found.node !== nodeOf(context))
    refuse(`unable to find configuration file for VM ${vmid} on node '${nodeOf(context)}'`);
  const guest = guestOf(context);
  refuseLocked(guest);
  const snapname = text(context, 'snapname');
  const config = sourceConfig(guest, snapname);
  const full = text(context, 'full') === undefined ? guest.config.template !== '1' : text(context, 'full') === '1';
  if (storage !== undefined && !full) refuse("parameter 'storage' not allowed for linked clones");
  if (full && guest.running && snapname === undefined && config.tpmstate0 !== undefined)
    refuse('cannot clone TPM state while VM is running');
  const volumes = volumesToCopy(world, guest, config);
  for (const [key, volume] of volumes) {
    demand(world, who, `/storage/${storage ?? volume.storage}`, ['Datastore.AllocateSpace']);
    const of = snapname === undefined ? '' : 'a snapshot of ';
    if (!full && (snapname !== undefined || !isLinkable(volume)) && !/cloudinit/.test(volume.volid))
      refuse(`Linked clone feature is not supported for ${of}'${volume.volid}' (${key})`);
  }
  requireBridges(
    context,
    Object.entries(config).flatMap(([key, value]) => (/^net\d+$/.test(key) ? [value] : [])),
  );
  if (target !== undefined && target !== guest.node) checkTargetNode(world, target, volumes, storage);
  if (world.guest(newid)) refuse(`unable to create VM ${newid}: config file already exists`);
  world.saveGuest(emptyGuest(newid, 'qemu', guest.node, { description: ' qmclone temporary file', lock: 'clone' }), context.at);
  const optional = {
    storage,
    target,
    pool,
    snapname,
    format: text(context, 'format'),
    name: text(context, 'name'),
    description: text(context, 'description'),
  };
  const args = { newid, full, made: [], ...optional };
  const log = [`creating a clone of VM ${vmid} with ID ${newid}`];
  return startedTask(context, { type: 'qmclone', id: String(vmid), kind: 'clone', args, locks: [newid], log }).upid;
}

function checkTargetStorage(context: Context, name: string): void {
  const storage = findStorage(context.world, name);
  demand(context.world, context.who, `/storage/${name}`, ['Datastore.AllocateSpace']);
  if (!hasStorage(storage, nodeOf(context))) refuse(`storage '${name}' is not available on node '${nodeOf(context)}'`);
  if (!storage.content.includes('images')) refuse(`storage '${name}' does not support vm images`);
}

function checkTargetNode(world: World, target: string, volumes: [string, Volume][], storage: string | undefined): void {
  for (const [, volume] of volumes) {
    if (!findStorage(world, volume.storage).shared) refuse(`can't clone VM to node '${target}' (VM uses local storage)`);
  }
  if (storage !== undefined && !findStorage(world, storage).shared) refuse(`can't clone to non-shared storage '${storage}'`);
}

function begin(run: Run): number {
  return (run.task.args as unknown as Args).full ? FULL : LINKED;
}

function finish(run: Run): void {
  const args = run.task.args as unknown as Args;
  const { world } = run;
  const vmid = Number(run.task.id);
  const source = world.guest(vmid) ?? refuse(`clone failed: unable to find configuration file for VM ${vmid} on node '${run.task.node}'`);
  const config = sourceConfig(source, args.snapname);
  const shop: Workshop = { world, node: run.task.node, vmid: args.newid, at: run.at, log: run.log, made: args.made };
  for (const [key, volume] of volumesToCopy(world, source, config)) {
    const copy = /cloudinit/.test(volume.volid) || args.full ? fullCopy(shop, key, volume, args, source) : linkedCopy(shop, key, volume);
    const size = parseSize(option(config[key] as string, 'size') ?? '0') || copy.size;
    const kept = (config[key] as string).replace(volumeOf(config[key] as string), copy.volid).replace(/,size=[^,]+/, '');
    config[key] = `${kept},size=${printSize(size)}`;
  }
  for (const [key, value] of Object.entries(config)) if (/^net\d+$/.test(key)) config[key] = storeNet(key, value, true);
  if (config.vmgenid !== undefined) config.vmgenid = newUuid();
  config.smbios1 = [
    `uuid=${newUuid()}`,
    ...(config.smbios1 ?? '').split(',').filter((part) => part !== '' && !part.startsWith('uuid=')),
  ].join(',');
  config.name = args.name ?? `Copy-of-VM-${source.config.name ?? vmid}`;
  if (args.description !== undefined) config.description = args.description;
  const made = { ...emptyGuest(args.newid, 'qemu', args.target ?? run.task.node, config), inside: source.inside };
  world.saveGuest(made, run.at);
  joinPool(world, args.pool, args.newid);
}

function fullCopy(shop: Workshop, key: string, volume: Volume, args: Args, source: Guest): Volume {
  shop.log(`create full clone of drive ${key} (${volume.volid})`);
  const cloudInit = /cloudinit/.test(volume.volid);
  const storage = findStorage(shop.world, (args.full ? args.storage : undefined) ?? volume.storage);
  const format = args.full && args.format !== undefined ? args.format : volume.format;
  const inUse = source.running !== undefined && !cloudInit;
  const copy = copyVolume(shop, volume, { storage, format, mirror: inUse ? key : undefined, ...(cloudInit ? { name: 'cloudinit' } : {}) });
  if (!inUse) return copy;
  const frozen = wantsAgent(source) && source.inside.agent;
  if (frozen) shop.log("issuing guest agent 'guest-fsfreeze-freeze' command");
  shop.log(`mirror-${key}: Cancelling block job`);
  shop.log(`mirror-${key}: Done.`);
  if (frozen) shop.log("issuing guest agent 'guest-fsfreeze-thaw' command");
  return copy;
}

function linkedCopy(shop: Workshop, key: string, base: Volume): Volume {
  shop.log(`create linked clone of drive ${key} (${base.volid})`);
  const storage = findStorage(shop.world, storageOf(base.volid));
  const lines: string[] = [];
  const wish = { node: shop.node, storage, vmid: shop.vmid, size: base.size, format: 'qcow2', parent: base, at: shop.at };
  const volume = allocate(shop.world, { ...wish, log: (line) => void lines.push(line) });
  shop.made.push(volume.volid);
  if (isFileBased(storage)) {
    const name = volume.volid.split('/').at(-1);
    const from = base.volid.slice(base.volid.indexOf(':') + 1);
    shop.log(`clone ${from}: images, ${name}, ${shop.vmid} to ${name} (base=../${from})`);
  }
  for (const line of lines) shop.log(line);
  return volume;
}

export const CLONE_KINDS: Kinds = { clone: { begin, finish, undo: undoCreate } };

export const CLONE_ROUTES: Routes = { 'POST /nodes/{node}/qemu/{vmid}/clone': clone };
