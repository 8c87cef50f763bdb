import { defined } from '../../../core/defined.ts';
import { needsApproval } from '../../../core/plan/effect.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import { untraced } from '../../../core/trace.ts';
import { isoNow, type Ports } from '../../ports.ts';
import { SERVER } from '../../records.ts';
import { executeRun } from '../finish.ts';
import { isGone, leaseFrom } from '../worker.ts';

/** Steps that were never sent are sent by another process only this long after the run began, and never those that needed an approval. */
const CONTINUE_WITHIN_SECONDS = 15 * 60;

/**
 * Takes over the runs of processes that are gone, and own ones that a fault of store or audit left without an end. Each is finished in the background:
 * requests that were sent are reconciled from Proxmox's own records and never repeated, and the others are sent only for changes that needed no
 * approval.
 */
export async function adoptOrphans(ports: Ports): Promise<void> {
  const { inFlight } = ports;
  await untraced(() => ports.watch.takeUp(ports));
  const store = await ports.store();
  const now = isoNow(ports.clock);
  for (const { run, worker, leaseUntil } of await store.runs.executing(ports.cluster.name)) {
    if (inFlight.has(run.id)) continue;
    const own = worker === ports.worker;
    if (!own && !isGone(worker, leaseUntil, now)) continue;
    if (!(await store.runs.adopt(run.id, worker, ports.worker, leaseFrom(ports.clock)))) continue;
    // Another call of this process may have adopted it in the same moment.
    if (inFlight.has(run.id)) continue;
    // Another process has written the row since, so the copy here is out of date.
    if (!own) inFlight.known.delete(run.id);
    const why = own ? 'finishing a run left by a fault' : 'finishing a run whose process ended';
    ports.log.warn({ run: run.id, operation: run.operation }, why);
    const ended = untraced(() => finishOrphan(run, ports));
    inFlight.track(run.id, ended);
    void ended.catch((err) => ports.log.error({ err, run: run.id }, 'an adopted run could not be finished'));
  }
}

async function finishOrphan(seen: RunRecord, ports: Ports): Promise<RunRecord> {
  const run = (await (await ports.store()).runs.get(seen.id)) ?? seen;
  const young = Date.parse(run.startedAt) > ports.clock.now() - CONTINUE_WITHIN_SECONDS * 1000;
  const wasApproved = needsApproval(run.plan.effect) || run.approvalId !== undefined || run.leaseId !== undefined;
  const maySend = young && run.steps.length > 0 && !wasApproved;
  const ended = await executeRun(run, { maySend, caller: { ...SERVER, client: 'reconciliation' } }, ports);
  if (ended.status === 'executing') return ended;
  const { operation, principal, id: runId } = run;
  const line = { kind: 'reconciled' as const, operation, principal, runId, status: ended.status };
  await ports.audit.append({ ...line, ...defined({ message: ended.error?.message }) }, { durable: true });
  return ended;
}
