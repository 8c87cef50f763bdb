import type { Kysely, Selectable } from 'kysely';
import type { ApprovalMethod, ApprovalStatus } from '../../core/plan/approval.ts';
import type { RunRecord, RunStatus, StepRecord } from '../../core/plan/run.ts';
import { exclusive } from '../dialect.ts';
import { rowOf } from '../row.ts';
import type { Database, RunRow, Worker } from '../schema.ts';
import { readRun } from './run-row.ts';
import { eraseSecrets } from './secrets.ts';
import { ownUpids } from './upids.ts';

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
  // Each look at a guest asks for them, and to write the SQL takes as long as to find none.
  const unknownOf = db.selectFrom('runs').selectAll().where('status', '=', 'unknown').where('cluster', '=', '').compile();
  return {
    /**
     * Begins a run; with a decision, in the same transaction in which the approval moves from pending to executing.
     * @returns false when the approval was decided, used or expired meanwhile: then nothing was stored
     * @throws what `admission` throws: then nothing was stored either
     */
    async begin(
      run: Omit<RunRecord, 'status' | 'steps'>,
      worker: Worker,
      leaseUntil: string,
      decision?: Decision,
      admission?: Admission,
    ): Promise<boolean> {
      return exclusive(db, async (tx) => {
        if (await tx.selectFrom('runs').select('id').where('id', '=', run.id).executeTakeFirst()) return true;
        if (admission) admission.check(await since(tx, run, admission.since));
        if (decision) {
          const moved = await tx
            .updateTable('approvals')
            .set({
              status: 'executing',
              run_id: run.id,
              decided_by: decision.decidedBy,
              decided_via: decision.decidedVia,
              // Kysely leaves out what is undefined.
              note: decision.note,
              decided_at: run.startedAt,
            })
            .where('id', '=', decision.approvalId)
            .where('status', '=', 'pending')
            .where('expires_at', '>', run.startedAt)
            .executeTakeFirst();
          if (Number(moved.numUpdatedRows) !== 1) return false;
        }
        await tx
          .insertInto('runs')
          .values(rowOf({ ...run, status: 'executing' as const, steps: [], worker, leaseUntil }))
          .execute();
        return true;
      });
    },

    async get(id: string): Promise<RunRecord | undefined> {
      const row = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
      return row && readRun(row);
    },

    async recent(filter: { principal?: string; cluster: string; limit: number }): Promise<RunRecord[]> {
      let query = db.selectFrom('runs').selectAll().where('cluster', '=', filter.cluster).orderBy('started_at', 'desc').limit(filter.limit);
      if (filter.principal !== undefined) query = query.where('principal', '=', filter.principal);
      return (await query.execute()).map(readRun);
    },

    async byUpid(upid: string, cluster: string): Promise<RunRecord | undefined> {
      const row = await db
        .selectFrom('run_upids')
        .innerJoin('runs', 'runs.id', 'run_upids.run_id')
        .selectAll('runs')
        .where('run_upids.cluster', '=', cluster)
        .where('run_upids.upid', '=', upid)
        .executeTakeFirst();
      return row && readRun(row);
    },

    /** Writes the steps so far. @returns false when another process has adopted the run: the caller must stop at once. */
    async journal(id: string, worker: Worker, steps: StepRecord[], leaseUntil: string): Promise<boolean> {
      return exclusive(db, async (tx) => {
        const result = await tx
          .updateTable('runs')
          .set({ steps: JSON.stringify(steps), lease_until: leaseUntil })
          .where('id', '=', id)
          .where('worker', '=', worker)
          .where('status', '=', 'executing')
          .executeTakeFirst();
        if (Number(result.numUpdatedRows) !== 1) return false;
        await ownUpids(tx, id, steps);
        return true;
      });
    },

    /** Ends a run and, in the same transaction, its approval and what was kept secret for both. */
    async end(id: string, worker: Worker, ending: Ending): Promise<boolean> {
      const { status, steps, error } = ending;
      return exclusive(db, async (tx) => {
        const result = await tx
          .updateTable('runs')
          .set(ended(ending))
          .where('id', '=', id)
          .where('worker', '=', worker)
          .where('status', '=', 'executing')
          .executeTakeFirst();
        if (Number(result.numUpdatedRows) !== 1) {
          const before = await tx.selectFrom('runs').select(['worker', 'status']).where('id', '=', id).executeTakeFirst();
          return before?.worker === worker && before.status === status;
        }
        await tx
          .updateTable('approvals')
          .set({ status: status satisfies ApprovalStatus, ...(error ? { note: error.message } : {}) })
          .where('run_id', '=', id)
          .where('status', '=', 'executing')
          .execute();
        await ownUpids(tx, id, steps);
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
      const { status, steps, error } = ending;
      return exclusive(db, async (tx) => {
        const result = await tx
          .updateTable('runs')
          .set(ended(ending))
          .where('id', '=', id)
          .where('status', '=', 'unknown')
          .executeTakeFirst();
        if (Number(result.numUpdatedRows) !== 1) return false;
        await tx
          .updateTable('approvals')
          .set({ status: status satisfies ApprovalStatus, note: error?.message ?? null })
          .where('run_id', '=', id)
          .where('status', '=', 'unknown')
          .execute();
        await ownUpids(tx, id, steps);
        return true;
      });
    },

    /**
     * Writes what was seen of some steps of a run whose outcome stays unknown.
     * @param before the steps as they were read
     * @returns false when another process wrote meanwhile: it has seen as much
     */
    async noteUnknown(id: string, before: StepRecord[], steps: StepRecord[], error: RunRecord['error']): Promise<boolean> {
      return exclusive(db, async (tx) => {
        const result = await tx
          .updateTable('runs')
          .set({ steps: JSON.stringify(steps), error: error ? JSON.stringify(error) : null })
          .where('id', '=', id)
          .where('status', '=', 'unknown')
          .where('steps', '=', JSON.stringify(before))
          .executeTakeFirst();
        if (Number(result.numUpdatedRows) !== 1) return false;
        await ownUpids(tx, id, steps);
        return true;
      });
    },

    /** Runs whose outcome is unknown, the oldest first. */
    async unknown(cluster: string): Promise<RunRecord[]> {
      const { rows } = await db.executeQuery<Selectable<RunRow>>({ ...unknownOf, parameters: ['unknown', cluster] });
      // Sorted here: for the order SQLite would walk through all runs of the cluster, at every look at a guest.
      return rows.map(readRun).sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
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

    /** The runs that this principal began on this cluster after `begin`, for limits per hour. */
    since: (whose: { cluster: string; principal: string }, begin: string) => since(db, whose, begin),

    async executing(cluster: string): Promise<{ run: RunRecord; worker: Worker; leaseUntil: string }[]> {
      const rows = await db.selectFrom('runs').selectAll().where('status', '=', 'executing').where('cluster', '=', cluster).execute();
      return rows.map((row) => ({ run: readRun(row), worker: row.worker, leaseUntil: row.lease_until }));
    },

    /** Takes a run over from a worker that is gone; of several who try, one wins. */
    async adopt(id: string, from: Worker, to: Worker, leaseUntil: string): Promise<boolean> {
      const result = await db
        .updateTable('runs')
        .set({ worker: to, lease_until: leaseUntil })
        .where('id', '=', id)
        .where('worker', '=', from)
        .where('status', '=', 'executing')
        .executeTakeFirst();
      if (Number(result.numUpdatedRows) === 1) return true;
      const row = await db.selectFrom('runs').select(['worker', 'status']).where('id', '=', id).executeTakeFirst();
      return row?.worker === to && row.status === 'executing' && to !== from;
    },

    /** VMIDs of guests that were deleted here since then. */
    async deletedVmids(cluster: string, since: string): Promise<number[]> {
      const rows = await db
        .selectFrom('runs')
        .select('plan')
        .where('cluster', '=', cluster)
        .where('operation', '=', 'delete_vm')
        .where('status', '=', 'succeeded')
        .where('started_at', '>', since)
        .execute();
      return rows.flatMap((row) => (JSON.parse(row.plan) as RunRecord['plan']).target?.vmid ?? []);
    },
  };
}

function ended({ status, steps, error, endedAt }: Ending) {
  return { status, steps: JSON.stringify(steps), error: error ? JSON.stringify(error) : null, ended_at: endedAt };
}

async function since(db: Kysely<Database>, whose: { cluster: string; principal: string }, begin: string): Promise<RunRecord[]> {
  const rows = await db
    .selectFrom('runs')
    .selectAll()
    .where('cluster', '=', whose.cluster)
    .where('principal', '=', whose.principal)
    .where('started_at', '>', begin)
    .execute();
  return rows.map(readRun);
}
