import { type Kysely, PostgresAdapter, sql } from 'kysely';

/** The few places where SQLite and PostgreSQL differ. */
function isPostgres(db: Kysely<never> | Kysely<unknown>): boolean {
  return (db as Kysely<unknown>).getExecutor().adapter instanceof PostgresAdapter;
}

/** Column type of a number that the database counts up. */
export function autoIncrement(db: Kysely<unknown>): 'integer' | 'serial' {
  return isPostgres(db) ? 'serial' : 'integer';
}

/** How long a transaction may be silent before PostgreSQL ends it: that of a machine that lost its network would stop all replicas. */
const SILENCE = '10s';

/**
 * Runs several statements with no other writer in between, in any process or replica. SQLite: BEGIN IMMEDIATE, since a deferred
 * transaction that writes later loses with SQLITE_BUSY. PostgreSQL: a transaction behind one advisory lock, so that rows become visible
 * in the order of their numbers. Each statement there sees what was committed before it, whatever the database's default is. Nothing but queries
 * may happen inside.
 */
export async function exclusive<DB, T>(db: Kysely<DB>, work: (tx: Kysely<DB>) => Promise<T>): Promise<T> {
  if (isPostgres(db as unknown as Kysely<unknown>)) {
    const transaction = db.transaction().setIsolationLevel('read committed');
    return transaction.execute(async (tx) => {
      await sql`select pg_advisory_xact_lock(7070131), set_config('idle_in_transaction_session_timeout', ${SILENCE}, true)`.execute(tx);
      return work(tx);
    });
  }
  return db.connection().execute(async (tx) => {
    await sql`begin immediate`.execute(tx);
    try {
      const result = await work(tx);
      await sql`commit`.execute(tx);
      return result;
    } catch (error) {
      await sql`rollback`.execute(tx).catch(() => {});
      throw error;
    }
  });
}
