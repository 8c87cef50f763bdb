import { defined } from '../../../core/defined.ts';
import { fail, ProxmoxMcpError } from '../../../core/errors/errors.ts';
import type { Caller } from '../../../core/people/caller.ts';
import { demandsOf, lanesOf } from '../../../core/plan/parts.ts';
import type { RequestStep } from '../../../core/plan/plan.ts';
import type { RunRecord, StepRecord } from '../../../core/plan/run.ts';
import { maskSecrets, plainText } from '../../../core/text/text.ts';
import { exitOf } from '../../../proxmox/tasks.ts';
import type { Ports } from '../../ports.ts';
import { SERVER } from '../../records.ts';
import { reconcileReservations, takeStock } from '../aftermath.ts';
import { endOfGuest, endsIn, together } from '../steps/each-guest.ts';
import type { Ending } from '../steps/in-flight.ts';
import { taskFault } from '../tasks/fault.ts';
import { withRemains } from '../tasks/remains.ts';
import { auditEnd, concludeLate, endedRun } from './conclude.ts';
import { isKept, isProven, KEPT, LOG_LINES, PROVEN } from './follow.ts';
import { type Lost, look, overwrites, tooLate, withoutOthers } from './reconcile.ts';

type Seen = { record: StepRecord; error?: ProxmoxMcpError };
/** `says`: in words, for the audit. */
type Found = Seen & { says: string };

/**
 * Looks once what became of the request that left a run `unknown`, and ends the run when that can be seen. It never sends anything: steps
 * after a request that took effect late stay unsent.
 * @returns the run as it is now
 */
export async function lookAgain(run: RunRecord, ports: Ports): Promise<RunRecord> {
  if (run.status !== 'unknown') return run;
  const found: Found[] = [];
  const open = openIn(run);
  for (const { step, record } of open) {
    const one = await outcomeOf({ step, record, run, steps: run.steps }, run, ports);
    if (one) found.push(told(one));
  }
  if (found.length === 0) return run;
  return found.length < open.length ? note(run, found, ports) : end(run, found, SERVER, ports);
}

/**
 * Records what became of some of several guests. What shows now may be gone when the outcome of the last one shows.
 * @returns the run, still unknown
 */
async function note(run: RunRecord, found: Found[], ports: Ports): Promise<RunRecord> {
  const { steps, ending, message } = endOf(run, found);
  const now = { ...endedRun(run, { ...ending, status: 'unknown' }, ports), endedAt: run.endedAt ?? run.startedAt };
  await takeStock(now, ports);
  await ports.audit.append({ kind: 'reconciled', ...auditEnd(now, SERVER), message }, { durable: true });
  await reconcileReservations(now, ports);
  await (await ports.store()).runs.noteUnknown(run.id, run.steps, steps, now.error);
  return now;
}

function told(seen: Seen): Found {
  return { ...seen, says: seen.error?.message ?? `took effect late (${seen.record.exit ?? 'OK'})` };
}

/** The requests of a run whose outcome is unknown: several where guests are changed side by side. */
function openIn(run: RunRecord): { step: RequestStep; record: StepRecord }[] {
  const open = run.steps.filter(({ state }) => state === 'unknown');
  return open.flatMap((record) => {
    const step = run.plan.steps.find((one): one is RequestStep => one.kind === 'request' && one.id === record.id);
    return step ? [{ step, record }] : [];
  });
}

/** @param found for each request whose outcome was unknown */
async function end(run: RunRecord, found: Found[], caller: Caller, ports: Ports): Promise<RunRecord> {
  const { ending, message } = endOf(run, found);
  return concludeLate(run, ending, { caller, message }, ports);
}

/** The run with what was found, in words for the audit. */
function endOf(run: RunRecord, found: Found[]) {
  const steps = run.steps.map((one) => found.find(({ record }) => record.id === one.id)?.record ?? one);
  const purposeOf = (id: string) => run.plan.steps.find((one) => one.id === id)?.purpose ?? id;
  const message = found.map(({ record, says }) => `${purposeOf(record.id)}: ${says}`).join('; ');
  const errors = found.map(({ record, error }) => {
    const { lane } = run.plan.steps.find(({ id }) => id === record.id) ?? {};
    const ofGuest = run.plan.steps.filter((one) => one.kind === 'request' && one.lane === lane);
    const isUnsent = ofGuest.some((one) => !steps.some((r) => r.id === one.id && r.state === 'done'));
    return { lane, error: error ?? (isUnsent ? lateUnsent(purposeOf(record.id)) : undefined) };
  });
  return { steps, ending: endingOf(run, steps, errors), message };
}

function endingOf(
  run: RunRecord,
  steps: StepRecord[],
  errors: { lane: number | undefined; error: ProxmoxMcpError | undefined }[],
): Ending & { status: 'succeeded' | 'failed' } {
  const lanes = lanesOf(run.plan.steps);
  if (lanes.length === 0) {
    const error = errors.find((one) => one.error)?.error;
    return { status: error ? 'failed' : 'succeeded', steps, ...defined({ error }) };
  }
  const guests = lanes.map((lane) => {
    const now = errors.find((one) => one.lane === lane);
    const before = now ? undefined : endsIn(run).find(({ vmid }) => vmid === lane);
    return before ?? endOfGuest(run, lane, steps, now?.error);
  });
  if (guests.every(({ status }) => status === 'done')) return { status: 'succeeded', steps };
  return { status: 'failed', steps, error: together(run, guests), each: true };
}

function lateUnsent(purpose: string): ProxmoxMcpError {
  return new ProxmoxMcpError('interrupted', `${purpose}: it took effect late, and the steps after it were not sent.`, {
    hint: 'Check the guest with get_vm.',
  });
}

/**
 * Ends the watch of a request whose outcome is unknown, by the word of the operator, who checked.
 * @throws task_unknown when there is no such run, conflict when its outcome is known
 */
export async function closeRun(id: string, outcome: 'done' | 'not-done', caller: Caller, ports: Ports): Promise<RunRecord> {
  if (!caller.isOperator) fail('forbidden_by_policy', 'Only the operator can record the outcome of this request.');
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  const stored = await store.runs.get(id);
  if (!stored || stored.cluster !== cluster) fail('task_unknown', `Run ${id} does not exist on this cluster.`);
  const run = await ports.watch.look(stored, ports);
  const open = openIn(run);
  const last = run.steps.slice(-1).flatMap((record) => {
    const step = run.plan.steps.find(({ id }) => id === record.id);
    return step ? [{ step, record }] : [];
  });
  const asked = open.length > 0 ? open : last;
  if (run.status !== 'unknown' || asked.length === 0) {
    fail('conflict', `The outcome of run ${id} is known: ${run.status}.`, {
      hint: 'Check `proxmox-mcp runs list` for runs that are still open.',
    });
  }
  const says = `${caller.principal} says that it ${outcome === 'done' ? 'took effect' : 'did not take effect'}`;
  const found: Found[] = [];
  for (const { step, record } of asked) {
    // The word is about what cannot be seen: of several requests some may be.
    const seen =
      open.length > 1 && step.kind === 'request' ? await outcomeOf({ step, record, run, steps: run.steps }, run, ports) : undefined;
    const state = outcome === 'done' ? 'done' : 'failed';
    const error = outcome === 'not-done' ? new ProxmoxMcpError('interrupted', `${step.purpose}: ${says}.`) : undefined;
    found.push(seen ? told(seen) : { record: { ...record, state, exit: says }, says, ...defined({ error }) });
  }
  return end(run, found, caller, ports);
}

/** Undefined while it cannot be told. */
async function outcomeOf(lost: Lost, run: RunRecord, ports: Ports): Promise<Seen | undefined> {
  const { step, record } = lost;
  if (record.upid !== undefined) return ended(step, record, run, ports);
  const { api } = ports.cluster;
  for (let searched = record; ; ) {
    const trace = await look({ ...lost, record: searched }, ports);
    if (trace.kind === 'effect') return { record: { ...record, state: 'done', exit: PROVEN } };
    if (trace.kind === 'moot') return { record: { ...record, state: 'failed' }, error: tooLate(step, trace.why) };
    if (trace.kind !== 'task') return undefined;
    const found = await ended(step, { ...record, upid: trace.upid, found: true }, run, ports);
    const others = found && (await withoutOthers(step, found.record, api));
    if (!others) return found;
    searched = others;
  }
}

/** How the task of the request ended. */
async function ended(step: RequestStep, record: StepRecord, { plan }: RunRecord, ports: Ports): Promise<Seen | undefined> {
  const { api } = ports.cluster;
  const status = await api.task(record.upid ?? '').catch(() => undefined);
  if (status?.running) return undefined;
  const kind = status?.exit === undefined ? 'unknown' : exitOf(status.exit).kind;
  const exit = status?.exit ?? PROVEN;
  const done = { record: { ...record, state: 'done' as const, exit } };
  if (kind === 'unknown') return (await isProven(step, record, api)) ? done : undefined;
  if (kind !== 'failed') return done;
  if (await isKept(step, record, api)) return { record: { ...record, ...KEPT, exit } };
  const log = (await api.taskLog(record.upid ?? '', LOG_LINES).catch(() => [])).map((line) => maskSecrets(plainText(line, 300)));
  const failed = { ...record, state: 'failed' as const, exit, log };
  const error = taskFault(step, failed, plan, ports.cluster.tokenId);
  return { record: failed, error: await withRemains(error, { step, record: failed, plan }, api) };
}

/** Guests that a run acts on, the one it makes included. */
export function guestsOf({ plan }: Pick<RunRecord, 'plan'>): number[] {
  const targets = plan.targets ?? (plan.target ? [plan.target] : []);
  return [...new Set([...targets.map(({ vmid }) => vmid), ...demandsOf(plan).map(({ vmid }) => vmid)])];
}

/** Runs whose outcome is unknown and that act on these guests, each looked at once more. */
export async function openRunsOf(vmids: readonly number[], ports: Ports): Promise<RunRecord[]> {
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  const open = (await store.runs.unknown(cluster)).filter((run) => guestsOf(run).some((vmid) => vmids.includes(vmid)));
  const now = await Promise.all(open.map((run) => ports.watch.look(run, ports)));
  return now.filter(({ status }) => status === 'unknown');
}

/** One line about a run whose outcome is unknown, for plans and answers about its guest. */
export function openLine({ id, operation, startedAt }: RunRecord): string {
  return `the outcome of ${operation} of ${startedAt} is unknown and Proxmox may still execute it (get_task {"run_id": "${id}"})`;
}

/** VMIDs that a DELETE, or a restore over a guest, may still hit, with its run: a new guest there could be destroyed by it. */
export async function doomedVmids(ports: Ports): Promise<Map<number, string>> {
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  const [open, executing] = await Promise.all([store.runs.unknown(cluster), store.runs.executing(cluster)]);
  const runs = [...open, ...executing.map(({ run }) => run)].filter(destroysGuest);
  return new Map(runs.flatMap((run) => guestsOf(run).map((vmid) => [vmid, run.id] as const)));
}

function destroysGuest({ plan, steps }: RunRecord): boolean {
  const mayCome = (id: string) => steps.some((record) => record.id === id && record.state !== 'done' && record.state !== 'failed');
  const isGone = plan.expected.some((condition) => condition.kind === 'guest' && condition.is === 'absent');
  return plan.steps.some(
    (step) => step.kind === 'request' && ((isGone && step.method === 'DELETE') || overwrites(step)) && mayCome(step.id),
  );
}
