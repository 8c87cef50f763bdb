import type { Kysely, Selectable } from 'kysely';
import { defined } from '../../core/defined.ts';
import type { Scope } from '../../core/people/caller.ts';
import { recordOf, rowOf } from '../row.ts';
import type { Database, TokenRecord, TokenRow } from '../schema.ts';

export function tokensIn(db: Kysely<Database>) {
  const select = (column: 'id' | 'name') => db.selectFrom('tokens').selectAll().where(column, '=', '').compile();
  // Every HTTP request looks up its token, and composing the SQL takes as long as the query.
  const statements = { id: select('id'), name: select('name') };
  const find = async (column: 'id' | 'name', value: string): Promise<TokenRecord | undefined> => {
    const { rows } = await db.executeQuery<Selectable<TokenRow>>({ ...statements[column], parameters: [value] });
    return rows.map(read)[0];
  };
  return {
    /** @returns false when another token has the name; adding the same token again is fine */
    async add(token: TokenRecord): Promise<boolean> {
      await db
        .insertInto('tokens')
        .values({ ...rowOf(token), scope: JSON.stringify(token.scope ?? null) })
        .onConflict((c) => c.doNothing())
        .execute();
      return (await find('id', token.id))?.hash === token.hash;
    },
    get: (id: string) => find('id', id),
    byName: (name: string) => find('name', name),
    async list(): Promise<TokenRecord[]> {
      return (await db.selectFrom('tokens').selectAll().orderBy('created_at').orderBy('id').execute()).map(read);
    },
    /** Whether any token is valid now. */
    async anyValid(now: string): Promise<boolean> {
      const valid = db.selectFrom('tokens').select('id').where('revoked_at', 'is', null).where('expires_at', '>', now);
      return (await valid.limit(1).executeTakeFirst()) !== undefined;
    },
    /** @returns false when it was revoked before */
    async revoke(id: string, now: string): Promise<boolean> {
      const { numUpdatedRows } = await db
        .updateTable('tokens')
        .set({ revoked_at: now })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    async touch(id: string, now: string): Promise<void> {
      await db.updateTable('tokens').set({ last_used_at: now }).where('id', '=', id).execute();
    },
  };
}

function read({ scope, ...row }: Selectable<TokenRow>): TokenRecord {
  const record = recordOf<TokenRecord>(row, { json: ['cidrs'], flags: ['trustsClient'] });
  return { ...record, ...defined({ scope: (JSON.parse(scope) as Scope | null) ?? undefined }) };
}
