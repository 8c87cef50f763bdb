import { asError, ProxmoxMcpError } from '../../../core/errors/errors.ts';
import type { CheckStep, RequestStep, Step, WaitStep } from '../../../core/plan/plan.ts';
import type { StepRecord } from '../../../core/plan/run.ts';
import type { Gate, ProxmoxApi } from '../../../core/proxmox.ts';
import { sentence } from '../../../core/text/text.ts';
import { meaningOf } from '../../../proxmox/answers/refusals.ts';
import type { Ports } from '../../ports.ts';
import { isOfAnother } from '../outcome/answered.ts';
import { follow, isKept, isProven, KEPT } from '../outcome/follow.ts';
import { type Lost, reconcile, withoutOthers } from '../outcome/reconcile.ts';
import { resolveStep } from '../outcome/resolve.ts';
import { taskFault } from '../tasks/fault.ts';
import { noteDigest } from './digests.ts';
import type { Journal } from './journal.ts';
import { isAway, OUTAGE_SECONDS, patiently } from './patience.ts';

/** Retries after a lock timeout: the guest may stay locked up to 30 s after a quick stop and start. */
const LOCK_RETRIES = { attempts: 6, pauseMs: 6_000 };

/** The means of one step. */
export interface Sending {
  api: ProxmoxApi;
  gate: Gate;
  /** Steps that an earlier process sent: the gate does not know them. */
  sentBefore: ReadonlySet<string>;
  journal: Journal;
  ports: Ports;
  secret: (id: string) => string;
  report: (message: string) => void;
  /** False: a step that was never sent ends the run. */
  maySend: boolean;
}

/** Executes one step to its end, journal first. */
export function execute(step: Step, s: Sending): Promise<void> {
  if (step.kind === 'request') return request(step, s);
  return step.kind === 'check' ? check(step, s) : waitUntil(step, s);
}

async function request(step: RequestStep, s: Sending): Promise<void> {
  let record = s.journal.find(step.id);
  if (!record && !s.maySend) {
    throw new ProxmoxMcpError('interrupted', `The run was interrupted before "${step.purpose}" was sent. It was not sent later.`);
  }
  if (record?.state === 'done') return;
  // Marked by a process that ended before it could record why: without a task there is nothing to ask.
  if (record?.state === 'failed' && record.upid === undefined) {
    const reason = sentence(record.exit ?? 'none');
    throw new ProxmoxMcpError('interrupted', `${step.purpose}: it failed, and the run was interrupted. Recorded reason: ${reason}`);
  }
  for (let attempt = 1; ; attempt++) {
    record ??= await send(step, s);
    if (record.state === 'intent' || record.state === 'unknown')
      record = await reconcile(lostIn(s.journal, step, record), s.ports, s.report);
    if (record.state === 'done') return s.journal.write(record);
    await s.journal.write(record);
    record = await follow(step, record, s);
    const other = await withoutOthers(step, record, s.api);
    if (other) {
      record = other;
      continue;
    }
    if (record.state === 'failed' && (await isSoAlready(step, record, record.exit, s.api))) record = { ...record, ...ALREADY };
    await s.journal.write(record);
    if (record.state === 'done') return;
    const exit = record.exit ?? '';
    if (!step.retryOnLock || s.sentBefore.has(step.id) || attempt >= LOCK_RETRIES.attempts || !meaningOf(exit)?.retry) {
      throw await taskFault(step, record, s.journal.run.plan, s.ports.cluster);
    }
    // The task ended without having done anything, which is what makes sending it again safe.
    s.report(`the guest is still locked (${exit}); retrying`);
    await s.ports.clock.sleep(LOCK_RETRIES.pauseMs);
    s.gate.reopen(step.id);
    record = undefined;
  }
}

/** With the steps as they are at each look: those of other guests continue. */
function lostIn(journal: Journal, step: RequestStep, record: StepRecord): Lost {
  return {
    ...{ step, record, run: journal.run },
    get steps() {
      return journal.steps;
    },
  };
}

/** Another client was faster: the requested state holds, which a refusal alone never proves. */
const ALREADY = { state: 'done', data: { already: true } } as const;

async function isSoAlready(step: RequestStep, record: Pick<StepRecord, 'at'>, said: unknown, api: ProxmoxApi): Promise<boolean> {
  const { proof } = step;
  if (proof?.kind !== 'guest' || typeof said !== 'string' || meaningOf(said)?.already !== proof.is) return false;
  return isProven(step, record, api);
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
  // Once more before every attempt: a process that slept meanwhile notices that it lost the run. The search for a lost answer then begins when the
  // bytes left, not when the wait for a turn or a lock began.
  const dispatch = await s.api.send({ ...s.gate, still: intend }, resolveStep(step, s.journal.steps, s.secret)).catch(async (thrown) => {
    const refusal = thrown instanceof ProxmoxMcpError ? (thrown.details?.proxmox as { message?: string } | undefined) : undefined;
    if (await isSoAlready(step, record, refusal?.message, s.api)) return { kind: 'refused', record: { ...record, ...ALREADY } } as const;
    if (refusal && (await isKept(step, record, s.api)))
      return { kind: 'refused', record: { ...record, ...KEPT, exit: asError(thrown).message } } as const;
    throw thrown;
  });
  if (dispatch.kind === 'refused') return dispatch.record;
  if (dispatch.kind === 'task') {
    const { upid } = dispatch;
    const { run, steps } = s.journal;
    if (!(await isOfAnother(upid, { step, runId: run.id, steps }, s.ports))) return { ...record, state: 'sent', upid };
    s.ports.log.warn({ run: run.id, upid }, 'Proxmox answered with the task of another request');
    return { ...record, state: 'unknown', others: [upid] };
  }
  // Where Proxmox should have begun a task, an answer without its UPID is not an outcome.
  if (dispatch.kind === 'unknown' || step.task) return { ...record, state: 'unknown' };
  return { ...record, state: 'done', ...(dispatch.data === null ? {} : { data: dispatch.data }) };
}

async function check(step: CheckStep, { api, journal, ports }: Sending): Promise<void> {
  const ask = () => api.holds(step.that);
  // Once a request was sent, one bad answer does not fail the rest.
  const begun = journal.steps.length > 0;
  if ((await (begun ? patiently(ask, ports.clock) : ask())) === false) {
    throw new ProxmoxMcpError('guest_state', `Stopped before the next request, because "${step.purpose}" no longer holds.`);
  }
}

async function waitUntil(step: WaitStep, { api, ports: { clock }, report, journal }: Sending): Promise<void> {
  const began = clock.elapsed();
  // Time in which Proxmox was away says nothing about the condition, and does not count.
  let awayMs = 0;
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    const asked = clock.elapsed();
    // A bad answer of any kind does not end the wait.
    const holds = await api.holds(step.until, journal.since).catch((thrown) => (isAway(thrown) ? 'away' : undefined));
    if (holds === true) return;
    if (holds === 'away') awayMs = Math.min(awayMs + clock.elapsed() - asked, OUTAGE_SECONDS * 1000);
    const waited = Math.round((clock.elapsed() - began) / 1000);
    if (Math.round((clock.elapsed() - began - awayMs) / 1000) >= step.timeoutSeconds) {
      if (step.mayFail) return;
      const what = holds === false ? `still not so after ${waited} s` : `unknown after ${waited} s`;
      throw new ProxmoxMcpError('task_failed', `${step.purpose}: ${what}.`, { hint: 'Check the guest with get_vm.' });
    }
    report(`wait until ${step.purpose}${waited === 0 ? '' : `: ${waited} s`}`);
    await clock.sleep(pauseMs);
    if (holds === 'away') awayMs = Math.min(awayMs + pauseMs, OUTAGE_SECONDS * 1000);
  }
}
