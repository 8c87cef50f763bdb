import { type Kysely, sql } from 'kysely';
import { approvalsIn } from './repositories/approvals.ts';
import { guestsIn } from './repositories/guests.ts';
import { keysIn, principalsIn } from './repositories/principals.ts';
import { reservationsIn } from './repositories/reservations.ts';
import { retentionIn } from './repositories/retention.ts';
import { runsIn } from './repositories/runs.ts';
import { secretsIn } from './repositories/secrets.ts';
import { sessionsIn } from './repositories/sessions.ts';
import { standingIn } from './repositories/standing.ts';
import { tokensIn } from './repositories/tokens.ts';
import type { Database } from './schema.ts';

const REPOSITORIES = {
  approvals: approvalsIn,
  runs: runsIn,
  reservations: reservationsIn,
  secrets: secretsIn,
  tokens: tokensIn,
  principals: principalsIn,
  sessions: sessionsIn,
  keys: keysIn,
  guests: guestsIn,
  standing: standingIn,
  retention: retentionIn,
};
type Repositories = { [Name in keyof typeof REPOSITORIES]: ReturnType<(typeof REPOSITORIES)[Name]> };

/** Everything that this server remembers, besides the audit. */
export interface Store extends Repositories {
  /** Checks that the database answers and that its clock agrees with this machine's. @throws store_unavailable */
  check(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the store: the shared PostgreSQL where a URL is given, the embedded SQLite in the data folder otherwise.
 * @param options.notice receives what the operator should know about the store
 * @throws store_unavailable
 */
export async function openStore(options: { dataDir: string; databaseUrl?: string; notice?: (text: string) => void }): Promise<Store> {
  if (options.databaseUrl === undefined) {
    const { dataDir, notice } = options;
    const { openSqlite, patiently } = await import('./sqlite.ts');
    const db = await openSqlite(dataDir, notice);
    const check = async () => void (await sql`select 1`.execute(db));
    return storeOn(db, check, (work) => patiently(work, dataDir));
  }
  const { checkClock, openPostgres, patiently } = await import('./postgres.ts');
  const db = await openPostgres(options.databaseUrl);
  return storeOn(db, () => checkClock(db), patiently);
}

/** Every method is safe to repeat, because callers choose the ids of rows. So each waits for a database that restarts or is locked. */
function storeOn(db: Kysely<Database>, check: () => Promise<void>, again: <T>(work: () => Promise<T>) => Promise<T>): Store {
  const repeating = <T extends object>(part: T): T =>
    Object.fromEntries(Object.entries(part).map(([name, method]) => [name, (...args: unknown[]) => again(() => method(...args))])) as T;
  const repositories = Object.entries(REPOSITORIES).map(([name, on]) => [name, repeating(on(db))]);
  return { ...(Object.fromEntries(repositories) as Repositories), check: () => again(check), close: () => db.destroy() };
}
