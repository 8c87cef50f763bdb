import type { Kysely } from 'kysely';
import type { RunRecord } from '../../core/plan/run.ts';
import { exclusive } from '../dialect.ts';
import { exactly } from '../row.ts';
import type { Database } from '../schema.ts';
import { readRun } from './run-reads.ts';

/** Since when a guest has its VMID. */
export interface Life {
  vmid: number;
  /** ISO time at which the run that made it began. */
  at: string;
  /** ISO time of the backup of its own VMID from which it was restored. */
  savedAt?: string | null | undefined;
}

/** Guests that were created here, and the names under which guests were seen. */
export function guestsIn(db: Kysely<Database>) {
  return {
    /**
     * Remembers a guest as created through this server, and which run did so or continued with it.
     * @param guest a run that continues with it leaves `at` and `savedAt` as they are
     */
    async remember({ runId, at, savedAt, ...guest }: Life & { cluster: string; key: string; runId: string }): Promise<void> {
      await db
        .insertInto('guests')
        .values({ ...guest, run_id: runId, created_at: at, saved_at: savedAt ?? null })
        .onConflict((c) => c.columns(['cluster', 'vmid', 'key']).doUpdateSet({ run_id: runId }))
        .execute();
    },
    /** Follows a guest that a change of ours gave another key. Nothing happens where no row has the former one. */
    async rekey(cluster: string, { vmid, key, next }: { vmid: number; key: string; next: string }): Promise<void> {
      await exclusive(db, async (tx) => {
        const one = (of: string) => exactly({ cluster, vmid, key: of });
        const former = tx
          .selectFrom('guests')
          .select('key')
          .where((e) => e.and(one(key)));
        // A repeated call finds the row under its new key alone, and must not delete it.
        if (!(await former.executeTakeFirst())) return;
        await tx
          .deleteFrom('guests')
          .where((e) => e.and(one(next)))
          .execute();
        await tx
          .updateTable('guests')
          .set({ key: next })
          .where((e) => e.and(one(key)))
          .execute();
        const names = tx.selectFrom('guest_names').select('name').where('cluster', '=', cluster).where('key', '=', next);
        const moved = tx
          .updateTable('guest_names')
          .set({ key: next })
          .where((e) => e.and(one(key)));
        await moved.where('name', 'not in', names).execute();
      });
    },
    async made(cluster: string, vmid: number, key: string): Promise<boolean> {
      const made = db.selectFrom('guests').select('run_id').where('cluster', '=', cluster).where('vmid', '=', vmid).where('key', '=', key);
      return (await made.executeTakeFirst()) !== undefined;
    },
    /** The run that made the guest, or the last one that continued with it. */
    async madeBy(cluster: string, vmid: number, key: string): Promise<RunRecord | undefined> {
      const row = await db
        .selectFrom('guests')
        .innerJoin('runs', 'runs.id', 'guests.run_id')
        .selectAll('runs')
        .where((e) => e.and(exactly({ 'guests.cluster': cluster, 'guests.vmid': vmid, 'guests.key': key })))
        .executeTakeFirst();
      return row && readRun(row);
    },
    /** The guests that were made under these VMIDs, the last one first, each with the run that made it or continued with it. */
    async lives(cluster: string, vmids: readonly number[]): Promise<(Life & { runId: string })[]> {
      if (vmids.length === 0) return [];
      return db
        .selectFrom('guests')
        .select(['vmid', 'created_at as at', 'saved_at as savedAt', 'run_id as runId'])
        .where('cluster', '=', cluster)
        .where('vmid', 'in', vmids)
        .orderBy('created_at', 'desc')
        .execute();
    },
    async madeVmids(cluster: string): Promise<number[]> {
      return (await db.selectFrom('guests').select('vmid').distinct().where('cluster', '=', cluster).execute()).map((r) => r.vmid);
    },

    /** Remembers a name of a guest, so that renaming it before a request does not hide what it was. */
    async sawName(cluster: string, { key, name, vmid }: { key: string; name: string; vmid: number }, now: string): Promise<void> {
      await db
        .insertInto('guest_names')
        .values({ cluster, key, name, vmid, seen_at: now })
        .onConflict((c) => c.columns(['cluster', 'key', 'name']).doUpdateSet({ seen_at: now, vmid }))
        .execute();
    },
    /** Newest first. */
    async names(cluster: string, key: string): Promise<string[]> {
      const seen = db.selectFrom('guest_names').select('name').where('cluster', '=', cluster).where('key', '=', key);
      return (await seen.orderBy('seen_at', 'desc').execute()).map(({ name }) => name);
    },
  };
}
