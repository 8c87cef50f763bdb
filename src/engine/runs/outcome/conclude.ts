import { defined } from '../../../core/defined.ts';
import type { Caller } from '../../../core/people/caller.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import { isoNow, type Ports } from '../../ports.ts';
import { auditRun } from '../../records.ts';
import { type Ended, reconcileReservations, takeStock } from '../aftermath.ts';
import { explain } from '../half-made.ts';
import type { Ending } from '../steps/in-flight.ts';

/** The run as it ends now, with the error that its caller reads. An error of an earlier end is dropped. */
export function endedRun(run: RunRecord, ending: Ending, { clock }: Pick<Ports, 'clock'>): Ended {
  const { status, steps } = ending;
  const error = ending.error && (ending.each ? ending.error : explain(run, ending, ending.error)).toJSON();
  const { error: _earlier, ...rest } = run;
  return { ...rest, status, steps, endedAt: isoNow(clock), ...defined({ error }) };
}

/** The fields of a line of the audit about how a run ended. */
export function auditEnd(ended: Ended, caller: Caller) {
  const { status, steps, error } = ended;
  return {
    ...auditRun(ended, caller),
    upids: steps.flatMap(({ upid }) => (upid ? [upid] : [])),
    status,
    ...(error ? { error: { code: error.code, message: error.message } } : {}),
  };
}

/**
 * Records what became of a run that had ended as unknown: in the store, its approval and its reservations. The audit has it first, so a crash in
 * between leaves two lines about it, never none.
 * @param ending still `unknown` while the outcome of another of its requests is
 * @returns the run as it is now; another process may have been faster
 */
export async function concludeLate(
  run: RunRecord,
  ending: Ending,
  by: { caller: Caller; message: string },
  ports: Ports,
): Promise<RunRecord> {
  const { runs } = await ports.store();
  const now = await runs.get(run.id);
  if (now?.status !== 'unknown') return now ?? run;
  const { status } = ending;
  const isOpen = status === 'unknown';
  const ended = { ...endedRun(run, ending, ports), ...(isOpen ? { endedAt: run.endedAt ?? run.startedAt } : {}) };
  await takeStock(ended, ports);
  await ports.audit.append({ kind: 'reconciled', ...auditEnd(ended, by.caller), message: by.message }, { durable: true });
  await reconcileReservations(ended, ports);
  const { steps, error, endedAt } = ended;
  const isFirst = await (isOpen
    ? runs.noteUnknown(run.id, run.steps, steps, error)
    : runs.endUnknown(run.id, { status, steps, error, endedAt }));
  return isFirst ? ended : ((await runs.get(run.id)) ?? run);
}
