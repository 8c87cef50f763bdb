import type { Kysely } from 'kysely';
import { type Approvals, approvalsIn } from './approvals.ts';
import { type Leases, leasesIn } from './leases.ts';
import { type Keys, keysIn, type Principals, principalsIn } from './principals.ts';
import { type Sessions, sessionsIn } from './principals-sessions.ts';
import { type Reservations, reservationsIn } from './reservations.ts';
import { type Runs, runsIn } from './runs.ts';
import type { Database } from './schema.ts';
import { type Secrets, secretsIn } from './secrets.ts';
import { type Tokens, tokensIn } from './tokens.ts';

/** Everything this server remembers, beside the audit. */
export interface Store {
  approvals: Approvals;
  runs: Runs;
  reservations: Reservations;
  secrets: Secrets;
  tokens: Tokens;
  principals: Principals;
  sessions: Sessions;
  keys: Keys;
  leases: Leases;
  close(): Promise<void>;
}

export function storeOn(db: Kysely<Database>): Store {
  return {
    approvals: approvalsIn(db),
    runs: runsIn(db),
    reservations: reservationsIn(db),
    secrets: secretsIn(db),
    tokens: tokensIn(db),
    principals: principalsIn(db),
    sessions: sessionsIn(db),
    keys: keysIn(db),
    leases: leasesIn(db),
    close: () => db.destroy(),
  };
}

/**
 * Opens the store: the shared PostgreSQL where a URL is given, the embedded SQLite in the data folder otherwise.
 * @throws store_unavailable
 */
export async function openStore(options: { dataDir: string; databaseUrl?: string }): Promise<Store> {
  if (options.databaseUrl === undefined) return storeOn(await (await import('./sqlite.ts')).openSqlite(options.dataDir));
  const { openPostgres, patiently } = await import('./postgres.ts');
  return repeating(storeOn(await openPostgres(options.databaseUrl)), patiently);
}

/** Every method of the store is safe to repeat, because rows are named by ids that the caller chose; so a restart of the database is waited out. */
function repeating(store: Store, again: <T>(work: () => Promise<T>) => Promise<T>): Store {
  const wrap = <T extends object>(part: T): T =>
    Object.fromEntries(Object.entries(part).map(([name, method]) => [name, (...args: unknown[]) => again(() => method(...args))])) as T;
  return {
    approvals: wrap(store.approvals),
    runs: wrap(store.runs),
    reservations: wrap(store.reservations),
    secrets: wrap(store.secrets),
    tokens: wrap(store.tokens),
    principals: wrap(store.principals),
    sessions: wrap(store.sessions),
    keys: wrap(store.keys),
    leases: wrap(store.leases),
    close: store.close,
  };
}
