import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { fail } from '../core/errors/errors.ts';

/** How long an append waits for other processes before it gives up; each holds the lock for about a millisecond. */
const PATIENCE_MS = 15_000;

/** A lock between processes that dies with its holder. */
export interface FileLock {
  /** Runs `work` while no other process holds the lock. */
  hold<T>(work: () => Promise<T>): Promise<T>;
  close(): void;
}

/**
 * Locks through an empty SQLite file of its own beside the audit: BEGIN IMMEDIATE gives a lock that the system takes back when the process
 * dies, on every platform, without native code beyond what the store needs anyway. Nothing is ever written to it.
 */
export async function openLock(path: string): Promise<FileLock> {
  const { default: SqliteDatabase } = await import('../sqlite.ts');
  const db: Database = new SqliteDatabase(path, { timeout: 0 });
  const begin = db.prepare('BEGIN IMMEDIATE');
  const end = db.prepare('ROLLBACK');

  let withoutJournal = false;

  /** @param until as performance.now() tells it @returns whether it is ours; false while another process holds it */
  function take(until: number): boolean {
    try {
      // Nothing is rolled back here, and looking for journals in the folder is three quarters of the cost of a lock.
      if (!withoutJournal) db.pragma('journal_mode = MEMORY');
      withoutJournal = true;
      begin.run();
      return true;
    } catch (error) {
      const code = String((error as { code?: string }).code);
      if (/^SQLITE_(NOTADB|CORRUPT)/.test(code))
        fail('audit_unavailable', `The lock file ${path} of the audit trail is damaged.`, {
          hint: 'Delete that file. It contains no data.',
          cause: error,
        });
      if (!code.startsWith('SQLITE_BUSY') || performance.now() > until) throw error;
      return false;
    }
  }

  return {
    async hold(work) {
      // Waiting inside SQLite would stop the whole server; a random pause keeps processes from meeting again.
      for (const until = performance.now() + PATIENCE_MS; !take(until); ) await sleep(1 + Math.random() * 4);
      try {
        return await work();
      } finally {
        end.run();
      }
    },
    close: () => db.close(),
  };
}
