import { demand, demandInTask, may, type Who } from '../../access/permissions.ts';
import { type Context, edit, flag, nodeOf, type Routes, refuseLocked, task, text } from '../../context.ts';
import { invalid, refuse } from '../../errors.ts';
import { splitList } from '../../formats.ts';
import type { Kinds, Run } from '../../tasks.ts';
import { backUp, stamp } from './guest.ts';

const BACKUP = 1_500;

/** The command line that the log repeats. */
function commandLine(context: Context): string {
  const shown = Object.entries(context.params).filter(([name]) => !['vmid', 'node', 'compress'].includes(name));
  const parts = [...shown, ['node', nodeOf(context)]].map(
    ([name, value]) => `--${name} ${/[{} ]/.test(String(value)) ? `'${value}'` : value}`,
  );
  return [
    `vzdump ${splitList(text(context, 'vmid') ?? '').join(' ')}`,
    ...parts.sort(),
    ...(text(context, 'compress') ? [`--compress ${text(context, 'compress')}`] : []),
  ].join(' ');
}

/** The guests of this node a job is for; one that does not exist counts, so that the job fails where it can be seen. */
function wanted(context: Context): number[] {
  const { world } = context;
  const excluded = splitList(text(context, 'exclude') ?? '').map(Number);
  const pool = text(context, 'pool');
  const isHere = (vmid: number) => (world.guest(vmid)?.node ?? nodeOf(context)) === nodeOf(context);
  if (pool !== undefined) {
    const found = world.get('pool', pool) ?? refuse(`pool '${pool}' does not exist`);
    return found.vms.filter((vmid) => isHere(vmid) && world.guest(vmid) && !excluded.includes(vmid));
  }
  if (!flag(context, 'all'))
    return splitList(text(context, 'vmid') ?? '')
      .map(Number)
      .filter(isHere);
  return [...world.guests().keys()].filter((vmid) => isHere(vmid) && !excluded.includes(vmid));
}

function checkRights(context: Context, storage: string): void {
  const { world, who } = context;
  for (const name of ['dumpdir', 'script', 'tmpdir', 'job-id'])
    if (text(context, name) !== undefined) invalid({ [name]: 'Only root may set this option.' });
  for (const name of ['bwlimit', 'ionice', 'performance']) if (text(context, name) !== undefined) demand(world, who, '/', ['Sys.Modify']);
  if (text(context, 'prune-backups') !== undefined) demand(world, who, `/storage/${storage}`, ['Datastore.Allocate']);
}

function vzdump(context: Context): string {
  const { world, who } = context;
  const storage = text(context, 'storage') ?? 'local';
  checkRights(context, storage);
  const vmids = wanted(context);
  if (vmids.length === 0 && !flag(context, 'all')) return 'OK';
  demand(world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
  const keep = text(context, 'prune-backups') ?? world.get('storage', storage)?.prune ?? 'keep-all=1';
  const args = {
    // Those of `all` that the caller may not back up are left out without a word.
    vmids: vmids.filter((vmid) => !flag(context, 'all') || may(world, who, `/vms/${vmid}`, ['VM.Backup'])),
    who,
    storage,
    keep,
    remove: text(context, 'remove') !== '0' && !/keep-all=1/.test(keep),
    mode: text(context, 'mode') ?? 'snapshot',
    limited: !may(world, who, `/storage/${storage}`, ['Datastore.Allocate']),
    compress: text(context, 'compress') ?? '0',
    notes: text(context, 'notes-template'),
    protected: flag(context, 'protected'),
    line: commandLine(context),
    taken: {},
  };
  const id = vmids.length === 1 ? String(vmids[0]) : '';
  return task(context, { type: 'vzdump', id, kind: 'backup', args });
}

function begin(run: Run): number {
  const name = String(run.task.args.storage);
  const storage = run.world.get('storage', name);
  if (!storage) refuse(`could not get storage information for '${name}': storage '${name}' does not exist`);
  if (!storage.content.includes('backup'))
    refuse(`could not get storage information for '${name}': can't use storage '${name}' for backups - wrong content type`);
  run.log(`INFO: starting new backup job: ${String(run.task.args.line)}`);
  // Whether the caller may back up these guests is asked in the task alone.
  const { vmids, who } = run.task.args as { vmids: number[]; who: Who };
  for (const vmid of vmids) if (run.world.guest(vmid)) demandInTask(run.world, who, `/vms/${vmid}`, ['VM.Backup']);
  for (const vmid of vmids) takeUp(run, vmid);
  return BACKUP;
}

/** The guests that this task has locked, with whether each ran before. */
const taken = (run: Run) => (run.task.args.taken ?? {}) as Record<number, boolean>;

/** Locks a guest, and runs a stopped VM halted. Proxmox does so with one guest after the other. */
function takeUp(run: Run, vmid: number): void {
  const guest = run.world.guest(vmid);
  if (!guest || guest.config.lock) return;
  taken(run)[vmid] = guest.running !== undefined;
  const next = edit(guest);
  next.config.lock = 'backup';
  if (guest.type === 'qemu') next.running ??= { since: run.at, pid: 20_000 + run.world.count('kvm'), halted: 'prelaunch' };
  run.world.saveGuest(next, run.at);
}

/** A VM that was started meanwhile stays on. */
function letGo(run: Run): void {
  for (const vmid of Object.keys(taken(run))) {
    const guest = run.world.guest(Number(vmid));
    if (!guest) continue;
    const next = edit(guest);
    if (next.config.lock === 'backup') delete next.config.lock;
    if (next.running?.halted === 'prelaunch') delete next.running;
    run.world.saveGuest(next, run.at);
  }
}

/** Why one guest is not backed up; nothing when it is. */
function attempt(run: Run, vmid: number): string | undefined {
  const now = run.world.guest(vmid);
  if (!now) return `unable to find VM '${vmid}'`;
  try {
    const ran = taken(run)[vmid];
    if (ran === undefined) refuseLocked(now);
    const guest = edit(now);
    if (!ran) delete guest.running;
    backUp(run, guest);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function finish(run: Run): void {
  const { vmids } = run.task.args as { vmids: number[] };
  let failed = false;
  for (const vmid of [...vmids].sort((a, b) => a - b)) {
    const reason = attempt(run, vmid);
    if (reason === undefined) continue;
    run.log(`ERROR: Backup of VM ${vmid} failed - ${reason}`);
    run.log(`INFO: Failed at ${stamp(run.at, ['-', ' ', ':'])}`);
    failed = true;
  }
  letGo(run);
  run.log(`INFO: Backup job finished ${failed ? 'with errors' : 'successfully'}`);
  if (failed) refuse('job errors');
}

export const BACKUP_KINDS: Kinds = { backup: { begin, finish, undo: letGo } };

export const BACKUP_ROUTES: Routes = { 'POST /nodes/{node}/vzdump': vzdump };
