import type { Kysely, Selectable } from 'kysely';
import { defined } from '../../core/defined.ts';
import type { Database, StandingRow } from '../schema.ts';

export interface StandingApproval {
  id: string;
  cluster: string;
  operations: string[];
  tag?: string;
  pool?: string;
  /** Guests that may still be touched: one call on five guests takes five. */
  usesLeft: number;
  /** Also covers plans that are graver than their operation, such as a stop by force. */
  raised?: boolean;
  madeBy: string;
  createdAt: string;
  expiresAt: string;
  revokedAt?: string;
}

/** Standing approvals: created by a human in a terminal, few uses, at most an hour, revocable. Also the names a guest was seen under. */
export function standingIn(db: Kysely<Database>) {
  return {
    async add(approval: StandingApproval): Promise<void> {
      await db
        .insertInto('leases')
        .values({
          id: approval.id,
          cluster: approval.cluster,
          operations: JSON.stringify(approval.operations),
          tag: approval.tag ?? null,
          pool: approval.pool ?? null,
          uses: approval.usesLeft,
          raised: approval.raised ? 1 : 0,
          made_by: approval.madeBy,
          created_at: approval.createdAt,
          expires_at: approval.expiresAt,
          revoked_at: null,
        })
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
    /** Takes a use for each of so many guests, if the lease still has them all now. */
    async use(id: string, guests: number, now: string): Promise<boolean> {
      const result = await db
        .updateTable('leases')
        .set((e) => ({ uses: e('uses', '-', guests) }))
        .where('id', '=', id)
        .where('uses', '>=', guests)
        .where('expires_at', '>', now)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      return Number(result.numUpdatedRows) === 1;
    },
    async revoke(id: string, cluster: string, now: string): Promise<boolean> {
      const result = await db
        .updateTable('leases')
        .set({ revoked_at: now })
        .where('id', '=', id)
        .where('cluster', '=', cluster)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      return Number(result.numUpdatedRows) === 1;
    },
  };
}
export type StandingApprovals = ReturnType<typeof standingIn>;

function read(row: Selectable<StandingRow>): StandingApproval {
  return {
    id: row.id,
    cluster: row.cluster,
    operations: JSON.parse(row.operations),
    ...defined({ tag: row.tag ?? undefined, pool: row.pool ?? undefined }),
    usesLeft: row.uses,
    ...(row.raised === 1 ? { raised: true } : {}),
    madeBy: row.made_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    ...defined({ revokedAt: row.revoked_at ?? undefined }),
  };
}
