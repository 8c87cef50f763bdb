import { type Kysely, sql } from 'kysely';
import { type Approvals, approvalsIn } from './repositories/approvals.ts';
import { type Guests, guestsIn } from './repositories/guests.ts';
import { type OpenRuns, openRunsIn } from './repositories/open-runs.ts';
import { type Keys, keysIn, type Principals, principalsIn } from './repositories/principals.ts';
import { type Sessions, sessionsIn } from './repositories/principals-sessions.ts';
import { type Reservations, reservationsIn } from './repositories/reservations.ts';
import { type Retention, retentionIn } from './repositories/retention.ts';
import { type Runs, runsIn } from './repositories/runs.ts';
import { type Secrets, secretsIn } from './repositories/secrets.ts';
import { type StandingApprovals, standingIn } from './repositories/standing.ts';
import { type Tokens, tokensIn } from './repositories/tokens.ts';
import type { Database } from './schema.ts';

/** Everything this server remembers, beside the audit. */
export interface Store {
  approvals: Approvals;
  runs: Runs;
  openRuns: OpenRuns;
  reservations: Reservations;
  secrets: Secrets;
  tokens: Tokens;
  principals: Principals;
  sessions: Sessions;
  keys: Keys;
  guests: Guests;
  standing: StandingApprovals;
  retention: Retention;
  /** That the database answers, and has the time that this machine has. @throws store_unavailable */
  check(): Promise<void>;
  close(): Promise<void>;
}

function storeOn(db: Kysely<Database>, check: () => Promise<void>): Store {
  return {
    approvals: approvalsIn(db),
    runs: runsIn(db),
    openRuns: openRunsIn(db),
    reservations: reservationsIn(db),
    secrets: secretsIn(db),
    tokens: tokensIn(db),
    principals: principalsIn(db),
    sessions: sessionsIn(db),
    keys: keysIn(db),
    guests: guestsIn(db),
    standing: standingIn(db),
    retention: retentionIn(db),
    check,
    close: () => db.destroy(),
  };
}

/**
 * Opens the store: the shared PostgreSQL where a URL is given, the embedded SQLite in the data folder otherwise.
 * @param options.notice gets what the operator should know of the store, once
 * @throws store_unavailable
 */
export async function openStore(options: { dataDir: string; databaseUrl?: string; notice?: (text: string) => void }): Promise<Store> {
  if (options.databaseUrl === undefined) {
    const { dataDir, notice } = options;
    const { openSqlite, patiently } = await import('./sqlite.ts');
    const db = await openSqlite(dataDir, notice);
    return repeating(
      storeOn(db, async () => void (await sql`select 1`.execute(db))),
      (work) => patiently(work, dataDir),
    );
  }
  const { checkClock, openPostgres, patiently } = await import('./postgres.ts');
  const db = await openPostgres(options.databaseUrl);
  return repeating(
    storeOn(db, () => checkClock(db)),
    patiently,
  );
}

/**
 * Every method of the store is safe to repeat, because rows are named by ids that the caller chose; so a restart of the database, or a lock
 * of another process, is waited out.
 */
function repeating(store: Store, again: <T>(work: () => Promise<T>) => Promise<T>): Store {
  const wrap = <T extends object>(part: T): T =>
    Object.fromEntries(Object.entries(part).map(([name, method]) => [name, (...args: unknown[]) => again(() => method(...args))])) as T;
  return {
    approvals: wrap(store.approvals),
    runs: wrap(store.runs),
    openRuns: wrap(store.openRuns),
    reservations: wrap(store.reservations),
    secrets: wrap(store.secrets),
    tokens: wrap(store.tokens),
    principals: wrap(store.principals),
    sessions: wrap(store.sessions),
    keys: wrap(store.keys),
    guests: wrap(store.guests),
    standing: wrap(store.standing),
    retention: wrap(store.retention),
    check: () => again(store.check),
    close: store.close,
  };
}
