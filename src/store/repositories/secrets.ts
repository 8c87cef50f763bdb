import type { Kysely } from 'kysely';
import type { Database } from '../schema.ts';

/** Sealed secrets, kept from the approval or run that needs them until its final state. */
export function secretsIn(db: Kysely<Database>) {
  return {
    async keep(scope: string, sealed: { id: string; sealed: string }[]): Promise<void> {
      if (sealed.length === 0) return;
      await db
        .insertInto('secrets')
        .values(sealed.map((s) => ({ ...s, scope })))
        .onConflict((c) => c.doNothing())
        .execute();
    },
    async get(id: string): Promise<string | undefined> {
      return (await db.selectFrom('secrets').select('sealed').where('id', '=', id).executeTakeFirst())?.sealed;
    },
  };
}

/** Approvals and runs erase what was kept for them when they end. */
export async function eraseSecrets(db: Kysely<Database>, scopes: readonly string[]): Promise<void> {
  if (scopes.length > 0) await db.deleteFrom('secrets').where('scope', 'in', scopes).execute();
}
