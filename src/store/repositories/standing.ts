import type { Kysely, Selectable } from 'kysely';
import { exactly, recordOf, rowOf } from '../row.ts';
import type { Database, StandingApproval, StandingRow } from '../schema.ts';

/** Standing approvals: created by a human in a terminal, few uses, at most an hour, revocable. */
export function standingIn(db: Kysely<Database>) {
  return {
    async add({ usesLeft, raised = false, ...approval }: StandingApproval): Promise<void> {
      await db
        .insertInto('leases')
        .values(rowOf({ ...approval, uses: usesLeft, raised }))
        .onConflict((c) => c.doNothing())
        .execute();
    },
    async get(id: string): Promise<StandingApproval | undefined> {
      const row = await db.selectFrom('leases').selectAll().where('id', '=', id).executeTakeFirst();
      return row && read(row);
    },
    async list(cluster: string): Promise<StandingApproval[]> {
      return (await db.selectFrom('leases').selectAll().where('cluster', '=', cluster).orderBy('created_at', 'desc').execute()).map(read);
    },
    async open(cluster: string, now: string): Promise<StandingApproval[]> {
      const rows = await db
        .selectFrom('leases')
        .selectAll()
        .where('cluster', '=', cluster)
        .where('expires_at', '>', now)
        .where('uses', '>', 0)
        .where('revoked_at', 'is', null)
        .orderBy('expires_at')
        .execute();
      return rows.map(read);
    },
    /** Takes a use for each of so many guests, if the standing approval still has them all. @returns whether it had */
    async use(id: string, guests: number, now: string): Promise<boolean> {
      const { numUpdatedRows } = await db
        .updateTable('leases')
        .set((e) => ({ uses: e('uses', '-', guests) }))
        .where('id', '=', id)
        .where('uses', '>=', guests)
        .where('expires_at', '>', now)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    async revoke(id: string, cluster: string, now: string): Promise<boolean> {
      const { numUpdatedRows } = await db
        .updateTable('leases')
        .set({ revoked_at: now })
        .where((e) => e.and(exactly({ id, cluster })))
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
  };
}

function read({ uses, raised, ...row }: Selectable<StandingRow>): StandingApproval {
  const record = recordOf<StandingApproval>(row, { json: ['operations'] });
  return { ...record, usesLeft: uses, ...(raised === 1 ? { raised: true } : {}) };
}
