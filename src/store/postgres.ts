import { setTimeout as sleep } from 'node:timers/promises';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { fail, ProxmoxMcpError } from '../core/errors/errors.ts';
import { migrate } from './migrate.ts';
import type { Database } from './schema.ts';

/** How long a query waits for a lost database: long enough for a restart. */
const RETRY_SECONDS = 30;
const PAUSE_MS = 250;
/** Leases and expiries are times: replicas whose clocks differ by more than a fraction of a lease (30 s) would take work from each other. */
const MAX_SKEW_MS = 5_000;

/** How often (ms) the system asks a silent database whether it is there: a query to one that lost its power would wait for ever. */
const PROBE_MS = 10_000;

/**
 * Faults that pass: SQLSTATE classes 08 (connection) and 57P (shutdown, not yet up), conflicts with another transaction (40001, 40P01), time-outs
 * (55P03, 57014), and those of the socket. 25006 is a standby, as in a failover. 25P03: this process slept in a transaction. 53300: too many
 * connections.
 */
const PASSES = /^(08...|57P0[0-5]|40001|40P01|25006|25P03|53300|55P03|57014|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT)$/;
/** Encodings in which every text can be stored; SQL_ASCII keeps the bytes of UTF-8 as they are. */
const ENCODINGS = ['UTF8', 'SQL_ASCII'];

/**
 * Opens the shared store of several replicas and brings its tables up to date; the migrations run behind an advisory lock.
 * @param url `postgres://user:password@host:5432/database`
 * @throws store_unavailable
 */
export async function openPostgres(url: string): Promise<Kysely<Database>> {
  const pool = new pg.Pool({
    connectionString: url,
    max: 8,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: PROBE_MS,
    application_name: 'proxmox-mcp',
    Client: ClientWithoutNul,
  });
  // An idle connection that the server closes is replaced at the next query.
  pool.on('error', () => {});
  // A connection in use fails its query and emits this event, which would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  try {
    await patiently(() => checkEncoding(db));
    await patiently(() => migrate(db));
    await checkClock(db);
    return db;
  } catch (cause) {
    await db.destroy().catch(() => {});
    if (cause instanceof ProxmoxMcpError) throw cause;
    fail('store_unavailable', `The database cannot be used: ${cause instanceof Error ? cause.message : 'unknown fault'}.`, { cause });
  }
}

/** PostgreSQL refuses a text with NUL, which a caller can write into a reason, an id or a client's name. It is stored as U+FFFD. */
class ClientWithoutNul extends pg.Client {
  // biome-ignore lint/suspicious/noExplicitAny: this method of pg has nine forms, of which Kysely uses the one with a text and values.
  override query(...[text, values, ...rest]: any[]): any {
    const clean = Array.isArray(values) ? values.map((one) => (typeof one === 'string' ? one.replaceAll('\0', '\uFFFD') : one)) : values;
    return Reflect.apply(super.query, this, [text, clean, ...rest]);
  }
}

/** @throws store_unavailable when a name or a reason could hold what the database cannot store: a journal that fails loses what was sent */
async function checkEncoding(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ server_encoding: string }>`show server_encoding`.execute(db);
  const encoding = rows[0]?.server_encoding ?? '';
  if (ENCODINGS.includes(encoding)) return;
  fail('store_unavailable', `The database has the encoding ${encoding}, which cannot store every text.`, {
    hint: "Create one in UTF-8: CREATE DATABASE mcp ENCODING 'UTF8' TEMPLATE template0.",
  });
}

/** Checks that the database answers and that its clock agrees with this machine's. @throws store_unavailable */
export async function checkClock(db: Kysely<Database>): Promise<void> {
  const before = Date.now();
  const { rows } = await sql<{ ms: string }>`select extract(epoch from clock_timestamp()) * 1000 as ms`.execute(db);
  const after = Date.now();
  const skew = Number(rows[0]?.ms) - (before + after) / 2;
  if (Math.abs(skew) <= MAX_SKEW_MS + (after - before) / 2) return;
  fail(
    'store_unavailable',
    `The clock of this machine is ${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'behind' : 'ahead of'} that of the database.`,
    {
      hint: 'Synchronise the clocks of all replicas and the database by NTP, then start again.',
    },
  );
}

/** Repeats work that the database could not do now, until it can. The work must be safe to repeat: it may have been committed. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + RETRY_SECONDS * 1000; ; ) {
    try {
      return await work();
    } catch (error) {
      const waits = passes(error) && performance.now() <= deadline;
      if (!waits && (passes(error) || isRefused(error)))
        fail('store_unavailable', `The database cannot be used: ${(error as Error).message}.`, { cause: error });
      if (!waits) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** SQLSTATE class 28 (wrong password), 3D000 (no such database), 42501 (no rights), 53100 (its disk is full). */
function isRefused(error: unknown): boolean {
  return /^(28...|3D000|42501|53100)$/.test((error as { code?: string }).code ?? '');
}

function passes(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return (
    PASSES.test(code ?? '') ||
    /Connection terminated|connection timeout|timeout exceeded when trying to connect|Client has encountered a connection error/i.test(
      message ?? '',
    )
  );
}
