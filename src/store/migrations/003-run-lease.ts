import type { Kysely } from 'kysely';

/** Which lease covered a run, so that every line of the audit about it can name it, also after a crash. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('runs').addColumn('lease_id', 'text').execute();
}
