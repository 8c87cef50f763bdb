import { defined } from '../../core/defined.ts';
import { ProxmoxMcpError } from '../../core/errors/errors.ts';
import type { Caller } from '../../core/people/caller.ts';
import type { RunRecord, StepRecord } from '../../core/plan/run.ts';
import type { Ports } from '../ports.ts';
import type { Progress } from '../types.ts';
import { reconcileReservations, takeStock, wasMade } from './aftermath.ts';
import { auditEnd, endedRun } from './outcome/conclude.ts';
import { apply } from './steps/apply.ts';
import type { Ending } from './steps/in-flight.ts';
import { LostRun, Unwritten } from './steps/journal.ts';
import { leaseFrom } from './worker.ts';

/**
 * Applies a run that this worker owns, to its end: a new one, one adopted from a process that is gone, or one whose end could not be written.
 * @returns the run, `executing` with an error when a fault of the store or the audit kept its end from being written
 */
export async function executeRun(
  run: RunRecord,
  options: { maySend: boolean; caller: Caller; onProgress?: (progress: Progress) => void },
  ports: Ports,
): Promise<RunRecord> {
  const work = async () => {
    const known = ports.inFlight.know(run.id);
    if (known.ending) return known.ending;
    const store = await ports.store();
    const secrets = new Map<string, string>();
    for (const id of ports.vault.idsIn(run.plan)) {
      const sealed = await store.secrets.get(id);
      if (sealed !== undefined) secrets.set(id, sealed);
    }
    return apply(known.steps.length > 0 ? { ...run, steps: known.steps } : run, { ...options, secrets }, ports);
  };
  return conclude(run, { caller: options.caller, work }, ports);
}

/** Once the intent is on disk, only Proxmox decides how a run ends: what this server cannot record now is recorded later. */
export async function conclude(
  run: RunRecord,
  { caller, work }: { caller: Caller; work: () => Promise<Ending> },
  ports: Ports,
): Promise<RunRecord> {
  try {
    return await finish(run, await work(), caller, ports);
  } catch (error) {
    if (error instanceof LostRun) {
      ports.inFlight.known.delete(run.id);
      const stored = ports.store().then(({ runs }) => runs.get(run.id));
      const recorded = await stored.catch(() => run);
      // On a full disk its row may never have been written, and then nothing was sent either.
      ports.log.warn({ run: run.id }, recorded ? 'another process took this run over' : 'the beginning of this run was never stored');
      return recorded ?? run;
    }
    const cause = error instanceof Unwritten ? error.cause : error;
    ports.log.error({ run: run.id, err: cause }, 'recording the end of a run failed and is retried');
    const { steps } = ports.inFlight.know(run.id);
    return { ...run, steps, error: unrecorded(run, steps, cause).toJSON() };
  }
}

const FOLLOW = 'Do not call again. Follow it with get_task. This server checks Proxmox and records the outcome as soon as it can.';

/** The error of a run whose outcome could not be recorded. */
function unrecorded({ id, plan }: RunRecord, steps: StepRecord[], cause: unknown): ProxmoxMcpError {
  const ours =
    cause instanceof ProxmoxMcpError ? cause : new ProxmoxMcpError('store_unavailable', 'The store cannot be written.', { cause });
  const open = steps.filter(({ state }) => state === 'intent' || state === 'sent');
  // Of several guests the steps of one may have ended though those of another began later.
  const last = open[0] ?? steps.at(-1);
  if (!last) return ours.with({ message: `${ours.message} Nothing was sent to Proxmox.`, details: { run_id: id } });
  const upid = open.length > 1 ? undefined : last.upid;
  const purpose = plan.steps.find((s) => s.id === last.id)?.purpose ?? plan.summary;
  const sent = last.state === 'intent' ? 'may have been sent' : 'was sent';
  const what =
    open.length > 1
      ? `${plan.summary}: ${open.length} requests may have been sent to Proxmox. Their outcome`
      : `${purpose}: the request ${sent} to Proxmox${upid === undefined ? '' : ` (task ${upid})`}. Its outcome`;
  return new ProxmoxMcpError('outcome_unknown', `${what} cannot be recorded. ${ours.message}`, {
    hint: FOLLOW,
    details: { run_id: id, ...defined({ upid }) },
  });
}

/**
 * Ends a run. The outcome goes to the audit before the run counts as ended: a crash in between leaves two lines about it, never none.
 * @throws LostRun when another process has adopted it: then that one records the outcome
 */
async function finish(run: RunRecord, ending: Ending, caller: Caller, ports: Ports): Promise<RunRecord> {
  const { runs } = await ports.store();
  const known = ports.inFlight.know(run.id);
  Object.assign(known, { ending, steps: ending.steps });
  const ended = endedRun(run, ending, ports);
  const { steps, error, endedAt } = ended;
  const { status } = ending;
  if (!(await runs.journal(run.id, ports.worker, steps, leaseFrom(ports.clock)))) throw new LostRun();
  await takeStock(ended, ports);
  const durationMs = Date.parse(endedAt) - Date.parse(run.startedAt);
  if (!known.told) await ports.audit.append({ kind: 'outcome', ...auditEnd(ended, caller), durationMs }, { durable: true });
  known.told = true;
  // The reservation of a guest that may still be created stays; of several guests each is evaluated by itself.
  if (status !== 'unknown' || wasMade(ended) || run.plan.makes) await reconcileReservations(ended, ports);
  await runs.end(run.id, ports.worker, { status, steps, error, endedAt });
  ports.inFlight.known.delete(run.id);
  if (status === 'unknown') ports.watch.begin(ended, ports);
  return ended;
}
