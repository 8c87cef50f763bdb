import { ProxmoxMcpError } from '../../../core/errors/errors.ts';
import { provesAll, type RequestStep } from '../../../core/plan/plan.ts';
import type { RunRecord, StepRecord } from '../../../core/plan/run.ts';
import type { ProxmoxApi } from '../../../core/proxmox.ts';
import type { Ports } from '../../ports.ts';
import { OUTAGE_SECONDS } from '../steps/patience.ts';
import { PROVEN } from './follow.ts';
import { isUntouched, whyMoot } from './moot.ts';

/** How long the run itself looks for a lost request before it ends as unknown; its steps continue only when the request turns up until then. */
const LOOK_SECONDS = 40;

/** A request without an answer, and the run that it belongs to. */
export interface Lost {
  step: RequestStep;
  record: StepRecord;
  run: Pick<RunRecord, 'id'>;
  /** Of all steps of the run. */
  steps: readonly StepRecord[];
}

/** The traces that Proxmox shows of a request without an answer. */
type Trace =
  | { kind: 'task'; upid: string }
  | { kind: 'effect' }
  /** It can no longer take effect, whenever it arrives. */
  | { kind: 'moot'; why: string }
  /** Neither a task nor the effect; it may still be on its way. */
  | { kind: 'nothing' }
  /** The token does not see enough to decide. */
  | { kind: 'hidden' }
  /** Proxmox did not answer. */
  | { kind: 'silent' };

/**
 * Finds the outcome of a request whose answer is missing (596, a cut connection, a crash) in Proxmox's task list and in the state of the guest. It
 * never sends anything.
 * @returns the step as `sent` (its task was found) or `done` (its effect is there)
 * @throws conflict when it can no longer take effect, outcome_unknown when it may still be executed
 */
export async function reconcile(lost: Lost, ports: Ports, report: (message: string) => void): Promise<StepRecord> {
  const { step, record, run } = lost;
  const { api } = ports.cluster;
  const began = ports.clock.elapsed();
  const sentAt = Math.floor(Date.parse(record.at) / 1000);
  report(`${step.purpose}: no answer; checking Proxmox for its outcome`);
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    const trace = await look(lost, ports);
    if (trace.kind === 'task') return { ...record, state: 'sent', upid: trace.upid, found: true };
    if (trace.kind === 'effect') return { ...record, state: 'done', exit: PROVEN };
    if (trace.kind === 'moot') throw tooLate(step, trace.why);
    const waited = Math.max((ports.clock.elapsed() - began) / 1000, api.serverTime() - sentAt);
    if (waited >= (trace.kind === 'silent' ? OUTAGE_SECONDS : LOOK_SECONDS)) throw stillOpen(step, trace.kind, run.id);
    await ports.clock.sleep(pauseMs);
  }
}

/** The trace that is visible now. */
export async function look(lost: Lost, ports: Ports): Promise<Trace> {
  const { step, record, steps } = lost;
  const { api } = ports.cluster;
  const since = Math.floor(Date.parse(record.at) / 1000);
  const task = () => ownTask(lost, ports);
  try {
    // A list of tasks that cannot be read hides the task, not what the guest shows.
    const tasks = await task().then(
      (upid) => ({ upid }),
      () => undefined,
    );
    if (tasks?.upid !== undefined) return { kind: 'task', upid: tasks.upid };
    const proven = await isSeen(step, since, steps, api);
    // Another client removed it: our request may still come, and would hit a successor. A digest prevents that.
    if (proven === true) return step.method === 'DELETE' && step.params.digest === undefined ? { kind: 'hidden' } : { kind: 'effect' };
    if (!tasks) return { kind: 'silent' };
    const why = await whyMoot(step, steps, api);
    if (why === undefined) return { kind: proven === false ? 'nothing' : 'hidden' };
    // It may have been executed between the looks, and then the change is its own.
    const late = await task();
    if (late !== undefined) return { kind: 'task', upid: late };
    return (await isSeen(step, since, steps, api)) === true ? { kind: 'effect' } : { kind: 'moot', why };
  } catch {
    return { kind: 'silent' };
  }
}

/** Whether the effect is there. A secret shows nowhere: such a request has no effect while the configuration is the one it was sent for. */
async function isSeen(step: RequestStep, since: number, steps: readonly StepRecord[], api: ProxmoxApi): Promise<boolean | undefined> {
  if (!step.proof) return undefined;
  const holds = await api.holds(step.proof, since);
  return holds === true && !provesAll(step) && (await isUntouched(step, steps, api)) ? false : holds;
}

/** The task that executes this request: of our token, its type and guest, begun since it was sent, and of no other request. */
async function ownTask({ step, record, run, steps }: Lost, ports: Ports): Promise<string | undefined> {
  if (!step.task) return undefined;
  const { api, name: cluster } = ports.cluster;
  const store = await ports.store();
  const isTaken = async (upid: string) => {
    if (record.others?.includes(upid) || steps.some((other) => other.id !== step.id && other.upid === upid)) return true;
    const owner = await store.runs.byUpid(upid, cluster);
    return owner !== undefined && owner.id !== run.id;
  };
  const { proof } = step;
  // The task of a copy bears the VMID of its source.
  const mentions = proof && 'vmid' in proof && String(proof.vmid) !== step.task.id ? { logMentions: String(proof.vmid) } : {};
  const sinceEpoch = Math.floor(Date.parse(record.at) / 1000);
  return (await api.findTask({ ...step.task, sinceEpoch, isTaken, ...mentions }))?.upid;
}

/**
 * A task that was found, not answered, and after which the configuration lacks the values, executed another request with our token.
 * @returns the step to continue the search with, or undefined when the task is its own
 */
export async function withoutOthers(step: RequestStep, record: StepRecord, api: ProxmoxApi): Promise<StepRecord | undefined> {
  if (!record.found || record.state !== 'done' || step.proof?.kind !== 'config' || (await api.holds(step.proof)) !== false)
    return undefined;
  const { upid = '', found: _found, exit: _exit, ...rest } = record;
  return { ...rest, state: 'unknown', others: [...(record.others ?? []), upid] };
}

/** A request that arrives from now on is refused by Proxmox, so nothing happened and nothing will. */
export function tooLate({ purpose }: RequestStep, why: string): ProxmoxMcpError {
  return new ProxmoxMcpError('conflict', `${purpose}: no answer came. The request can no longer take effect, because ${why}.`, {
    hint: 'Check the guest, then call again if it is still wanted. Nothing was done in this step.',
  });
}

/** Whether the request destroys the guest that has its VMID, as a restore over a guest does. */
export function overwrites({ method, params }: RequestStep): boolean {
  return method === 'POST' && params.vmid !== undefined && (params.force === true || params.force === '1');
}

function stillOpen(step: RequestStep, seen: 'nothing' | 'hidden' | 'silent', runId: string): ProxmoxMcpError {
  const { proof, purpose } = step;
  const what = {
    nothing: 'so far Proxmox shows neither its task nor its effect',
    hidden: 'the visible state does not show whether it took effect',
    silent: 'Proxmox cannot be reached',
  }[seen];
  const target = overwrites(step) ? step.params.vmid : step.method === 'DELETE' && proof && 'vmid' in proof ? proof.vmid : undefined;
  const late = target === undefined ? '' : ` It would hit whatever guest has VMID ${target} then.`;
  return new ProxmoxMcpError('outcome_unknown', `${purpose}: no answer came, and ${what}. Proxmox may still execute it.${late}`, {
    hint: `Do not repeat it. Follow it with get_task {"run_id": "${runId}"}. The operator ends the watch with \`proxmox-mcp runs close ${runId}\`.`,
    details: { run_id: runId },
  });
}
