import type { Caller } from '../../core/caller.ts';
import { defined } from '../../core/defined.ts';
import { fail, ProxmoxMcpError } from '../../core/errors.ts';
import type { RequestStep } from '../../core/plan.ts';
import type { RunRecord, StepRecord } from '../../core/run.ts';
import { maskSecrets, plainText } from '../../core/text.ts';
import { exitOf } from '../../proxmox/tasks.ts';
import type { Ports } from '../ports.ts';
import { SERVER } from '../records.ts';
import { concludeLate } from './conclude.ts';
import { isKept, isProven, KEPT, LOG_LINES, PROVEN } from './follow.ts';
import { type Lost, look, tooLate, withoutOthers } from './reconcile.ts';
import { taskFault } from './task-fault.ts';

type Found = { record: StepRecord; error?: ProxmoxMcpError };

/**
 * Looks once what became of the request that left a run `unknown`, and ends the run when that can be seen. It never sends anything: steps
 * after a request that took effect late stay unsent.
 * @returns the run as it is now
 */
export async function lookAgain(run: RunRecord, ports: Ports): Promise<RunRecord> {
  const record = run.steps.find((one) => one.state === 'unknown');
  const step = run.plan.steps.find((one): one is RequestStep => one.kind === 'request' && one.id === record?.id);
  if (run.status !== 'unknown' || !record || !step) return run;
  const found = await outcomeOf({ step, record, run, steps: run.steps }, run, ports);
  if (!found) return run;
  const message = found.error?.message ?? `took effect late (${found.record.exit ?? 'OK'})`;
  return end({ run, purpose: step.purpose, found, caller: SERVER, message }, ports);
}

interface Outcome {
  run: RunRecord;
  /** Of the request whose outcome was unknown. */
  purpose: string;
  found: Found;
  caller: Caller;
  message: string;
}

async function end({ run, purpose, found, caller, message }: Outcome, ports: Ports): Promise<RunRecord> {
  const steps = run.steps.map((one) => (one.id === found.record.id ? found.record : one));
  const isUnsent = run.plan.steps.some((one) => one.kind === 'request' && !steps.some((r) => r.id === one.id && r.state === 'done'));
  const unsent = isUnsent
    ? new ProxmoxMcpError('interrupted', `${purpose}: it took effect late, and the steps after it were not sent.`, {
        hint: 'Check the guest with get_vm.',
      })
    : undefined;
  const error = found.error ?? unsent;
  const ending = { status: error ? 'failed' : 'succeeded', steps, ...defined({ error }) } as const;
  return concludeLate(run, ending, { caller, message: `${purpose}: ${message}` }, ports);
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
  const record = run.steps.find((one) => one.state === 'unknown') ?? run.steps.at(-1);
  const step = run.plan.steps.find((one) => one.id === record?.id);
  if (run.status !== 'unknown' || !record || !step) {
    fail('conflict', `The outcome of run ${id} is known: ${run.status}.`, {
      hint: 'Check `proxmox-mcp runs list` for runs that are still open.',
    });
  }
  const says = `${caller.principal} says that it ${outcome === 'done' ? 'took effect' : 'did not take effect'}`;
  const found: Found =
    outcome === 'done'
      ? { record: { ...record, state: 'done', exit: says } }
      : { record: { ...record, state: 'failed', exit: says }, error: new ProxmoxMcpError('interrupted', `${step.purpose}: ${says}.`) };
  return end({ run, purpose: step.purpose, found, caller, message: says }, ports);
}

/** Undefined while it cannot be told. */
async function outcomeOf(lost: Lost, run: RunRecord, ports: Ports): Promise<Found | undefined> {
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
async function ended(step: RequestStep, record: StepRecord, { plan }: RunRecord, ports: Ports): Promise<Found | undefined> {
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
  return { record: failed, error: taskFault(step, failed, plan, ports.cluster.tokenId) };
}

/** Guests that a run acts on, the one it makes included. */
export function guestsOf({ plan }: Pick<RunRecord, 'plan'>): number[] {
  const targets = plan.targets ?? (plan.target ? [plan.target] : []);
  return [...new Set([...targets.map(({ vmid }) => vmid), ...(plan.demand ? [plan.demand.vmid] : [])])];
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

/** VMIDs that a DELETE on its way may still hit, with its run: a new guest there could be destroyed by it. */
export async function doomedVmids(ports: Ports): Promise<Map<number, string>> {
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  const [open, executing] = await Promise.all([store.runs.unknown(cluster), store.runs.executing(cluster)]);
  const runs = [...open, ...executing.map(({ run }) => run)].filter(deletesGuest);
  return new Map(runs.flatMap((run) => guestsOf(run).map((vmid) => [vmid, run.id] as const)));
}

function deletesGuest({ plan, steps }: RunRecord): boolean {
  const mayCome = (id: string) => steps.some((record) => record.id === id && record.state !== 'done' && record.state !== 'failed');
  const isGone = plan.expected.some((condition) => condition.kind === 'guest' && condition.is === 'absent');
  return isGone && plan.steps.some((step) => step.kind === 'request' && step.method === 'DELETE' && mayCome(step.id));
}
