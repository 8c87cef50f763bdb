import type { Kysely } from 'kysely';

/** For the decisions about an equal request, and for the approvals of a caller in one state: else SQLite walks through all of that caller. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const index = (name: string, columns: string[]) => db.schema.createIndex(name).on('approvals').columns(columns).execute();
  await index('approvals_by_request', ['cluster', 'principal', 'args_digest', 'decided_at']);
  await index('approvals_by_state', ['cluster', 'principal', 'status', 'created_at']);
}
