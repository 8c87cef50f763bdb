import { checkDriveRights, checkOptionRights } from '../../access/option-rights.ts';
import { demand } from '../../access/permissions.ts';
import {
  type Context,
  edit,
  findGuest,
  flag,
  guestOf,
  Kept,
  missingConfig,
  nodeOf,
  type Routes,
  refuseLocked,
  requireBridges,
  startedTask,
  takeLock,
  text,
  vmidOf,
} from '../../context.ts';
import { parameterOf } from '../../contract.ts';
import { ApiError, invalid, refuse } from '../../errors.ts';
import { splitList } from '../../formats.ts';
import { DRIVE_KEY, digestOf, driveKeys, isCdrom, isCloudInit, memoryOf, normalTags, pendingConfig, volumeOf } from '../../guest/config.ts';
import {
  checkBootOrder,
  checkSshKeys,
  checkStorageAccess,
  driveKind,
  makeDrive,
  settingsInOrder,
  storeNet,
  type Workshop,
} from '../../guest/drives.ts';
import { bootOrder, hotplugProblem, inSnapshot, isLive, release } from '../../guest/hotplug.ts';
import { findVolume, freeByName, freeVolume, ownerOf, storageOf } from '../../guest/volumes.ts';
import type { Config, Guest } from '../../model.ts';
import type { Kinds, Run } from '../../tasks.ts';
import type { World } from '../../world.ts';
import { optionsOf } from '../guest/new-guest.ts';
import { guestOfTask } from '../guest/power.ts';
import { hashPassword, workshop } from './create.ts';

const CONFIG = 200;
const NOT_OPTIONS = ['node', 'vmid', 'delete', 'revert', 'digest', 'force', 'background_delay', 'skiplock', 'import-working-storage'];

interface Change {
  set: Config;
  remove: string[];
  revert: string[];
  digest?: string;
  /** Destroy the volumes of removed drives. */
  force: boolean;
}

/** Checks everything that needs no lock: parameters, privileges, keys. */
function prepare(context: Context): Change {
  const vmid = vmidOf(context);
  if (text(context, 'skiplock') !== undefined) invalid({ skiplock: 'Only root may use this option.' });
  const set = optionsOf(context, NOT_OPTIONS);
  checkSshKeys(set.sshkeys);
  const remove = splitList(text(context, 'delete') ?? '');
  const revert = splitList(text(context, 'revert') ?? '');
  for (const key of remove) {
    if (set[key] !== undefined) invalid({ delete: `you can't use '-${key}' and -delete ${key}' at the same time` });
    if (!parameterOf(context.method, key) || NOT_OPTIONS.includes(key)) invalid({ delete: `unknown option '${key}'` });
  }
  for (const key of revert) {
    if (!parameterOf(context.method, key)) invalid({ revert: `unknown option '${key}'` });
  }
  if (Object.keys(set).length + remove.length + revert.length === 0) refuse('no options specified');
  const current = findGuest(context)?.config ?? {};
  checkStorageAccess(context, vmid, set);
  checkDriveRights(context, vmid, current, set, remove);
  demandFreeing(context, current, remove, flag(context, 'force'));
  checkOptionRights(context, vmid, undefined, [...remove, ...revert, ...Object.keys(set)]);
  const cards = [...Object.keys(set), ...remove].filter((key) => /^net\d+$/.test(key));
  // The bridge that a card is on counts as much as the one it goes to.
  requireBridges(
    context,
    cards.flatMap((key) => [set[key], current[key]].filter((value) => value !== undefined)),
  );
  const digest = text(context, 'digest');
  return { set, remove, revert, force: flag(context, 'force'), ...(digest === undefined ? {} : { digest }) };
}

/** Of another configuration than this one nothing is applied, and no task begins. */
function refuseOther(guest: Guest, { digest }: Change): void {
  if (digest !== undefined && digest !== digestOf(guest)) refuse('checksum mismatch (file change by other user?)');
  refuseLocked(guest);
}

/** Destroying a volume asks for the right to allocate on its storage. */
function demandFreeing(context: Context, current: Config, keys: string[], force: boolean): void {
  for (const key of keys) {
    const value = current[key];
    const goes = /^unused\d+$/.test(key) || (DRIVE_KEY.test(key) && force);
    if (value === undefined || !goes || ownerOf(volumeOf(value)) !== vmidOf(context)) continue;
    demand(context.world, context.who, `/storage/${storageOf(volumeOf(value))}`, ['Datastore.AllocateSpace']);
  }
}

/** Changes that could not be hot-plugged, by key; they are pending. */
type Problems = Record<string, string>;

/** The part that needs the guest's lock: applies what can be applied and keeps the rest pending. */
function apply(shop: Workshop, guest: Guest, change: Change): Problems {
  refuseOther(guest, change);
  const next = edit(guest);
  const problems: Problems = {};
  checkBalloon(next, change);
  for (const key of change.revert) {
    delete next.pending[key];
    delete next.pendingDelete[key];
  }
  for (const key of change.remove) remove(shop.world, next, key, change.force, problems);
  for (const [key, value] of Object.entries(change.set)) if (!DRIVE_KEY.test(key)) setOption(shop.world, next, key, value, problems);
  for (const [key, value] of settingsInOrder(change.set)) setDrive(shop, next, key, value);
  if (change.set.boot !== undefined) checkBootOrder(pendingConfig(next));
  shop.world.saveGuest(next, shop.at);
  return problems;
}

/** Whether the change takes effect now. A change that should, and cannot, is noted as a problem. */
function takesEffect(world: World, guest: Guest, key: string, value: string | undefined, problems: Problems): boolean {
  if (!isLive(guest, key, value)) return false;
  const problem = hotplugProblem(world, guest, key, value);
  if (problem !== undefined) problems[key] = `hotplug problem - ${problem}\n`;
  return problem === undefined;
}

/** A device that leaves the guest leaves its boot order, too; nothing left is written as a space. */
function leaveBootOrder(guest: Guest, key: string): void {
  const order = bootOrder(pendingConfig(guest));
  if (!order.includes(key)) return;
  setBootOrder(
    guest,
    order.filter((device) => device !== key),
  );
}

function setBootOrder(guest: Guest, devices: string[]): void {
  const boot = devices.length === 0 ? ' ' : `order=${devices.join(';')}`;
  if (guest.running) guest.pending.boot = boot;
  else guest.config.boot = boot;
}

/** A CD drive that is set joins the boot order, where there is one. */
function joinBootOrder(guest: Guest, key: string, value: string): void {
  const order = bootOrder(pendingConfig(guest));
  if (order.length > 0 && isCdrom(value) && !isCloudInit(value) && !order.includes(key)) setBootOrder(guest, [...order, key]);
}

function checkBalloon(guest: Guest, { set, remove: removed }: Change): void {
  const merged = { ...pendingConfig(guest), ...set };
  if (merged.balloon === undefined || removed.includes('balloon') || (set.balloon === undefined && set.memory === undefined)) return;
  if (Number(merged.balloon) * 1024 ** 2 > memoryOf(merged)) refuse('balloon value too large (must be smaller than assigned memory)');
}

function remove(world: World, guest: Guest, key: string, force: boolean, problems: Problems): void {
  delete guest.pending[key];
  const value = guest.config[key];
  if (value === undefined) return;
  if (/^unused\d+$/.test(key)) {
    if (guest.config.protection === '1') refuse(`can't remove unused disk '${key}' - protection mode enabled`);
    if (inSnapshot(guest, value)) refuse(`unable to delete '${value}' - volume is still in use (snapshot?)`);
    freeByName(world, guest.node, value);
    delete guest.config[key];
    return;
  }
  if (DRIVE_KEY.test(key) && guest.config.protection === '1') refuse(`can't remove drive '${key}' - protection mode enabled`);
  leaveBootOrder(guest, key);
  const goes = takesEffect(world, guest, key, undefined, problems);
  const isHeld = goes && DRIVE_KEY.test(key) && force && inSnapshot(guest, volumeOf(value));
  if (isHeld) problems[key] = `unable to delete '${volumeOf(value)}' - volume is still in use (snapshot?)`;
  if (!goes || isHeld) {
    guest.pendingDelete[key] = force ? '2' : '1';
    return;
  }
  const volume = DRIVE_KEY.test(key) && (force || isCloudInit(value)) ? findVolume(world, guest.node, volumeOf(value)) : undefined;
  if (volume) {
    freeVolume(world, volume);
    delete guest.config[key];
  } else release(guest.config, key, guest.vmid);
}

function setOption(world: World, guest: Guest, key: string, given: string, problems: Problems): void {
  const value = /^net\d+$/.test(key)
    ? storeNet(key, given)
    : key === 'tags'
      ? normalTags(given)
      : key === 'cipassword'
        ? hashPassword(given)
        : key === 'description'
          ? given
          : // The file is read without the blanks around a value.
            given.trim();
  delete guest.pendingDelete[key];
  delete guest.pending[key];
  // An empty value does not survive the configuration file: nothing changes.
  if (value === '' || guest.config[key] === value) return;
  if (takesEffect(world, guest, key, value, problems)) guest.config[key] = value;
  else guest.pending[key] = value;
}

function setDrive(shop: Workshop, guest: Guest, key: string, value: string): void {
  const attached = driveKeys(guest.config).find((other) => other !== key && isCloudInit(guest.config[other] as string));
  if (driveKind(value) === 'cloudinit' && attached !== undefined) refuse(`${key} - cloud-init drive is already attached at '${attached}'`);
  const stored = makeDrive(shop, key, value);
  joinBootOrder(guest, key, stored);
  const before = guest.config[key];
  delete guest.pendingDelete[key];
  delete guest.pending[key];
  if (!isLive(guest, key, stored)) {
    guest.pending[key] = stored;
    return;
  }
  if (before !== undefined && volumeOf(before) !== volumeOf(stored)) release(guest.config, key, guest.vmid);
  for (const [unused, volid] of Object.entries(guest.config))
    if (/^unused\d+$/.test(unused) && volid === volumeOf(stored)) delete guest.config[unused];
  guest.config[key] = stored;
}

function put(context: Context): Kept | null {
  const change = prepare(context);
  guestOf(context);
  takeLock(context, vmidOf(context));
  const shop: Workshop = { world: context.world, node: nodeOf(context), vmid: vmidOf(context), at: context.at, log: () => {}, made: [] };
  return answerFor(apply(shop, guestOf(context), change));
}

/** A hotplug problem is an error, although the change is kept. */
function answerFor(problems: Problems): Kept | null {
  return Object.keys(problems).length > 0 ? new Kept(new ApiError(400, 'Parameter verification failed.', problems)) : null;
}

/** The options as the log of the task repeats them. */
const asArguments = (change: Change): string =>
  [
    ...Object.entries(change.set).map(([key, value]) => `-${key} ${key === 'cipassword' ? '<hidden>' : value}`),
    ...(change.remove.length > 0 ? [`-delete ${change.remove.join(',')}`] : []),
    ...(change.revert.length > 0 ? [`-revert ${change.revert.join(',')}`] : []),
  ].join(' ');

function post(context: Context): string {
  const change = prepare(context);
  const vmid = vmidOf(context);
  refuseOther(guestOf(context), change);
  const log = [`update VM ${vmid}: ${asArguments(change)}`];
  return startedTask(context, { type: 'qmconfig', id: String(vmid), kind: 'config', args: { change, made: [] }, locks: [vmid], log }).upid;
}

function finish(run: Run): void {
  const guest = guestOfTask(run, (vmid) => missingConfig(run.task.node, 'qemu', vmid));
  const problems = apply(workshop(run, guest.vmid), guest, run.task.args.change as Change);
  const told = Object.entries(problems).map(([key, text]) => `${key}: ${text.trim()}`);
  if (told.length === 0) return;
  run.task.args.made = [];
  refuse(`400 Parameter verification failed. ${told.join(' ')}`);
}

export const CONFIG_KINDS: Kinds = {
  config: {
    begin: () => CONFIG,
    finish,
    undo: (run) => {
      for (const volid of run.task.args.made as string[]) freeByName(run.world, run.task.node, volid);
    },
  },
};

/** PUT unlink: removes drives, keeping their volumes as unused ones unless forced. */
function unlink(context: Context): Kept | null {
  takeLock(context, vmidOf(context));
  const guest = guestOf(context);
  refuseLocked(guest);
  const next = edit(guest);
  const problems: Problems = {};
  demandFreeing(context, guest.config, splitList(text(context, 'idlist') ?? ''), flag(context, 'force'));
  for (const key of splitList(text(context, 'idlist') ?? '')) remove(context.world, next, key, flag(context, 'force'), problems);
  context.world.saveGuest(next, context.at);
  return answerFor(problems);
}

export const CONFIG_ROUTES: Routes = {
  'PUT /nodes/{node}/qemu/{vmid}/config': put,
  'POST /nodes/{node}/qemu/{vmid}/config': post,
  'PUT /nodes/{node}/qemu/{vmid}/unlink': unlink,
};
