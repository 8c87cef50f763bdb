import type { Kysely } from 'kysely';

/** The latest decisions are looked up every second while a page of the console is open. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.createIndex('approvals_by_decision').on('approvals').columns(['cluster', 'decided_at', 'id']).execute();
}
