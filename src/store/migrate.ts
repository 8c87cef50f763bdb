import { DEFAULT_MIGRATION_TABLE, type Kysely, Migrator, sql } from 'kysely';
import { fail } from '../core/errors/errors.ts';
import * as spine from './migrations/001-spine.ts';
import * as identities from './migrations/002-identities.ts';
import * as runLease from './migrations/003-run-lease.ts';
import * as policy from './migrations/004-policy.ts';
import * as retention from './migrations/005-retention.ts';
import * as decided from './migrations/006-decided.ts';
import * as requests from './migrations/007-requests.ts';
import * as births from './migrations/008-births.ts';
import type { Database } from './schema.ts';

/** In order; a migration that was released is never edited. */
export const MIGRATIONS = {
  '001-spine': spine,
  '002-identities': identities,
  '003-run-lease': runLease,
  '004-policy': policy,
  '005-retention': retention,
  '006-decided': decided,
  '007-requests': requests,
  '008-births': births,
};

/** Applies the migrations that are missing. @throws store_unavailable when a newer version made the store */
export async function migrate(db: Kysely<Database>): Promise<void> {
  if (await isUpToDate(db)) return;
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  const [, newer] = /previously executed migration (\S+) is missing/.exec(error instanceof Error ? error.message : '') ?? [];
  if (newer !== undefined)
    fail('store_unavailable', `A newer version of proxmox-mcp created this store (it has ${newer}).`, {
      hint: 'Use that version or a newer one, or give this version its own store (PROXMOX_DATA_DIR, PROXMOX_DATABASE_URL).',
      cause: error,
    });
  if (error) throw error;
}

/** One query instead of the many of the migrator, which looks at every table first. */
async function isUpToDate(db: Kysely<Database>): Promise<boolean> {
  try {
    const { rows } = await sql<{ name: string }>`select name from ${sql.table(DEFAULT_MIGRATION_TABLE)} order by name`.execute(db);
    return rows.map(({ name }) => name).join() === Object.keys(MIGRATIONS).join();
  } catch {
    // A new store has no such table. Any other fault appears again in the migrator.
    return false;
  }
}
