import { defined } from '../../core/defined.ts';
import { asError, fail, ProxmoxMcpError } from '../../core/errors/errors.ts';
import type { Caller } from '../../core/people/caller.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import type { Decision } from '../../store/repositories/runs.ts';
import type { Reservation } from '../../store/schema.ts';
import { newId } from '../ids.ts';
import { refuseRevoked } from '../limits/access-token.ts';
import { perHour } from '../limits/guards.ts';
import { isoNow, type Ports } from '../ports.ts';
import { auditRun, planDigest, requestLines } from '../records.ts';
import type { ChangeCall } from '../types.ts';
import { conclude, executeRun } from './finish.ts';
import { leaseFrom } from './worker.ts';

/** A call whose plan is granted. */
export interface Start extends Pick<ChangeCall, 'args' | 'caller' | 'options' | 'deadline'> {
  plan: Plan;
  reservations: readonly Reservation[];
  /** The standing approval that covers the plan; the audit names it. */
  leaseId?: string;
  decision?: Decision;
  /** Called once this call has won the approval, before the intent is recorded. */
  onDecided?: () => Promise<void>;
  /** The requester, who follows the run when another caller decided. Default: the caller. */
  requester?: string;
}

/**
 * Begins a run: journal row, intent in the audit, then the steps, which continue in the background. A call that was cancelled or answered before does
 * not begin one.
 * @returns undefined when another call used the approval at the same time
 */
export async function startRun(start: Start, ports: Ports): Promise<{ run: RunRecord; ended: Promise<RunRecord> } | undefined> {
  const { plan, args, caller } = start;
  const { name: cluster } = ports.cluster;
  const run: RunRecord = {
    id: newId('run'),
    operation: plan.operation,
    args,
    cluster,
    principal: start.requester ?? caller.principal,
    plan,
    digest: planDigest(plan, args, cluster),
    status: 'executing',
    steps: [],
    ...defined({ approvalId: start.decision?.approvalId, leaseId: start.leaseId }),
    startedAt: isoNow(ports.clock),
  };
  const sealed = await sealAll(run.plan, ports);
  if (start.options.signal?.aborted) {
    fail('interrupted', 'The call was cancelled before anything was sent.', {
      hint: 'Nothing was done. Call again if it is still wanted.',
    });
  }
  const { inFlight } = ports;
  start.deadline.waitsFor('the store and the audit trail');
  // Before the row is stored: the next call adopts a row of this process that is not in flight.
  inFlight.starting.add(run.id);
  try {
    if (!(await begin(run, start, sealed, ports))) return undefined;
    const ended = executeRun(run, { maySend: true, caller, ...defined({ onProgress: start.options.onProgress }) }, ports);
    inFlight.track(run.id, ended);
    for (const { id } of start.reservations) inFlight.reservations.delete(id);
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
    await refuseRevoked([run.principal, caller.principal], ports);
    if (!(await store.runs.begin(run, ports.worker, leaseFrom(ports.clock), { decision: start.decision, admission: perHour(plan, ports) })))
      return false;
  } catch (error) {
    // A limit that rejects the run has stored nothing; a fault of the store may have.
    if (!(error instanceof ProxmoxMcpError) || error.code === 'store_unavailable') await neverSent(run, error, caller, ports);
    throw withoutEffect(error);
  }
  try {
    // After the run is stored: a secret or reservation of a run that was never stored could not be cleaned up.
    await store.secrets.keep(run.id, sealed);
    for (const { id } of start.reservations) {
      if (await store.reservations.setRun(id, run.id)) continue;
      fail('interrupted', 'The reservation expired while this process was suspended. Another call took it.', {
        hint: 'Check list_vms, then call again. Nothing was done.',
      });
    }
    await start.onDecided?.();
    const intent = { kind: 'intent' as const, ...auditRun(run, caller), requests: requestLines(plan), status: 'executing' };
    await ports.audit.append(intent, { durable: true });
    start.deadline.begin(run);
  } catch (error) {
    await neverSent(run, error, caller, ports);
    throw withoutEffect(error);
  }
  return true;
}

/** A fault of store or audit before anything left: the fault itself does not say that nothing was sent. */
function withoutEffect(thrown: unknown): unknown {
  if (!(thrown instanceof ProxmoxMcpError) || !['audit_unavailable', 'store_unavailable'].includes(thrown.code)) return thrown;
  return thrown.with({ message: `${thrown.message} Nothing was sent.` });
}

/** Ends a run that sent nothing. */
async function neverSent(run: RunRecord, error: unknown, caller: Caller, ports: Ports): Promise<void> {
  await conclude(run, { caller, work: async () => ({ status: 'failed', steps: [], error: asError(error) }) }, ports);
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
