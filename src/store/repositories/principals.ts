import type { Kysely } from 'kysely';
import type { Database } from '../schema.ts';

/** The people and accounts behind tokens and OAuth subjects, by owner. */
export function principalsIn(db: Kysely<Database>) {
  return {
    /** Records when this owner was last seen. */
    async seen(owner: string, now: string): Promise<void> {
      await db
        .insertInto('principals')
        .values({ owner, passphrase: null, first_seen_at: now, last_seen_at: now })
        .onConflict((c) => c.column('owner').doUpdateSet({ last_seen_at: now }))
        .execute();
    },
    /** @param passphrase its salted hash */
    async setPassphrase(owner: string, passphrase: string, now: string): Promise<void> {
      await db
        .insertInto('principals')
        .values({ owner, passphrase, first_seen_at: now, last_seen_at: now })
        .onConflict((c) => c.column('owner').doUpdateSet({ passphrase }))
        .execute();
    },
    async passphrase(owner: string): Promise<string | undefined> {
      const row = await db.selectFrom('principals').select('passphrase').where('owner', '=', owner).executeTakeFirst();
      return row?.passphrase ?? undefined;
    },
  };
}

/** Random keys that every replica must know, created by the first replica that needs one. */
export function keysIn(db: Kysely<Database>) {
  return {
    /** @param fresh stored when there is none yet */
    async shared(name: string, fresh: string): Promise<string> {
      await db
        .insertInto('keys')
        .values({ name, value: fresh })
        .onConflict((c) => c.doNothing())
        .execute();
      return (await db.selectFrom('keys').select('value').where('name', '=', name).executeTakeFirstOrThrow()).value;
    },
  };
}
