import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Statement } from 'better-sqlite3';
import { Kysely, type SqliteDatabase as KyselySqlite, SqliteAdapter, SqliteDialect } from 'kysely';
import { ProxmoxMcpError } from '../core/errors/errors.ts';
import { openFileLock } from '../core/file-lock.ts';
import SqliteDatabase from '../sqlite.ts';
import { migrate } from './migrate.ts';
import type { Database } from './schema.ts';

/** How long another process may hold the store's lock; each holds it for milliseconds. */
const PATIENCE_MS = 20_000;

/**
 * Opens the embedded store of one installation and brings its tables up to date. Several processes may do so at once.
 * @param dataDir folder of this installation; created with mode 0700
 * @param notice receives a text when an empty file had to be created again
 * @throws store_unavailable
 */
export async function openSqlite(dataDir: string, notice: (text: string) => void = () => {}): Promise<Kysely<Database>> {
  const file = join(dataDir, 'store.sqlite');
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return await alone(dataDir, async () => {
      if (statSync(file, { throwIfNoEntry: false })?.size === 0)
        notice(`The store ${file} was empty and was created again. Its earlier approvals and runs are lost.`);
      // Waiting inside SQLite would stop the only thread, and with it every other caller.
      const sqlite = new SqliteDatabase(file, { timeout: 0 });
      const db = new Kysely<Database>({ dialect: new Dialect({ database: preparedOnce(sqlite) }) });
      try {
        chmodSync(file, 0o600);
        await patiently(async () => void sqlite.pragma('journal_mode = WAL'), dataDir);
        sqlite.pragma('synchronous = FULL');
        sqlite.pragma('secure_delete = ON');
        await patiently(() => migrate(db), dataDir);
        return db;
      } catch (error) {
        await db.destroy();
        throw error;
      }
    });
  } catch (cause) {
    throw unavailable(cause, dataDir);
  }
}

/** Migrations are one transaction, so that a crash in the middle of one leaves the tables as they were. SQLite can do so, which Kysely denies. */
class Dialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new Adapter();
  }
}
class Adapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** Most statements that are kept. The product has fewer, except for those with lists of any length. */
const MOST_STATEMENTS = 200;

/** The same database, which parses each statement once. Parsing takes longer than executing most of them. */
function preparedOnce(sqlite: InstanceType<typeof SqliteDatabase>): KyselySqlite {
  const statements = new Map<string, Statement>();
  return {
    prepare(sql) {
      const known = statements.get(sql);
      // A statement that is being read row by row cannot be used by another caller.
      if (known && !known.busy) return known;
      const made = sqlite.prepare(sql);
      if (statements.size >= MOST_STATEMENTS) statements.clear();
      statements.set(sql, made);
      return made;
    },
    close: () => void sqlite.close(),
  };
}

/** Repeats work that another process's lock kept from beginning. The work must be safe to repeat. @throws store_unavailable */
export async function patiently<T>(work: () => Promise<T>, dataDir: string): Promise<T> {
  for (const began = performance.now(); ; ) {
    try {
      return await work();
    } catch (error) {
      if (!isBusy(error)) throw codeOf(error).startsWith('SQLITE_') ? unavailable(error, dataDir) : error;
      const waited = performance.now() - began;
      if (waited > PATIENCE_MS) throw unavailable(error, dataDir);
      await sleep(pauseAfter(waited));
    }
  }
}

/** Pause (ms) before the next try. A random one keeps processes from meeting again; after a second, the holder is probably suspended. */
export const pauseAfter = (waitedMs: number): number => (1 + Math.random() * 19) * (waitedMs < 1_000 ? 1 : 5);

/** SQLite has no lock that spans a migration, so a second file is locked meanwhile. */
async function alone<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  const hint = 'Stop the servers on this folder and delete that file. It contains no data.';
  const lock = await openFileLock(join(dataDir, 'migrate.lock'), { patienceMs: 30_000, damaged: { code: 'store_unavailable', hint } });
  return lock.hold(work).finally(() => lock.close());
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code);
}

function isBusy(error: unknown): boolean {
  return codeOf(error).startsWith('SQLITE_BUSY');
}

function isDamaged(error: unknown): boolean {
  return /^SQLITE_(NOTADB|CORRUPT)/.test(codeOf(error));
}

function unavailable(cause: unknown, dataDir: string): ProxmoxMcpError {
  if (cause instanceof ProxmoxMcpError) return cause;
  const [reason, hint] = reasonOf(cause);
  return new ProxmoxMcpError('store_unavailable', `The store in ${dataDir} cannot be used: ${reason}.`, { hint, cause });
}

function reasonOf(cause: unknown): [reason: string, hint: string] {
  const code = codeOf(cause);
  const { message } = cause as { message?: string };
  if (isBusy(cause))
    return [
      'another process holds its lock for too long',
      'Find the process that has store.sqlite open (a backup, a shell) and end its transaction.',
    ];
  if (code === 'SQLITE_FULL' || code === 'ENOSPC') return ['the disk is full', 'Free some disk space; changes work again at once.'];
  if (/^(SQLITE_(READONLY|PERM|CANTOPEN)|EACCES|EPERM|EROFS)/.test(code))
    return ['no permission, or a read-only file system', 'Let the user of this server write to PROXMOX_DATA_DIR.'];
  if (isDamaged(cause))
    return [
      'store.sqlite is damaged',
      'Keep a copy of store.sqlite and restore a backup of it. Without one, move it away. Approvals and the history of runs then begin again.',
    ];
  return [message ?? 'unknown fault', 'Check PROXMOX_DATA_DIR, its permissions and the free space.'];
}
