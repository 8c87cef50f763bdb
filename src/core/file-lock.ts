import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, fail } from './errors/errors.ts';

/** A lock between processes that dies with its holder. */
export interface FileLock {
  /** Runs `work` while no other process holds the lock. */
  hold<T>(work: () => Promise<T>): Promise<T>;
  close(): void;
}

/**
 * Locks through an empty SQLite file, to which nothing is ever written. The system releases the lock of BEGIN IMMEDIATE when the process
 * dies, on every platform. It needs no native code beyond that of the store.
 * @param options.patienceMs how long `hold` waits for other processes
 * @param options.damaged the error when the file is not such a file
 */
export async function openFileLock(
  path: string,
  { patienceMs, damaged }: { patienceMs: number; damaged: { code: ErrorCode; hint: string } },
): Promise<FileLock> {
  const { default: SqliteDatabase } = await import('../sqlite.ts');
  const db = new SqliteDatabase(path, { timeout: 0 });
  const begin = db.prepare('BEGIN IMMEDIATE');
  const end = db.prepare('ROLLBACK');
  let withoutJournal = false;

  /** @param until as performance.now() tells it @returns false while another process holds the lock */
  function take(until: number): boolean {
    try {
      // Nothing is rolled back here, and looking for journals in the folder is three quarters of the cost of a lock.
      if (!withoutJournal) db.pragma('journal_mode = MEMORY');
      withoutJournal = true;
      begin.run();
      return true;
    } catch (cause) {
      const code = String((cause as { code?: string }).code);
      if (/^SQLITE_(NOTADB|CORRUPT)/.test(code)) fail(damaged.code, `The lock file ${path} is damaged.`, { hint: damaged.hint, cause });
      if (!code.startsWith('SQLITE_BUSY') || performance.now() > until) throw cause;
      return false;
    }
  }

  return {
    async hold(work) {
      // Waiting inside SQLite would stop the only thread, and with it every other caller. A random pause keeps processes from meeting again.
      for (const until = performance.now() + patienceMs; !take(until); ) await sleep(1 + Math.random() * 4);
      try {
        return await work();
      } finally {
        end.run();
      }
    },
    close: () => db.close(),
  };
}
