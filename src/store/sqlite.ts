import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Kysely, SqliteDialect } from 'kysely';
import { fail } from '../core/errors.ts';
import SqliteDatabase from '../sqlite.ts';
import { migrate } from './migrate.ts';
import type { Database } from './schema.ts';

/**
 * Opens the embedded store of one installation and brings its tables up to date. Several processes may do so at once.
 * @param dataDir folder of this installation; created with mode 0700
 * @throws store_unavailable
 */
export async function openSqlite(dataDir: string): Promise<Kysely<Database>> {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return await alone(join(dataDir, 'migrate.lock'), async () => {
      const file = join(dataDir, 'store.sqlite');
      const sqlite = new SqliteDatabase(file, { timeout: 20_000 });
      chmodSync(file, 0o600);
      sqlite.pragma('journal_mode = WAL');
      sqlite.pragma('synchronous = FULL');
      sqlite.pragma('secure_delete = ON');
      const db = new Kysely<Database>({ dialect: new SqliteDialect({ database: sqlite }) });
      await migrate(db);
      return db;
    });
  } catch (cause) {
    fail('store_unavailable', `The store in ${dataDir} cannot be opened: ${cause instanceof Error ? cause.message : 'unknown fault'}.`, {
      cause,
    });
  }
}

/**
 * SQLite has no lock that spans a migration, so a second file is locked meanwhile; the lock dies with the process. It is asked for again and
 * again rather than waited for: waiting blocks the thread on which the holder has to go on.
 */
async function alone<T>(lockFile: string, work: () => Promise<T>): Promise<T> {
  const lock = new SqliteDatabase(lockFile, { timeout: 0 });
  try {
    for (const deadline = Date.now() + 30_000; ; await new Promise((retry) => setTimeout(retry, 20))) {
      try {
        lock.exec('BEGIN IMMEDIATE');
        break;
      } catch (error) {
        if ((error as { code?: string }).code !== 'SQLITE_BUSY' || Date.now() > deadline) throw error;
      }
    }
    const result = await work();
    lock.exec('COMMIT');
    return result;
  } finally {
    lock.close();
  }
}
