import type { Kysely, Selectable, Updateable } from 'kysely';
import type { ApprovalMethod, ApprovalStatus } from '../../core/plan/approval.ts';
import type { RunRecord, RunStatus, StepRecord } from '../../core/plan/run.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { exclusive } from '../dialect.ts';
import { exactly, rowOf } from '../row.ts';
import type { Database, RunRow, Worker } from '../schema.ts';
import { readRun, readsOfRuns, since } from './run-reads.ts';
import { eraseSecrets } from './secrets.ts';

export interface Decision {
  approvalId: string;
  decidedBy: string;
  decidedVia: ApprovalMethod;
  /** A caveat of the decision. */
  note?: string;
}

/** A limit on runs of one principal on one cluster, checked in the transaction in which a run begins. */
export interface Admission {
  /** ISO time: runs that began after it are shown to `check`. */
  since: string;
  /** Throws to keep the run from beginning. Must not wait for anything. */
  check(recent: RunRecord[]): void;
}

/** How a run ended. */
interface Ending {
  status: Exclude<RunStatus, 'executing'>;
  steps: StepRecord[];
  error?: RunRecord['error'];
  endedAt: string;
}

/** The journal of applying plans. Every write names the worker: a worker that lost the run can no longer write. */
export function runsIn(db: Kysely<Database>) {
  return {
    ...readsOfRuns(db),

    /**
     * Begins a run; with a decision, in the same transaction in which the approval moves from pending to executing.
     * @returns false when the approval was decided, used or expired meanwhile: then nothing was stored
     * @throws what `admission` throws: then nothing was stored either
     */
    async begin(
      run: Omit<RunRecord, 'status' | 'steps'>,
      worker: Worker,
      leaseUntil: string,
      { decision, admission }: { decision?: Decision | undefined; admission?: Admission | undefined } = {},
    ): Promise<boolean> {
      return exclusive(db, async (tx) => {
        if (await tx.selectFrom('runs').select('id').where('id', '=', run.id).executeTakeFirst()) return true;
        if (admission) admission.check(await since(tx, run, admission.since));
        if (decision) {
          const { approvalId, ...decided } = decision;
          const { numUpdatedRows } = await tx
            .updateTable('approvals')
            .set(rowOf({ status: 'executing' as const, runId: run.id, decidedAt: run.startedAt, ...decided }))
            .where('id', '=', approvalId)
            .where('status', '=', 'pending')
            .where('expires_at', '>', run.startedAt)
            .executeTakeFirst();
          if (numUpdatedRows !== 1n) return false;
        }
        await tx
          .insertInto('runs')
          .values(rowOf({ ...run, status: 'executing' as const, steps: [], worker, leaseUntil }))
          .execute();
        return true;
      });
    },

    /** Writes the steps so far. @returns false when another process has adopted the run: the caller must stop at once. */
    async journal(id: string, worker: Worker, steps: StepRecord[], leaseUntil: string): Promise<boolean> {
      return exclusive(db, (tx) =>
        write(tx, { id, worker, status: 'executing' }, { steps: JSON.stringify(steps), lease_until: leaseUntil }, steps),
      );
    },

    /** Ends a run and, in the same transaction, its approval and what was kept secret for both. */
    async end(id: string, worker: Worker, ending: Ending): Promise<boolean> {
      const { status, error, steps } = ending;
      return exclusive(db, async (tx) => {
        if (!(await write(tx, { id, worker, status: 'executing' }, ended(ending), steps))) {
          const before = await tx.selectFrom('runs').select(['worker', 'status']).where('id', '=', id).executeTakeFirst();
          return before?.worker === worker && before.status === status;
        }
        await endApproval(tx, id, 'executing', { status, ...(error ? { note: error.message } : {}) });
        const approvals = await tx.selectFrom('approvals').select('id').where('run_id', '=', id).execute();
        await eraseSecrets(tx, [id, ...approvals.map((approval) => approval.id)]);
        return true;
      });
    },

    /**
     * Ends a run that had ended as unknown, once its outcome is known, and its approval with it.
     * @returns false when another process was faster
     */
    async endUnknown(id: string, ending: Ending & { status: 'succeeded' | 'failed' }): Promise<boolean> {
      const { status, error, steps } = ending;
      return exclusive(db, async (tx) => {
        if (!(await write(tx, { id, status: 'unknown' }, ended(ending), steps))) return false;
        await endApproval(tx, id, 'unknown', { status, note: error?.message ?? null });
        return true;
      });
    },

    /**
     * Writes what was seen of some steps of a run whose outcome stays unknown.
     * @param before the steps as they were read
     * @returns false when another process wrote meanwhile: it has seen as much
     */
    async noteUnknown(id: string, before: StepRecord[], steps: StepRecord[], error: RunRecord['error']): Promise<boolean> {
      const now = { steps: JSON.stringify(steps), error: error ? JSON.stringify(error) : null };
      return exclusive(db, (tx) => write(tx, { id, status: 'unknown', steps: JSON.stringify(before) }, now, steps));
    },

    /** Keeps what was told about the last step of an ended run; the first writer wins. @returns the run as it is now */
    async keepTold(id: string, told: JsonObject): Promise<RunRecord | undefined> {
      return exclusive(db, async (tx) => {
        const row = await tx.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
        const run = row && readRun(row);
        const last = run?.steps.at(-1);
        if (!last || last.told) return run;
        last.told = told;
        await tx
          .updateTable('runs')
          .set({ steps: JSON.stringify(run?.steps) })
          .where('id', '=', id)
          .execute();
        return run;
      });
    },

    /** Renews the leases of these runs with their reservations, and of reservations that have no run yet. */
    async renew(worker: Worker, { runs, reservations }: { runs: string[]; reservations: string[] }, leaseUntil: string): Promise<void> {
      if (runs.length > 0)
        await db
          .updateTable('runs')
          .set({ lease_until: leaseUntil })
          .where('worker', '=', worker)
          .where('id', 'in', runs)
          .where('status', '=', 'executing')
          .execute();
      if (runs.length + reservations.length === 0) return;
      await db
        .updateTable('reservations')
        .set({ lease_until: leaseUntil })
        .where('worker', '=', worker)
        .where('state', '=', 'held')
        .where((held) =>
          held.or([
            ...(runs.length > 0 ? [held('run_id', 'in', runs)] : []),
            ...(reservations.length > 0 ? [held('id', 'in', reservations)] : []),
          ]),
        )
        .execute();
    },

    /** Takes a run over from a worker that has ended. Of several adopters, one succeeds. */
    async adopt(id: string, from: Worker, to: Worker, leaseUntil: string): Promise<boolean> {
      if (await write(db, { id, worker: from, status: 'executing' }, { worker: to, lease_until: leaseUntil })) return true;
      const row = await db.selectFrom('runs').select(['worker', 'status']).where('id', '=', id).executeTakeFirst();
      return row?.worker === to && row.status === 'executing' && to !== from;
    },
  };
}

function ended({ status, steps, error, endedAt }: Ending) {
  return { status, steps: JSON.stringify(steps), error: error ? JSON.stringify(error) : null, ended_at: endedAt };
}

/**
 * Changes a run if it still is as the caller saw it. @returns whether it was
 * @param steps whose tasks belong to this run from now on; a task that another run owns stays with that run
 */
async function write(
  db: Kysely<Database>,
  { id, ...seen }: Pick<RunRecord, 'id'> & Partial<Selectable<RunRow>>,
  set: Updateable<RunRow>,
  steps: readonly StepRecord[] = [],
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('runs')
    .set(set)
    .where((e) => e.and(exactly({ id, ...seen })))
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) return false;
  for (const { upid } of steps) {
    if (upid === undefined) continue;
    await db
      .insertInto('run_upids')
      .columns(['cluster', 'upid', 'run_id'])
      .expression((e) =>
        e
          .selectFrom('runs')
          .select(['cluster', e.val(upid).as('upid'), 'id'])
          .where('id', '=', id),
      )
      .onConflict((c) => c.doNothing())
      .execute();
  }
  return true;
}

/** Moves the approval of a run on, if it still has this status. */
async function endApproval(
  tx: Kysely<Database>,
  runId: string,
  from: ApprovalStatus,
  set: { status: ApprovalStatus; note?: string | null },
): Promise<void> {
  await tx.updateTable('approvals').set(set).where('run_id', '=', runId).where('status', '=', from).execute();
}
