import type { Kysely } from 'kysely';

/** The coverage of a standing approval, and the guests to which a requester was limited. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('leases')
    .addColumn('raised', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('approvals').addColumn('scope', 'text').execute();
}
