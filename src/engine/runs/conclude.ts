import type { Caller } from '../../core/caller.ts';
import { defined } from '../../core/defined.ts';
import type { RunRecord } from '../../core/run.ts';
import { isoNow, type Ports } from '../ports.ts';
import { auditRun } from '../records.ts';
import { forget, reconcileReservations, remember } from './aftermath.ts';
import { explain } from './half-made.ts';
import type { Ending } from './in-flight.ts';

/**
 * Ends a run that had ended as unknown, in the store, its approval and its reservations, once its outcome is known. The audit has it first: a
 * crash in between leaves two lines about it, never none.
 * @returns the run as it is now; another process may have been faster
 */
export async function concludeLate(
  run: RunRecord,
  { status, steps, error: why }: Ending & { status: 'succeeded' | 'failed' },
  by: { caller: Caller; message: string },
  ports: Ports,
): Promise<RunRecord> {
  const store = await ports.store();
  const now = await store.runs.get(run.id);
  if (now?.status !== 'unknown') return now ?? run;
  const error = why && explain(run, { status, steps }, why).toJSON();
  const endedAt = isoNow(ports.clock);
  const made = steps.some((step) => step.state === 'done');
  if (made) await remember(run, ports);
  if (status === 'succeeded') await forget(run, ports);
  await ports.audit.append(
    {
      kind: 'reconciled',
      ...auditRun(run, by.caller),
      upids: steps.flatMap(({ upid }) => (upid ? [upid] : [])),
      status,
      message: by.message,
      ...(error ? { error: { code: error.code, message: error.message } } : {}),
    },
    { durable: true },
  );
  await reconcileReservations(run, { made, failed: status === 'failed' }, endedAt, ports);
  if (!(await store.runs.endUnknown(run.id, status, steps, error, endedAt))) return (await store.runs.get(run.id)) ?? run;
  return { ...run, status, steps, endedAt, ...defined({ error }) };
}
