import { type Kysely, sql } from 'kysely';
import type { Database } from '../schema.ts';

/** Rows of one statement: longer ones would keep other writers waiting. */
const BATCH = 500;
/** Runs and approvals in a final state. `pending`, `executing` and `unknown` ones stay. */
const ENDED = ['succeeded', 'failed', 'denied', 'expired', 'stale'];

/** Stays: a server of this machine alone asks for a token once one exists, and a store without any is open to every user of the machine. */
const lastToken = sql`select id from tokens order by expires_at desc, id desc limit 1`;

type Table = 'runs' | 'approvals' | 'leases' | 'tokens' | 'sessions';

/** Deletes what ended long ago. The rows that say "created here" (`guests`) are never touched. */
export function retentionIn(db: Kysely<Database>) {
  /** Deletes the rows that the condition names, some at a time. */
  async function remove(table: Table, key: string, condition: ReturnType<typeof sql<boolean>>): Promise<number> {
    for (let removed = 0; ; ) {
      const { numAffectedRows = 0n } = await sql`
        delete from ${sql.table(table)} where ${sql.ref(key)} in
          (select ${sql.ref(key)} from ${sql.table(table)} where ${condition} limit ${sql.lit(BATCH)})`.execute(db);
      removed += Number(numAffectedRows);
      if (Number(numAffectedRows) < BATCH) return removed;
    }
  }

  return {
    /** Whether this process is the one that does it now. @param before ISO time: true only if no process on this store did it since */
    async isDue(name: string, now: string, before: string): Promise<boolean> {
      const { numAffectedRows } = await sql`
        insert into marks (name, at) values (${name}, ${now})
        on conflict (name) do update set at = excluded.at where marks.at < ${before}`.execute(db);
      return Number(numAffectedRows ?? 0n) > 0;
    },

    /** @param before ISO time: what ended earlier goes */
    async prune(before: string): Promise<Record<Table, number>> {
      const ended = sql.join(ENDED.map((status) => sql.lit(status)));
      const removed = {
        runs: await remove('runs', 'id', sql<boolean>`status in (${ended}) and ended_at < ${before}`),
        approvals: await remove('approvals', 'id', sql<boolean>`status in (${ended}) and coalesce(decided_at, expires_at) < ${before}`),
        leases: await remove('leases', 'id', sql<boolean>`expires_at < ${before}`),
        tokens: await remove('tokens', 'id', sql<boolean>`(expires_at < ${before} or revoked_at < ${before}) and id <> (${lastToken})`),
        sessions: await remove('sessions', 'cookie_hash', sql<boolean>`used_at < ${before}`),
      };
      await sql`delete from run_upids where run_id not in (select id from runs)`.execute(db);
      await sql`delete from marks where name like 'form %' and at < ${before}`.execute(db);
      await sql`delete from decisions where approval_id not in (select id from approvals)`.execute(db);
      return removed;
    },

    /** Guests whose names were last seen before that time, with their VMIDs where known. */
    async oldNames(cluster: string, before: string, limit: number): Promise<{ vmid: number; key: string }[]> {
      const rows = await db
        .selectFrom('guest_names')
        .select(['vmid', 'key'])
        .distinct()
        .where('cluster', '=', cluster)
        .where('vmid', 'is not', null)
        .where('seen_at', '<', before)
        .limit(limit)
        .execute();
      return rows.map(({ vmid, key }) => ({ vmid: Number(vmid), key }));
    },

    async forgetNames(cluster: string, keys: string[]): Promise<void> {
      if (keys.length > 0) await db.deleteFrom('guest_names').where('cluster', '=', cluster).where('key', 'in', keys).execute();
    },
  };
}
