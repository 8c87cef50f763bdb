import { createHash, randomBytes } from 'node:crypto';
import { checkOptionRights } from '../../access/option-rights.ts';
import { demand, requireVm, type Who } from '../../access/permissions.ts';
import { type Context, flag, missingConfig, nodeOf, type Routes, requireBridges, seconds, task, text, vmidOf } from '../../context.ts';
import { refuse } from '../../errors.ts';
import { DRIVE_KEY, normalTags, option } from '../../guest/config.ts';
import {
  checkBootOrder,
  checkSshKeys,
  checkStorageAccess,
  defaultBoot,
  makeDrive,
  settingsInOrder,
  storeNet,
  type Workshop,
} from '../../guest/drives.ts';
import type { Config } from '../../model.ts';
import { type Kinds, type Run, startTask } from '../../tasks.ts';
import { newUuid } from '../../world.ts';
import { restore } from '../backup/restore.ts';
import { emptyGuest, joinPool, optionsOf, requireAllocate, undoCreate } from '../guest/new-guest.ts';
import { guestOfTask, POWER_KINDS } from '../guest/power.ts';

const CREATE = 600;
const IMPORT = 1_000;

/** Passwords are only kept hashed. */
export function hashPassword(password: string): string {
  const salt = randomBytes(6).toString('hex').slice(0, 8);
  return `$5$${salt}$${createHash('sha256').update(salt).update(password).digest('base64').replaceAll('+', '.').replace(/=+$/, '')}`;
}

/** Parameters of a create that do not become options of the guest. */
const NOT_OPTIONS = [
  'node',
  'vmid',
  'pool',
  'start',
  'storage',
  'unique',
  'force',
  'archive',
  'bwlimit',
  'live-restore',
  'import-working-storage',
  'ha-managed',
];

function create(context: Context): string {
  const { world, who } = context;
  const vmid = vmidOf(context);
  const pool = text(context, 'pool');
  checkSshKeys(text(context, 'sshkeys'));
  if (text(context, 'archive') !== undefined) return restore(context);
  requireAllocate(context, vmid, pool);
  const options = optionsOf(context, NOT_OPTIONS);
  checkStorageAccess(context, vmid, options, text(context, 'storage'));
  checkOptionRights(context, vmid, pool, Object.keys(options));
  requireBridges(
    context,
    Object.entries(options).flatMap(([key, value]) => (/^net\d+$/.test(key) ? [value] : [])),
  );
  if (flag(context, 'start')) requireVm(world, who, { vmid, pool }, ['VM.PowerMgmt']);
  const taken = world.guest(vmid);
  if (taken) refuse(`unable to create VM ${vmid} - VM ${vmid} already exists on node '${taken.node}'`);
  world.saveGuest(emptyGuest(vmid, 'qemu', nodeOf(context), { lock: 'create' }), context.at);
  const args = { options, pool, start: flag(context, 'start'), storage: text(context, 'storage'), who, made: [] };
  return task(context, { type: 'qmcreate', id: String(vmid), kind: 'create', args, locks: [vmid] });
}

interface Args {
  options: Config;
  pool?: string;
  start: boolean;
  storage?: string;
  who: Who;
  made: string[];
  config?: Config;
}

export const workshop = (run: Run, vmid: number): Workshop => {
  const made = run.task.args.made as string[];
  return { world: run.world, node: run.task.node, vmid, at: run.at, log: run.log, made };
};

/** The options as they are stored, with everything that is made up for a new guest. */
function begin(run: Run): number {
  const vmid = Number(run.task.id);
  const args = run.task.args as unknown as Args;
  try {
    const shop = workshop(run, vmid);
    const config: Config = {};
    for (const [key, value] of Object.entries(args.options)) {
      if (DRIVE_KEY.test(key)) continue;
      config[key] = /^net\d+$/.test(key)
        ? storeNet(key, value)
        : key === 'tags'
          ? normalTags(value)
          : key === 'cipassword'
            ? hashPassword(value)
            : value;
    }
    const drives = settingsInOrder(args.options);
    for (const [key, value] of drives) config[key] = makeDrive(shop, key, value, args.storage);
    if (args.options.tags !== undefined) demandTags(run, args.who, vmid);
    config.boot ??= defaultBoot(config);
    checkBootOrder(config);
    config.smbios1 ??= `uuid=${newUuid()}`;
    config.vmgenid ??= newUuid();
    config.meta = `creation-qemu=10.0.2,ctime=${seconds(run.at)}`;
    args.config = config;
    return CREATE + (drives.some(([, value]) => option(value, 'import-from')) ? IMPORT : 0);
  } catch (error) {
    return refuse(`unable to create VM ${vmid} - ${(error as Error).message}`);
  }
}

/** Since 9.2 tags are checked at create against the id alone, where a pool's privileges do not reach yet. */
function demandTags(run: Run, who: Who, vmid: number): void {
  try {
    demand(run.world, who, `/vms/${vmid}`, ['VM.Config.Options']);
  } catch (error) {
    refuse(`403 ${(error as Error).message}`);
  }
}

function finish(run: Run): void {
  const args = run.task.args as unknown as Args;
  const guest = guestOfTask(run, (vmid) => missingConfig(run.task.node, 'qemu', vmid));
  const imported = Object.values(args.options).some((value) => option(value, 'import-from') !== undefined);
  run.world.saveGuest({ ...guest, config: args.config ?? {}, inside: { acpi: imported, agent: imported } }, run.at);
  joinPool(run.world, args.pool, guest.vmid);
  if (!args.start) return;
  run.log('Execute autostart');
  const start = { node: guest.node, type: 'qmstart', id: String(guest.vmid), owner: run.task.owner, kind: 'start', locks: [guest.vmid] };
  startTask(run.world, POWER_KINDS, start, run.at);
}

export const CREATE_KINDS: Kinds = { create: { begin, finish, undo: undoCreate } };

export const CREATE_ROUTES: Routes = { 'POST /nodes/{node}/qemu': create };
