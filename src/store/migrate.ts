import { type Kysely, Migrator } from 'kysely';
import * as spine from './migrations/001-spine.ts';
import * as identities from './migrations/002-identities.ts';
import * as runLease from './migrations/003-run-lease.ts';
import * as policy from './migrations/004-policy.ts';
import type { Database } from './schema.ts';

/** In order; a migration that was released is never edited. */
const MIGRATIONS = { '001-spine': spine, '002-identities': identities, '003-run-lease': runLease, '004-policy': policy };

/** Applies the migrations that are missing. */
export async function migrate(db: Kysely<Database>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  if (error) throw error;
}
