import { type Kysely, Migrator } from 'kysely';
import { fail } from '../core/errors/errors.ts';
import * as spine from './migrations/001-spine.ts';
import * as identities from './migrations/002-identities.ts';
import * as runLease from './migrations/003-run-lease.ts';
import * as policy from './migrations/004-policy.ts';
import * as retention from './migrations/005-retention.ts';
import * as decided from './migrations/006-decided.ts';
import type { Database } from './schema.ts';

/** In order; a migration that was released is never edited. */
const MIGRATIONS = {
  '001-spine': spine,
  '002-identities': identities,
  '003-run-lease': runLease,
  '004-policy': policy,
  '005-retention': retention,
  '006-decided': decided,
};

/** Applies the migrations that are missing. @throws store_unavailable when a newer version made the store */
export async function migrate(db: Kysely<Database>): Promise<void> {
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
