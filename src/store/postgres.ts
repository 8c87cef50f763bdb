import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { fail } from '../core/errors.ts';
import { migrate } from './migrate.ts';
import type { Database } from './schema.ts';

/** How long a lost database is waited for: long enough for a restart. */
const RETRY_SECONDS = 30;
const PAUSE_MS = 250;

/** SQLSTATE classes 08 (connection), 57P (shutdown, not yet up), 53300 (too many connections), and what the socket says. */
const LOST = /^(08...|57P0[0-3]|53300|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT)$/;

/**
 * Opens the shared store of several replicas and brings its tables up to date; the migrations run behind an advisory lock.
 * @param url `postgres://user:password@host:5432/database`
 * @throws store_unavailable
 */
export async function openPostgres(url: string): Promise<Kysely<Database>> {
  const pool = new pg.Pool({ connectionString: url, max: 8, connectionTimeoutMillis: 5_000, application_name: 'proxmox-mcp' });
  // An idle connection that the server closes is replaced at the next query.
  pool.on('error', () => {});
  // One in use says so twice: its query fails, and this event would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  try {
    await patiently(() => migrate(db));
    return db;
  } catch (cause) {
    await db.destroy().catch(() => {});
    fail('store_unavailable', `The database cannot be used: ${cause instanceof Error ? cause.message : 'unknown fault'}.`, { cause });
  }
}

/** Repeats work whose connection was lost, until the database is back. The work must be safe to repeat: it may have been committed. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + RETRY_SECONDS * 1000; ; ) {
    try {
      return await work();
    } catch (error) {
      if (!isLost(error) || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

function isLost(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return LOST.test(code ?? '') || /Connection terminated|connection timeout|Client has encountered a connection error/i.test(message ?? '');
}
