import type { Kysely } from 'kysely';
import { sameOwner } from '../../core/people/owner.ts';
import type { ConsoleSession } from '../../core/people/person.ts';
import { recordOf, rowOf } from '../row.ts';
import type { Database } from '../schema.ts';

/** Console sessions of people who log in over HTTP, so that any replica knows them. */
export function sessionsIn(db: Kysely<Database>) {
  return {
    async insert(session: ConsoleSession): Promise<void> {
      await db
        .insertInto('sessions')
        .values(rowOf({ ...session, owner: session.person.owner }))
        .onConflict((c) => c.doNothing())
        .execute();
    },
    async get(cookieHash: string): Promise<ConsoleSession | undefined> {
      const row = await db.selectFrom('sessions').selectAll().where('cookie_hash', '=', cookieHash).executeTakeFirst();
      if (!row) return undefined;
      const { owner: _owner, ...rest } = row;
      return recordOf<ConsoleSession>(rest, { json: ['person'] });
    },
    async touch(cookieHash: string, usedAt: string): Promise<void> {
      await db.updateTable('sessions').set({ used_at: usedAt }).where('cookie_hash', '=', cookieHash).execute();
    },
    async remove(cookieHash: string): Promise<void> {
      await db.deleteFrom('sessions').where('cookie_hash', '=', cookieHash).execute();
    },
    /** Ends every session of one owner, however the name is spelled, e.g. because a token was revoked. */
    async removeOf(owner: string): Promise<void> {
      const owners = (await db.selectFrom('sessions').select('owner').distinct().execute()).map((row) => row.owner);
      const spellings = owners.filter((one) => sameOwner(one, owner));
      if (spellings.length > 0) await db.deleteFrom('sessions').where('owner', 'in', spellings).execute();
    },
  };
}
