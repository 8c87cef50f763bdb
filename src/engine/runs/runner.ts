import type { Caller } from '../../core/caller.ts';
import { asError, type ErrorCode, fail, ProxmoxMcpError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Plan } from '../../core/plan.ts';
import type { RunRecord, StepRecord } from '../../core/run.ts';
import type { ChangeOperation } from '../../operations/define.ts';
import { isFree, locate, readGuest } from '../../proxmox/guests.ts';
import type { Reservation } from '../../store/reservations.ts';
import type { Decision } from '../../store/runs.ts';
import type { Deadline } from '../deadline.ts';
import { newId } from '../ids.ts';
import { perHour } from '../limits/guards.ts';
import { isoNow, type Ports } from '../ports.ts';
import { auditCaller, auditTarget, planDigest, requestLines } from '../records.ts';
import type { Progress } from '../types.ts';
import { apply } from './apply.ts';
import type { Ending } from './in-flight.ts';
import { LostRun, Unwritten } from './journal.ts';
import { leaseFrom } from './worker.ts';

export interface Start {
  operation: ChangeOperation;
  plan: Plan;
  args: JsonObject;
  caller: Caller;
  reservation?: Reservation;
  /** The standing approval that covers it; named in the audit. */
  leaseId?: string;
  decision?: Decision;
  /** Called once this call has won the approval, before the intent is recorded. */
  onDecided?: () => Promise<void>;
  /** Whose run it is, when another one decided: the requester follows it. Default: the caller. */
  requester?: string;
  onProgress?: (progress: Progress) => void;
  /** A call that was cancelled before its run began begins none. */
  signal?: AbortSignal | undefined;
  /** A call that was answered before its run began begins none either. */
  deadline: Deadline;
}

/**
 * Begins a run: journal row, intent in the audit, then the steps, which go on in the background.
 * @returns undefined when the approval was used by somebody else meanwhile
 */
export async function startRun(start: Start, ports: Ports): Promise<{ run: RunRecord; ended: Promise<RunRecord> } | undefined> {
  const api = await ports.api();
  const { plan, args, caller } = start;
  const run: RunRecord = {
    id: newId('run'),
    operation: plan.operation,
    args,
    cluster: api.cluster,
    principal: start.requester ?? caller.principal,
    plan,
    digest: planDigest(plan, args, api.cluster),
    status: 'executing',
    steps: [],
    ...(start.decision ? { approvalId: start.decision.approvalId } : {}),
    ...(start.leaseId ? { leaseId: start.leaseId } : {}),
    startedAt: isoNow(ports.clock),
  };
  const sealed = await sealAll(run.plan, ports);
  if (start.signal?.aborted) {
    fail('interrupted', 'The call was cancelled before anything was sent.', {
      hint: 'Nothing was done; call again if it is still wanted.',
    });
  }
  const { inFlight } = ports;
  start.deadline.waitsFor('the store and the audit trail');
  // Before its row is there: a row of this process that is not under way is taken up again by the next call.
  inFlight.starting.add(run.id);
  try {
    if (!(await begin(run, start, sealed, ports))) return undefined;
    const ended = carryOut(run, ports, { maySend: true, caller, ...(start.onProgress ? { onProgress: start.onProgress } : {}) });
    inFlight.track(run.id, ended);
    if (start.reservation) inFlight.claims.delete(start.reservation.id);
    return { run, ended };
  } finally {
    inFlight.starting.delete(run.id);
    inFlight.checkLeft(run.id);
  }
}

/** @returns false when the approval was used by another call */
async function begin(run: RunRecord, start: Start, sealed: { id: string; sealed: string }[], ports: Ports): Promise<boolean> {
  const store = await ports.store();
  const { plan, caller } = start;
  try {
    if (!(await store.runs.begin(run, ports.worker, leaseFrom(ports.clock), start.decision, perHour(plan, ports)))) return false;
  } catch (error) {
    // A limit that refused it has stored nothing; a fault of the store may have.
    if (!(error instanceof ProxmoxMcpError) || error.code === 'store_unavailable') await neverSent(run, error, ports, caller);
    throw withoutEffect(error);
  }
  try {
    // After the run is there: what belongs to a run that never was, a secret or a reservation, could not be cleared away by anybody.
    await store.secrets.keep(run.id, sealed);
    if (start.reservation && !(await store.reservations.setRun(start.reservation.id, run.id))) {
      fail('interrupted', 'This server stood still for so long that others took what this call had reserved.', {
        hint: 'Nothing was done; look with list_vms what there is by now, then call again.',
      });
    }
    await start.onDecided?.();
    await ports.audit.append(
      {
        kind: 'intent',
        ...auditRun(run, caller),
        requests: requestLines(plan),
        status: 'executing',
      },
      { durable: true },
    );
    start.deadline.begin(run);
  } catch (error) {
    await neverSent(run, error, ports, caller);
    throw withoutEffect(error);
  }
  return true;
}

/** A fault of store or audit before anything left: what could not be written says nothing of that itself. */
function withoutEffect(thrown: unknown): unknown {
  if (!(thrown instanceof ProxmoxMcpError) || !['audit_unavailable', 'store_unavailable'].includes(thrown.code)) return thrown;
  const { code, message, hint, details, cause } = thrown;
  return new ProxmoxMcpError(code, `${message} Nothing was sent.`, { hint, cause, ...(details ? { details } : {}) });
}

/** Ends a run of which nothing left. */
async function neverSent(run: RunRecord, error: unknown, ports: Ports, caller: Caller): Promise<void> {
  await conclude(run, ports, caller, async () => ({ status: 'failed', steps: [], error: asError(error) }));
}

/**
 * Applies a run that this worker owns, to its end; also one adopted from a process that is gone, and one that could not be written to its
 * end.
 * @returns the run, `executing` with an error when a fault of the store or the audit kept its end from being written
 */
export async function carryOut(
  run: RunRecord,
  ports: Ports,
  options: { maySend: boolean; caller: Caller; onProgress?: (progress: Progress) => void },
): Promise<RunRecord> {
  return conclude(run, ports, options.caller, async () => {
    const known = ports.inFlight.know(run.id);
    if (known.ending) return known.ending;
    const store = await ports.store();
    const secrets = new Map<string, string>();
    for (const id of ports.vault.idsIn(run.plan)) {
      const sealed = await store.secrets.get(id);
      if (sealed !== undefined) secrets.set(id, sealed);
    }
    return apply(known.steps.length > 0 ? { ...run, steps: known.steps } : run, ports, { ...options, secrets });
  });
}

/** Once the intent is on disk, only Proxmox decides how a run ends: what this server cannot write down is written later. */
async function conclude(run: RunRecord, ports: Ports, caller: Caller, work: () => Promise<Ending>): Promise<RunRecord> {
  try {
    return await finish(run, await work(), ports, caller);
  } catch (error) {
    if (error instanceof LostRun) {
      ports.inFlight.known.delete(run.id);
      ports.log.warn({ run: run.id }, 'another process took this run over');
      return (await (await ports.store()).runs.get(run.id).catch(() => undefined)) ?? run;
    }
    const cause = error instanceof Unwritten ? error.cause : error;
    ports.log.error({ run: run.id, err: cause }, 'the end of a run cannot be recorded now; it is tried again');
    const { steps } = ports.inFlight.know(run.id);
    return { ...run, steps, error: unrecorded(run, steps, cause).toJSON() };
  }
}

/** What a caller hears of a run whose outcome could not be recorded. */
function unrecorded({ id, plan }: RunRecord, steps: StepRecord[], cause: unknown): ProxmoxMcpError {
  const ours =
    cause instanceof ProxmoxMcpError ? cause : new ProxmoxMcpError('store_unavailable', 'The store cannot be written.', { cause });
  const last = steps.at(-1);
  const upid = steps.findLast((s) => s.upid !== undefined)?.upid;
  if (!last) {
    return new ProxmoxMcpError(ours.code, `${ours.message} Nothing was sent to Proxmox.`, {
      hint: ours.hint,
      details: { run_id: id },
    });
  }
  const purpose = plan.steps.find((s) => s.id === last.id)?.purpose ?? plan.summary;
  const sent = last.state === 'intent' ? 'may have been sent' : 'was sent';
  return new ProxmoxMcpError(
    'outcome_unknown',
    `${purpose}: the request ${sent} to Proxmox${upid === undefined ? '' : ` (task ${upid})`}, but its outcome cannot be recorded: ${ours.message}`,
    {
      hint: 'Do not call again. This server looks at Proxmox and records the outcome as soon as it can; follow it with get_task.',
      details: { run_id: id, ...(upid === undefined ? {} : { upid }) },
    },
  );
}

/**
 * Ends a run. The outcome goes to the audit before the run counts as ended: a crash in between leaves two lines about it, never none.
 * @throws LostRun when another process has adopted it: then the outcome is told there
 */
async function finish(run: RunRecord, ending: Ending, ports: Ports, caller: Caller): Promise<RunRecord> {
  const store = await ports.store();
  const known = ports.inFlight.know(run.id);
  Object.assign(known, { ending, steps: ending.steps });
  const { status, steps } = ending;
  const error = ending.error && explain(run, ending, ending.error).toJSON();
  const endedAt = isoNow(ports.clock);
  if (!(await store.runs.journal(run.id, ports.worker, steps, leaseFrom(ports.clock)))) throw new LostRun();
  const made = steps.some((s) => s.state === 'done');
  if (made) await remember(run, ports);
  if (status === 'succeeded') await forget(run, ports);
  const ended: RunRecord = { ...run, status, steps, endedAt, ...(error ? { error } : {}) };
  const outcome = {
    kind: 'outcome' as const,
    ...auditRun(run, caller),
    upids: steps.flatMap((s) => (s.upid ? [s.upid] : [])),
    status,
    ...(error ? { error: { code: error.code, message: error.message } } : {}),
    durationMs: Date.parse(endedAt) - Date.parse(run.startedAt),
  };
  if (!known.told) await ports.audit.append(outcome, { durable: true });
  known.told = true;
  // What was reserved for a guest that may still be made stays so.
  if (status !== 'unknown' || made) await settleReservations(run, { made, failed: status === 'failed' }, endedAt, ports);
  await store.runs.end(run.id, ports.worker, status, steps, error, endedAt);
  ports.inFlight.known.delete(run.id);
  if (status === 'unknown') ports.watch.begin(ended);
  return ended;
}

/** A run that failed and left nothing gives back what it reserved; else its guest counts until the lists show it. */
export async function settleReservations(
  run: RunRecord,
  { made, failed }: { made: boolean; failed: boolean },
  now: string,
  ports: Ports,
): Promise<void> {
  const store = await ports.store();
  if (failed && !(made && (await isStillThere(run, ports)))) await store.reservations.releaseRun(run.id);
  else await store.reservations.markMade(run.id, now);
}

/** Adds to an error what was done before it, what was not, and the calls that finish it or clean up. */
export function explain(
  { id, plan }: RunRecord,
  { steps, status }: Pick<RunRecord, 'steps' | 'status'>,
  error: ProxmoxMcpError,
): ProxmoxMcpError {
  const done = plan.steps
    .filter((s) => s.kind === 'request' && steps.some((r) => r.id === s.id && r.state === 'done'))
    .map((s) => s.purpose);
  if (done.length === 0 && plan.continues === undefined) return error;
  const notDone = plan.steps
    .filter((s) => s.kind === 'request' && !steps.some((r) => r.id === s.id && r.state === 'done'))
    .map((s) => s.purpose);
  const vmid = plan.demand?.vmid ?? plan.target?.vmid;
  const halfMade = status === 'failed' && (plan.continues !== undefined || plan.demand?.newGuests === 1);
  const finish = halfMade ? ' Call again with the same arguments: only what was not done is sent.' : '';
  const before = done.length > 0 ? ` Done before: ${done.join('; ')}.` : '';
  return new ProxmoxMcpError(error.code as ErrorCode, `${sentence(error.message)}${before} Not done: ${notDone.join('; ')}.`, {
    hint: `${error.hint}${finish}${plan.cleanup ? ` To clean up${halfMade ? ' instead' : ''}: ${plan.cleanup}` : ''}`,
    details: {
      ...error.details,
      ...(vmid === undefined ? {} : { vmid }),
      done,
      ...(halfMade ? { unfinished: { run_id: id, not_done: notDone } } : { not_done: notDone }),
      ...(plan.cleanup ? { cleanup: plan.cleanup } : {}),
    },
  });
}

/** Proxmox ends its own words without a full stop. */
function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** "Created through this server" is a row of ours with the guest's own key, written once the guest exists, also when a later step failed. */
export async function remember(run: RunRecord, ports: Ports): Promise<void> {
  const [api, store] = await Promise.all([ports.api(), ports.store()]);
  if (run.plan.demand && (run.plan.demand.newGuests === 1 || run.plan.continues !== undefined)) {
    const { vmid } = run.plan.demand;
    const reservation = (await store.reservations.all(api.cluster)).find((r) => r.runId === run.id);
    const guest = await readGuest(api, { vmid, node: reservation?.node ?? '', type: reservation?.type ?? 'qemu' })
      // A clone whose move failed is where it was made.
      .catch(async () => readGuest(api, await locate(api, vmid)))
      .catch(() => undefined);
    if (guest) {
      const { key, name } = guest.identity;
      await store.runs.remember({ cluster: api.cluster, vmid, key, runId: run.id, now: isoNow(ports.clock) });
      if (name !== '') await store.leases.sawName(api.cluster, { key, name, vmid }, isoNow(ports.clock));
    }
  }
}

/** A guest that another client deleted while its run failed counts for nothing; where it cannot be asked it counts. */
async function isStillThere({ plan }: RunRecord, ports: Ports): Promise<boolean> {
  if (plan.demand?.newGuests !== 1) return true;
  return !(await isFree(await ports.api(), plan.demand.vmid).catch(() => false));
}

/** A VMID and a name are free again once their guest is gone. */
export async function forget(run: RunRecord, ports: Ports): Promise<void> {
  const [api, store] = await Promise.all([ports.api(), ports.store()]);
  const gone = run.plan.expected.find((c) => c.kind === 'guest' && c.is === 'absent');
  if (gone) await store.reservations.releaseGuest(api.cluster, gone.vmid);
}

export function auditRun(run: RunRecord, caller: Caller) {
  return {
    operation: run.operation,
    cluster: run.cluster,
    ...auditCaller(caller),
    args: run.args,
    ...auditTarget(run.plan),
    runId: run.id,
    ...(run.approvalId ? { approvalId: run.approvalId } : {}),
    ...(run.leaseId ? { leaseId: run.leaseId } : {}),
    planDigest: run.digest,
  };
}

async function sealAll(plan: Plan, ports: Ports): Promise<{ id: string; sealed: string }[]> {
  const store = await ports.store();
  const sealed: { id: string; sealed: string }[] = [];
  for (const id of ports.vault.idsIn(plan)) {
    const kept = await store.secrets.get(id);
    sealed.push(kept === undefined ? ports.vault.seal(id) : { id, sealed: kept });
  }
  return sealed;
}
