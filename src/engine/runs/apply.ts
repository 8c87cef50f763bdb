import type { Clock } from '../../core/clock.ts';
import { conditionText } from '../../core/condition-text.ts';
import { asError, ProxmoxMcpError } from '../../core/errors.ts';
import type { CheckStep, Condition, RequestStep, Step, WaitStep } from '../../core/plan.ts';
import type { Gate, ProxmoxApi } from '../../core/proxmox.ts';
import type { RunRecord, StepRecord } from '../../core/run.ts';
import { openGate } from '../../proxmox/gate.ts';
import { meaningOf } from '../../proxmox/refusals.ts';
import { explained } from '../explain.ts';
import type { Ports } from '../ports.ts';
import type { Progress } from '../types.ts';
import { noteDigest } from './digests.ts';
import { follow, isKept, isProven, KEPT } from './follow.ts';
import type { Ending } from './in-flight.ts';
import { Journal, LostRun, Unwritten } from './journal.ts';
import { patiently } from './patience.ts';
import { CLOCK_SLACK_SECONDS, reconcile, withoutOthers } from './reconcile.ts';
import { resolveStep } from './resolve.ts';
import { taskFault } from './task-fault.ts';

/** How a lock timeout is retried: the guest may stay locked up to 30 s after a quick stop and start. */
const LOCK_RETRIES = { attempts: 6, pauseMs: 6_000 };

/**
 * Sends the steps of a granted run and nothing else, journal first. Also finishes a run that another process began: steps that are done are
 * passed over, and one that may have been sent is reconciled from Proxmox's own records, never repeated.
 * @param maySend false: only reconcile what was begun; a step that was never sent ends the run
 */
export async function apply(
  run: RunRecord,
  ports: Ports,
  options: { maySend: boolean; secrets: ReadonlyMap<string, string>; onProgress?: (progress: Progress) => void },
): Promise<Ending> {
  const { api } = ports.cluster;
  const store = await ports.store();
  const journal = new Journal(run, store, ports);
  const secret = (id: string) => ports.vault.reveal(id, options.secrets.get(id));
  const sentBefore = new Set(journal.steps.map((s) => s.id));
  const gate = openGate(
    run.plan.steps.filter((s) => !sentBefore.has(s.id)),
    (step) => resolveStep(step, journal.steps, secret),
  );
  const total = run.plan.steps.length;
  // The preconditions of a request that was already sent are not checked again: the request may have changed them.
  const begun = run.plan.steps.findLastIndex((step) => sentBefore.has(step.id));
  for (const [index, step] of run.plan.steps.entries()) {
    if (index < begun && step.kind !== 'request') continue;
    const report = (message: string) => options.onProgress?.({ done: index, total, message });
    try {
      if (step.kind === 'check') await check(step, api, ports.clock, journal.steps.length > 0);
      else if (step.kind === 'wait') await waitUntil(step, api, ports, report, journal);
      else if (!journal.find(step.id) && !options.maySend) {
        throw new ProxmoxMcpError('interrupted', `The server ended before "${step.purpose}" was sent. It was not sent later.`);
      } else await request(step, { api, gate, sentBefore, journal, ports, secret, report });
    } catch (thrown) {
      if (thrown instanceof LostRun || thrown instanceof Unwritten) throw thrown;
      const ours = !(thrown instanceof ProxmoxMcpError);
      if (ours) ports.log.error({ run: run.id, err: thrown }, 'a step failed inside the server');
      const error = ours && journal.find(step.id) ? faultAfterIntent(step, thrown) : await explained(asError(thrown), ports);
      const status = error.code === 'outcome_unknown' ? 'unknown' : 'failed';
      return { status, steps: journal.mark(step.id, status), error };
    }
  }
  options.onProgress?.({ done: total, total, message: 'done' });
  const unmet = await unmetOf(run.plan.expected, api);
  if (unmet.length > 0) ports.log.warn({ run: run.id, unmet }, 'what was expected after the last step does not hold');
  return {
    status: 'succeeded',
    steps: unmet.length > 0 ? journal.steps.map((s, i, all) => (i < all.length - 1 ? s : { ...s, unmet })) : journal.steps,
  };
}

/** Expected conditions that the cluster contradicts; conditions that cannot be seen do not count. */
async function unmetOf(expected: readonly Condition[], api: ProxmoxApi): Promise<string[]> {
  const holds = await Promise.all(expected.map((condition) => api.holds(condition).catch(() => undefined)));
  return expected.filter((_, index) => holds[index] === false).map(conditionText);
}

/** The request may be at Proxmox, and a fault of this server says nothing about what became of it. */
function faultAfterIntent(step: Step, cause: unknown): ProxmoxMcpError {
  return new ProxmoxMcpError('outcome_unknown', `${step.purpose}: this server failed while it was sending the request.`, { cause });
}

interface Sending {
  api: ProxmoxApi;
  gate: Gate;
  /** Steps that an earlier process sent: the gate does not know them. */
  sentBefore: ReadonlySet<string>;
  journal: Journal;
  ports: Ports;
  secret: (id: string) => string;
  report: (message: string) => void;
}

async function request(step: RequestStep, s: Sending): Promise<void> {
  let record = s.journal.find(step.id);
  if (record?.state === 'done') return;
  // Marked by a process that ended before it could record why: without a task there is nothing to ask.
  if (record?.state === 'failed' && record.upid === undefined) {
    throw new ProxmoxMcpError('interrupted', `${step.purpose}: it failed, and the server ended before it recorded the reason.`);
  }
  for (let attempt = 1; ; attempt++) {
    record ??= await send(step, s);
    if (record.state === 'intent' || record.state === 'unknown') record = await reconcile(step, record, s.journal, s.ports, s.report);
    if (record.state === 'done') return s.journal.write(record);
    await s.journal.write(record);
    record = await follow(step, record, s);
    const other = await withoutOthers(step, record, s.api);
    if (other) {
      record = other;
      continue;
    }
    if (record.state === 'failed' && (await isSoAlready(step, record.exit, s.api))) record = { ...record, ...ALREADY };
    await s.journal.write(record);
    if (record.state === 'done') return;
    const exit = record.exit ?? '';
    if (!step.retryOnLock || s.sentBefore.has(step.id) || attempt >= LOCK_RETRIES.attempts || !meaningOf(exit)?.retry) {
      throw taskFault(step, record, s.journal.run.plan, s.ports.cluster.tokenId);
    }
    // The task ended without having done anything, which is what makes sending it again safe.
    s.report(`the guest is still locked (${exit}); trying again`);
    await s.ports.clock.sleep(LOCK_RETRIES.pauseMs);
    s.gate.reopen(step.id);
    record = undefined;
  }
}

/** Another client was faster: what was wanted is so, which a refusal alone never proves. */
const ALREADY = { state: 'done', data: { already: true } } as const;

async function isSoAlready(step: RequestStep, said: unknown, api: ProxmoxApi): Promise<boolean> {
  const { proof } = step;
  if (proof?.kind !== 'guest' || typeof said !== 'string' || meaningOf(said)?.already !== proof.is) return false;
  return isProven(step, api);
}

/** Intent on disk, then the bytes. */
async function send(step: RequestStep, s: Sending): Promise<StepRecord> {
  await noteDigest(step, s.journal, s.api, s.ports.clock);
  const record: StepRecord = { id: step.id, state: 'intent', at: '' };
  const intend = () => {
    record.at = new Date(s.api.serverTime() * 1000).toISOString();
    return s.journal.write({ ...record });
  };
  await intend();
  s.report(step.purpose);
  // Once more before every attempt: a process which slept meanwhile notices that it lost the run, and traces of a lost answer are looked for
  // since the bytes left, not since the wait for a turn or a lock began.
  const dispatch = await s.api.send({ ...s.gate, still: intend }, resolveStep(step, s.journal.steps, s.secret)).catch(async (thrown) => {
    const refusal = thrown instanceof ProxmoxMcpError ? (thrown.details?.proxmox as { message?: string } | undefined) : undefined;
    if (await isSoAlready(step, refusal?.message, s.api)) return { kind: 'already' } as const;
    if (refusal && (await isKept(step, s.api))) return { kind: 'kept', exit: asError(thrown).message } as const;
    throw thrown;
  });
  if (dispatch.kind === 'already') return { ...record, ...ALREADY };
  if (dispatch.kind === 'kept') return { ...record, ...KEPT, exit: dispatch.exit };
  if (dispatch.kind === 'task') return { ...record, state: 'sent', upid: dispatch.upid };
  // Where a task was to begin, an answer that names none tells nothing.
  if (dispatch.kind === 'unknown' || step.task) return { ...record, state: 'unknown' };
  return { ...record, state: 'done', ...(dispatch.data === null ? {} : { data: dispatch.data }) };
}

/** @param begun something was sent: the rest does not fail for one bad answer */
async function check(step: CheckStep, api: ProxmoxApi, clock: Clock, begun: boolean): Promise<void> {
  const ask = () => api.holds(step.that);
  if ((await (begun ? patiently(ask, clock) : ask())) === false) {
    throw new ProxmoxMcpError('guest_state', `Stopped before the next request, because "${step.purpose}" no longer holds.`);
  }
}

async function waitUntil(step: WaitStep, api: ProxmoxApi, ports: Ports, report: (m: string) => void, journal: Journal): Promise<void> {
  const began = ports.clock.now();
  // By the server's clock, as the journal is; ours may go wrong.
  const since = Math.floor(Date.parse(journal.steps[0]?.at ?? journal.run.startedAt) / 1000) - CLOCK_SLACK_SECONDS;
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    // An answer that tells nothing, whatever it is, does not end the wait.
    const holds = await api.holds(step.until, since).catch(() => undefined);
    if (holds === true) return;
    const waited = Math.round((ports.clock.now() - began) / 1000);
    if (waited >= step.timeoutSeconds) {
      const what = holds === false ? `not so after ${waited} s` : `after ${waited} s it cannot be seen whether it is so`;
      throw new ProxmoxMcpError('task_failed', `${step.purpose}: ${what}.`, { hint: 'Look at the guest with get_vm.' });
    }
    report(`wait until ${step.purpose}${waited === 0 ? '' : `: ${waited} s`}`);
    await ports.clock.sleep(pauseMs);
  }
}
