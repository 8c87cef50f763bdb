import type { Kysely } from 'kysely';
import { sameOwner } from '../../core/people/owner.ts';
import { exclusive } from '../dialect.ts';
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
    /** Sets it for every spelling of the owner's name. @param passphrase its salted hash */
    async setPassphrase(owner: string, passphrase: string, now: string): Promise<void> {
      await exclusive(db, async (tx) => {
        const known = (await tx.selectFrom('principals').select('owner').execute()).filter((one) => sameOwner(one.owner, owner));
        for (const spelling of new Set([owner, ...known.map((one) => one.owner)]))
          await tx
            .insertInto('principals')
            .values({ owner: spelling, passphrase, first_seen_at: now, last_seen_at: now })
            .onConflict((c) => c.column('owner').doUpdateSet({ passphrase }))
            .execute();
      });
    },
    /** The hash for this owner, however the name is spelled. */
    async passphrase(owner: string): Promise<string | undefined> {
      const rows = await db.selectFrom('principals').select(['owner', 'passphrase']).where('passphrase', 'is not', null).execute();
      const exact = rows.find((row) => row.owner === owner);
      return (exact ?? rows.find((row) => sameOwner(row.owner, owner)))?.passphrase ?? undefined;
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
