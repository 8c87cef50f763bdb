import { defined } from '../../../core/defined.ts';
import { asError, fail, ProxmoxMcpError } from '../../../core/errors/errors.ts';
import type { Caller } from '../../../core/people/caller.ts';
import { lanesOf, requestsOf, vmidsOf } from '../../../core/plan/parts.ts';
import type { RequestStep } from '../../../core/plan/plan.ts';
import type { RunRecord, StepRecord } from '../../../core/plan/run.ts';
import type { Ports } from '../../ports.ts';
import { SERVER } from '../../records.ts';
import { endOfGuest, endsIn, together } from '../steps/each-guest.ts';
import type { Ending } from '../steps/in-flight.ts';
import { taskFault } from '../tasks/fault.ts';
import { concludeLate } from './conclude.ts';
import { ended, isProven, PROVEN } from './follow.ts';
import { look, overwrites, tooLate, withoutOthers } from './reconcile.ts';

/** The outcome of a request. `says`: in words, for the audit, where neither the error nor the exit says it. */
type Found = { record: StepRecord; error?: ProxmoxMcpError; says?: string };

/**
 * Looks once for the outcome of the requests that left a run `unknown`, and ends the run when all of them show. It never sends anything: steps after a
 * request that took effect late stay unsent.
 * @returns the run as it is now
 */
export async function lookAgain(run: RunRecord, ports: Ports): Promise<RunRecord> {
  if (run.status !== 'unknown') return run;
  const found: Found[] = [];
  for (const open of openIn(run)) {
    const one = await outcomeOf(open, run, ports);
    if (one) found.push(one);
  }
  return found.length === 0 ? run : record(run, found, SERVER, ports);
}

type Open = { step: RequestStep; record: StepRecord };

/** The requests of a run whose outcome is unknown: several where guests are changed side by side. */
function openIn(run: RunRecord): Open[] {
  const open = run.steps.filter(({ state }) => state === 'unknown');
  return open.flatMap((record) => {
    const step = requestsOf(run.plan).find(({ id }) => id === record.id);
    return step ? [{ step, record }] : [];
  });
}

/** Records outcomes. The run ends with the last of them; what shows of some guests now may be gone by then. */
async function record(run: RunRecord, found: Found[], caller: Caller, ports: Ports): Promise<RunRecord> {
  const { ending, message } = endOf(run, found);
  const isOpen = found.length < openIn(run).length;
  return concludeLate(run, isOpen ? { ...ending, status: 'unknown' } : ending, { caller, message }, ports);
}

/** The run with what was found, in words for the audit. */
function endOf(run: RunRecord, found: Found[]): { ending: Ending; message: string } {
  const steps = run.steps.map((one) => found.find(({ record }) => record.id === one.id)?.record ?? one);
  const purposeOf = (id: string) => run.plan.steps.find((one) => one.id === id)?.purpose ?? id;
  const message = found
    .map(({ record, error, says = error?.message ?? `took effect late (${record.exit ?? 'OK'})` }) => `${purposeOf(record.id)}: ${says}`)
    .join('; ');
  const errors = found.map(({ record, error }) => {
    const { lane } = run.plan.steps.find(({ id }) => id === record.id) ?? {};
    const ofGuest = requestsOf(run.plan).filter((one) => one.lane === lane);
    const isUnsent = ofGuest.some((one) => !steps.some((r) => r.id === one.id && r.state === 'done'));
    return { lane, error: error ?? (isUnsent ? lateUnsent(purposeOf(record.id)) : undefined) };
  });
  const lanes = lanesOf(run.plan.steps);
  if (lanes.length === 0) {
    const error = errors.find((one) => one.error)?.error;
    return { ending: { status: error ? 'failed' : 'succeeded', steps, ...defined({ error }) }, message };
  }
  const guests = lanes.map((lane) => {
    const now = errors.find((one) => one.lane === lane);
    const before = now ? undefined : endsIn(run).find(({ vmid }) => vmid === lane);
    return before ?? endOfGuest(run, lane, steps, now?.error);
  });
  if (guests.every(({ status }) => status === 'done')) return { ending: { status: 'succeeded', steps }, message };
  return { ending: { status: 'failed', steps, error: together(run, guests), each: true }, message };
}

function lateUnsent(purpose: string): ProxmoxMcpError {
  return new ProxmoxMcpError('interrupted', `${purpose}: it took effect late, and the steps after it were not sent.`, {
    hint: 'Check the guest with get_vm.',
  });
}

/**
 * Ends the watch of a run whose outcome is unknown, by the word of the operator.
 * @throws task_unknown when there is no such run, conflict when its outcome is known
 */
export async function closeRun(id: string, outcome: 'done' | 'not-done', caller: Caller, ports: Ports): Promise<RunRecord> {
  if (!caller.isOperator) fail('forbidden_by_policy', 'Only the operator can record the outcome of this request.');
  const stored = await (await ports.store()).runs.get(id);
  if (stored?.cluster !== ports.cluster.name) fail('task_unknown', `Run ${id} does not exist on this cluster.`);
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
    // Of several requests some may show their outcome: that counts more than the operator's word.
    const seen = open.length > 1 && step.kind === 'request' ? await outcomeOf({ step, record }, run, ports) : undefined;
    const state = outcome === 'done' ? 'done' : 'failed';
    const error = outcome === 'not-done' ? new ProxmoxMcpError('interrupted', `${step.purpose}: ${says}.`) : undefined;
    found.push(seen ?? { record: { ...record, state, exit: says }, says, ...defined({ error }) });
  }
  return record(run, found, caller, ports);
}

/** Undefined while it is unknown. */
async function outcomeOf({ step, record }: Open, run: RunRecord, ports: Ports): Promise<Found | undefined> {
  if (record.upid !== undefined) return endOfTask(step, record, run, ports);
  const { api } = ports.cluster;
  for (let searched = record; ; ) {
    const trace = await look({ step, record: searched, run, steps: run.steps }, ports);
    if (trace.kind === 'effect') return { record: { ...record, state: 'done', exit: PROVEN } };
    if (trace.kind === 'moot') return { record: { ...record, state: 'failed' }, error: tooLate(step, trace.why) };
    if (trace.kind !== 'task') return undefined;
    const found = await endOfTask(step, { ...record, upid: trace.upid, found: true }, run, ports);
    const others = found && (await withoutOthers(step, found.record, api));
    if (!others) return found;
    searched = others;
  }
}

/** How the task of the request ended. */
async function endOfTask(step: RequestStep, record: StepRecord, { plan }: RunRecord, ports: Ports): Promise<Found | undefined> {
  const { api } = ports.cluster;
  const status = await api.task(record.upid ?? '').catch(() => undefined);
  if (status?.running) return undefined;
  if (status?.exit === undefined)
    return (await isProven(step, record, api)) ? { record: { ...record, state: 'done', exit: PROVEN } } : undefined;
  const now = await ended(step, record, status.exit, api).catch((thrown) => {
    if (asError(thrown).code !== 'outcome_unknown') throw thrown;
    return undefined;
  });
  if (now?.state !== 'failed') return now && { record: now };
  return { record: now, error: await taskFault(step, now, plan, ports.cluster) };
}

/** Runs whose outcome is unknown and that act on these guests, each looked at once more. */
export async function openRunsOf(vmids: readonly number[], ports: Ports): Promise<RunRecord[]> {
  const { runs } = await ports.store();
  const open = (await runs.unknown(ports.cluster.name)).filter(({ plan }) => vmidsOf(plan).some((vmid) => vmids.includes(vmid)));
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
  const { runs } = await ports.store();
  const [open, executing] = await Promise.all([runs.unknown(cluster), runs.executing(cluster)]);
  const destroying = [...open, ...executing.map(({ run }) => run)].filter(destroysGuest);
  return new Map(destroying.flatMap(({ id, plan }) => vmidsOf(plan).map((vmid) => [vmid, id] as const)));
}

function destroysGuest({ plan, steps }: RunRecord): boolean {
  const mayCome = (id: string) => steps.some((record) => record.id === id && record.state !== 'done' && record.state !== 'failed');
  const isGone = plan.expected.some((condition) => condition.kind === 'guest' && condition.is === 'absent');
  return requestsOf(plan).some((step) => ((isGone && step.method === 'DELETE') || overwrites(step)) && mayCome(step.id));
}

/** Nodes share storages, and guests move between nodes. */
const onAnyNode = (path: string) => path.replace(/^\/nodes\/[^/]+/, '');

/** The first of these paths of which a DELETE, on any node, has no known outcome, with its run: it would delete a new snapshot or file of that name. */
export async function lateDelete(paths: readonly string[], ports: Ports): Promise<{ path: string; run: RunRecord } | undefined> {
  const { name: cluster } = ports.cluster;
  const { runs } = await ports.store();
  const deleted = (run: RunRecord, states: readonly StepRecord['state'][] = ['intent', 'sent', 'unknown']) => {
    const open = run.steps.filter(({ state }) => states.includes(state)).map(({ id }) => id);
    const doomed = requestsOf(run.plan).filter(({ id, method }) => method === 'DELETE' && open.includes(id));
    const names = doomed.map(({ path }) => onAnyNode(path));
    return paths.find((path) => names.includes(onAnyNode(path)));
  };
  const [open, executing] = await Promise.all([runs.unknown(cluster), runs.executing(cluster)]);
  for (const { run } of executing) {
    // While a task deletes, Proxmox itself keeps the name.
    const path = deleted(run, ['intent', 'unknown']);
    if (path !== undefined) return { path, run };
  }
  for (const run of open) {
    if (deleted(run) === undefined) continue;
    const now = await ports.watch.look(run, ports);
    const path = now.status === 'unknown' ? deleted(now) : undefined;
    if (path !== undefined) return { path, run: now };
  }
  return undefined;
}
