import { type Kysely, type Selectable, type SelectQueryBuilder, sql } from 'kysely';
import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { distinctOwners } from '../../core/people/owner.ts';
import type { ApprovalMethod, ApprovalRecord, ApprovalStatus } from '../../core/plan/approval.ts';
import { exclusive } from '../dialect.ts';
import { exactly, recordOf, rowOf } from '../row.ts';
import type { ApprovalRow, Database } from '../schema.ts';
import { eraseSecrets } from './secrets.ts';

export interface NewApproval
  extends Omit<ApprovalRecord, 'status' | 'createdAt' | 'decidedBy' | 'decidedVia' | 'note' | 'runId' | 'decidedAt'> {
  argsDigest: string;
}
export interface ApprovalFilter {
  principal?: string;
  cluster?: string;
  status?: ApprovalStatus;
  limit: number;
  /** The `id` of the last approval of the page before. */
  cursor?: string;
}

/** Final states without a run. The end of a run erases the secrets of its approval. */
const FINAL: readonly ApprovalStatus[] = ['denied', 'expired', 'stale'];

/** Approvals: a small state machine whose moves are single conditional UPDATEs. */
export function approvalsIn(db: Kysely<Database>) {
  return {
    /**
     * Notes that a form was answered. A repeated call is known by its time, because the first one may have been committed.
     * @returns false when an answer to it was noted at another time, by any process
     */
    async isFirstAnswer(formId: string, now: string): Promise<boolean> {
      const { numAffectedRows } = await sql`
        insert into marks (name, at) values (${`form ${formId}`}, ${now})
        on conflict (name) do update set at = excluded.at where marks.at = excluded.at`.execute(db);
      return Number(numAffectedRows ?? 0n) > 0;
    },

    /**
     * Stores a pending approval, or finds the identical one that is pending already.
     * @param maxPending per cluster and principal, and per guest; a full queue refuses and never evicts
     * @returns `ended`: those that expired, and the one that this one replaces
     */
    async request(
      approval: NewApproval,
      now: string,
      maxPending: number,
    ): Promise<(ApprovalRecord & { ended?: ApprovalRecord[] }) | 'full'> {
      return exclusive(db, async (tx) => {
        const ended = await expire(tx, approval.cluster, now);
        const mine = pendingOn(tx, approval.cluster).where('principal', '=', approval.principal);
        const same = await mine.selectAll().where('args_digest', '=', approval.argsDigest).executeTakeFirst();
        if (same && same.digest === approval.digest) return { ...read(same), ...(ended.length > 0 ? { ended } : {}) };
        const row = write(approval, now);
        const vmid = approval.plan.target?.vmid;
        const queues = [mine, ...(vmid === undefined ? [] : [pendingOn(tx, approval.cluster).where('target_vmid', '=', vmid)])];
        for (const queue of queues) if ((await count(queue.where('id', '!=', same?.id ?? ''))) >= maxPending) return 'full';
        // The cluster changed since the identical request: the old plan would only become stale, so the new one takes its place.
        if (same) {
          const stale = { status: 'stale', note: 'replaced by a newer request', decided_at: now } as const;
          await tx.updateTable('approvals').set(stale).where('id', '=', same.id).execute();
          await eraseSecrets(tx, [same.id]);
          ended.push(read({ ...same, ...stale }));
        }
        await tx.insertInto('approvals').values(row).execute();
        return { ...read(row), ...(ended.length > 0 ? { ended } : {}) };
      });
    },

    async get(id: string): Promise<ApprovalRecord | undefined> {
      const row = await db.selectFrom('approvals').selectAll().where('id', '=', id).executeTakeFirst();
      return row && (await withAgreed(db, [read(row)]))[0];
    },

    async list({ limit, cursor, ...filter }: ApprovalFilter): Promise<{ approvals: ApprovalRecord[]; total: number; nextCursor?: string }> {
      const query = db.selectFrom('approvals').where((e) => e.and(defined(filter)));
      const total = await count(query);
      let page = query
        .selectAll()
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit + 1);
      if (cursor !== undefined) {
        const after = await db.selectFrom('approvals').select(['created_at', 'id']).where('id', '=', cursor).executeTakeFirst();
        if (!after) fail('invalid_arguments', 'cursor is not the next_cursor of an earlier answer.');
        page = page.where((e) => e(e.refTuple('created_at', 'id'), '<', e.tuple(after.created_at, after.id)));
      }
      const rows = await page.execute();
      const approvals = await withAgreed(db, rows.slice(0, limit).map(read));
      const last = approvals.at(-1);
      return { approvals, total, ...(rows.length > limit && last ? { nextCursor: last.id } : {}) };
    },

    /** The pending ones, next to expire first, and how many there are in all. */
    async pending(cluster: string, limit: number): Promise<{ approvals: ApprovalRecord[]; total: number }> {
      const query = pendingOn(db, cluster);
      const total = await count(query);
      const rows = await query.selectAll().orderBy('expires_at').orderBy('id').limit(limit).execute();
      return { approvals: await withAgreed(db, rows.map(read)), total };
    },

    /** Those that are no longer pending, the latest decision first, however old the request. */
    async decided(cluster: string, limit: number): Promise<ApprovalRecord[]> {
      const rows = await db
        .selectFrom('approvals')
        .selectAll()
        .where('cluster', '=', cluster)
        .where('decided_at', 'is not', null)
        .orderBy('decided_at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit)
        .execute();
      return withAgreed(db, rows.map(read));
    },

    /** Changes the status of an approval, if it still has the one that the caller saw. @returns whether this call changed it */
    async move(
      id: string,
      from: ApprovalStatus,
      to: ApprovalStatus,
      set: { decidedBy?: string; decidedVia?: ApprovalMethod; note?: string; decidedAt?: string } = {},
    ): Promise<boolean> {
      return exclusive(db, async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('approvals')
          .set(rowOf({ status: to, ...set }))
          .where('id', '=', id)
          .where('status', '=', from)
          .executeTakeFirst();
        if (numUpdatedRows !== 1n) return false;
        if (FINAL.includes(to)) await eraseSecrets(tx, [id]);
        return true;
      });
    },

    /** Records that one owner agreed, with the token of the latest time. @returns the owners who agreed so far */
    async agree(id: string, { now, ...yes }: { owner: string; principal: string; via: ApprovalMethod; now: string }): Promise<string[]> {
      await db
        .insertInto('decisions')
        .values({ approval_id: id, ...yes, decided_at: now })
        .onConflict((c) => c.columns(['approval_id', 'owner']).doUpdateSet({ principal: yes.principal, via: yes.via }))
        .execute();
      return (await agreed(db, [id])).map(({ owner }) => owner);
    },

    /** Approvals of this caller for the identical request to this cluster that were decided after `since`; the newest first. */
    async decidedSince(request: { cluster: string; principal: string; argsDigest: string }, since: string): Promise<ApprovalRecord[]> {
      const rows = await db
        .selectFrom('approvals')
        .selectAll()
        .where((e) => e.and(rowOf(exactly(request))))
        .where('decided_at', '>', since)
        .orderBy('decided_at', 'desc')
        .execute();
      return rows.map(read);
    },

    /** When approvals were requested after `since`, and when they were approved; oldest first. Of all clusters, to measure the habits of approvers. */
    async answers(since: string): Promise<{ askedAt: string; givenAt?: string }[]> {
      const rows = await db
        .selectFrom('approvals')
        .select(['created_at', 'decided_at', 'decided_via'])
        .where('created_at', '>', since)
        .orderBy('created_at')
        .execute();
      return rows.map((r) => ({
        askedAt: r.created_at,
        ...(r.decided_via !== null && r.decided_at !== null ? { givenAt: r.decided_at } : {}),
      }));
    },

    /** Ends the approvals for this cluster that were not decided in time. @returns those that expired by this call */
    async expire(cluster: string, now: string): Promise<ApprovalRecord[]> {
      // Called at every look at the approvals: the lock is only taken when there is something to do.
      const due = await pendingOn(db, cluster).select('id').where('expires_at', '<=', now).executeTakeFirst();
      return due ? exclusive(db, (tx) => expire(tx, cluster, now)) : [];
    },
  };
}

function pendingOn(db: Kysely<Database>, cluster: string) {
  return db.selectFrom('approvals').where('cluster', '=', cluster).where('status', '=', 'pending');
}

async function count(query: SelectQueryBuilder<Database, 'approvals', object>): Promise<number> {
  return Number((await query.select((e) => e.fn.countAll<number>().as('found')).executeTakeFirstOrThrow()).found);
}

/** The owners who agreed so far, the first one first. A yes by an access token that is revoked by now may be another person's. */
function agreed(db: Kysely<Database>, ids: readonly string[]): Promise<{ approval_id: string; owner: string }[]> {
  return db
    .selectFrom('decisions')
    .select(['approval_id', 'owner'])
    .where('approval_id', 'in', ids)
    .where((e) =>
      e.not(
        e.exists(
          e
            .selectFrom('tokens')
            .select('id')
            .where('revoked_at', 'is not', null)
            .whereRef(sql<string>`'token:' || name`, '=', 'decisions.principal'),
        ),
      ),
    )
    .orderBy('decided_at')
    .execute();
}

/** Adds the approvers so far, whom the next approver sees. A policy may need more of them than at the request. */
async function withAgreed(db: Kysely<Database>, approvals: ApprovalRecord[]): Promise<ApprovalRecord[]> {
  if (approvals.length === 0) return approvals;
  const all = await agreed(
    db,
    approvals.map(({ id }) => id),
  );
  return approvals.map((approval) => {
    const owners = distinctOwners(all.filter(({ approval_id }) => approval_id === approval.id).map(({ owner }) => owner));
    return owners.length === 0 ? approval : { ...approval, agreedBy: owners };
  });
}

/** Ends pending approvals that were not decided in time, and erases their secrets. Called in a transaction. */
async function expire(tx: Kysely<Database>, cluster: string, now: string): Promise<ApprovalRecord[]> {
  const rows = await tx
    .updateTable('approvals')
    .set({ status: 'expired', decided_at: now })
    .where('cluster', '=', cluster)
    .where('status', '=', 'pending')
    .where('expires_at', '<=', now)
    .returningAll()
    .execute();
  await eraseSecrets(
    tx,
    rows.map((r) => r.id),
  );
  return rows.map(read);
}

function write({ method, ...a }: NewApproval, now: string) {
  return rowOf({ ...a, way: method, status: 'pending' as const, createdAt: now, ...defined({ targetVmid: a.plan.target?.vmid }) });
}

function read({ args_digest: _args, target_vmid: _vmid, way, ...row }: Partial<Selectable<ApprovalRow>>): ApprovalRecord {
  return { ...recordOf<ApprovalRecord>(row, { json: ['args', 'plan', 'scope'] }), method: way as ApprovalMethod };
}
