import type { Kysely, Selectable } from 'kysely';
import { defined } from '../../core/defined.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import { recordOf } from '../row.ts';
import type { Database, RunRow, Worker } from '../schema.ts';

/** The queries about runs. The file runs.ts writes them. */
export function readsOfRuns(db: Kysely<Database>) {
  // Every look at a guest reads them, and composing the SQL takes as long as finding none.
  const unknownOf = db.selectFrom('runs').selectAll().where('status', '=', 'unknown').where('cluster', '=', '').compile();
  return {
    async get(id: string): Promise<RunRecord | undefined> {
      const row = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
      return row && readRun(row);
    },

    async all(ids: readonly string[]): Promise<RunRecord[]> {
      return ids.length === 0 ? [] : (await db.selectFrom('runs').selectAll().where('id', 'in', ids).execute()).map(readRun);
    },

    async recent({ limit, ...whose }: { principal?: string; cluster: string; limit: number }): Promise<RunRecord[]> {
      const query = db.selectFrom('runs').selectAll().orderBy('started_at', 'desc').limit(limit);
      return (await query.where((e) => e.and(defined(whose))).execute()).map(readRun);
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

    /** The run of each of these tasks that has one. */
    async ofTasks(upids: readonly string[], cluster: string): Promise<{ upid: string; id: string; principal: string }[]> {
      const tasks = db.selectFrom('run_upids').innerJoin('runs', 'runs.id', 'run_upids.run_id').where('run_upids.cluster', '=', cluster);
      const owned = tasks.where('run_upids.upid', 'in', upids).select(['run_upids.upid', 'runs.id', 'runs.principal']);
      return upids.length === 0 ? [] : owned.execute();
    },

    /** Runs whose outcome is unknown, the oldest first. */
    async unknown(cluster: string): Promise<RunRecord[]> {
      const { rows } = await db.executeQuery<Selectable<RunRow>>({ ...unknownOf, parameters: ['unknown', cluster] });
      // Sorted here: for the order SQLite would walk through all runs of the cluster, at every look at a guest.
      return rows.map(readRun).sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
    },

    /** The runs that this principal began on this cluster after `begin`, for limits per hour. */
    since: (whose: { cluster: string; principal: string }, begin: string) => since(db, whose, begin),

    /** How many runs have no outcome on each cluster, of those that are served and of those that were. */
    async openByCluster(): Promise<{ cluster: string; open: number }[]> {
      const rows = await db
        .selectFrom('runs')
        .select((e) => ['cluster', e.fn.countAll<number>().as('open')])
        .where('status', 'in', ['executing', 'unknown'])
        .groupBy('cluster')
        .orderBy('cluster')
        .execute();
      return rows.map(({ cluster, open }) => ({ cluster, open: Number(open) }));
    },

    async executing(cluster: string): Promise<{ run: RunRecord; worker: Worker; leaseUntil: string }[]> {
      const rows = await db.selectFrom('runs').selectAll().where('status', '=', 'executing').where('cluster', '=', cluster).execute();
      return rows.map((row) => ({ run: readRun(row), worker: row.worker, leaseUntil: row.lease_until }));
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

export async function since(
  db: Kysely<Database>,
  { cluster, principal }: { cluster: string; principal: string },
  begin: string,
): Promise<RunRecord[]> {
  const query = db.selectFrom('runs').selectAll().where('cluster', '=', cluster).where('principal', '=', principal);
  return (await query.where('started_at', '>', begin).execute()).map(readRun);
}

/** The record of a run, without what only its worker needs. */
export function readRun({ worker: _worker, lease_until: _until, ...row }: Selectable<RunRow>): RunRecord {
  return recordOf<RunRecord>(row, { json: ['args', 'plan', 'steps', 'error'] });
}
