import type { Kysely, Selectable } from 'kysely';
import { defined } from '../../core/defined.ts';
import type { Role, Scope } from '../../core/people/caller.ts';
import type { Database, TokenRow } from '../schema.ts';

/** An access token without its secret, of which only the hash is kept. Times are ISO. */
export interface TokenRecord {
  /** Derived from the hash, so that a presented token leads to its row. */
  id: string;
  name: string;
  /** The human or account answerable for it. */
  owner: string;
  role: Role;
  /** SHA-256 of the token, hexadecimal. */
  hash: string;
  scope?: Scope;
  /** Addresses from which it counts; empty: from anywhere. */
  cidrs: string[];
  /** The operator vouches that its client shows questions to a human and passes on the answer faithfully. */
  trustsClient: boolean;
  createdAt: string;
  expiresAt: string;
  revokedAt?: string;
  lastUsedAt?: string;
}

export function tokensIn(db: Kysely<Database>) {
  const select = (column: 'id' | 'name') => db.selectFrom('tokens').selectAll().where(column, '=', '').compile();
  // Each request over HTTP looks for its token, and to write the SQL takes as long as the look.
  const statements = { id: select('id'), name: select('name') };
  const find = async (column: 'id' | 'name', value: string): Promise<TokenRecord | undefined> => {
    const { rows } = await db.executeQuery<Selectable<TokenRow>>({ ...statements[column], parameters: [value] });
    const [row] = rows;
    return row && read(row);
  };
  return {
    /** @returns false when the name is taken by another token; repeating the very same token is fine */
    async add(token: TokenRecord): Promise<boolean> {
      await db
        .insertInto('tokens')
        .values(write(token))
        .onConflict((c) => c.doNothing())
        .execute();
      return (await find('id', token.id))?.hash === token.hash;
    },
    get: (id: string) => find('id', id),
    byName: (name: string) => find('name', name),
    async list(): Promise<TokenRecord[]> {
      return (await db.selectFrom('tokens').selectAll().orderBy('created_at').orderBy('id').execute()).map(read);
    },
    /** Whether any token can be used now. */
    async anyValid(now: string): Promise<boolean> {
      const row = await db
        .selectFrom('tokens')
        .select('id')
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },
    /** @returns false when it was revoked before */
    async revoke(id: string, now: string): Promise<boolean> {
      const result = await db
        .updateTable('tokens')
        .set({ revoked_at: now })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      return Number(result.numUpdatedRows) === 1;
    },
    async touch(id: string, now: string): Promise<void> {
      await db.updateTable('tokens').set({ last_used_at: now }).where('id', '=', id).execute();
    },
  };
}
export type Tokens = ReturnType<typeof tokensIn>;

function write(t: TokenRecord): Selectable<TokenRow> {
  return {
    id: t.id,
    name: t.name,
    owner: t.owner,
    role: t.role,
    hash: t.hash,
    scope: JSON.stringify(t.scope ?? null),
    cidrs: JSON.stringify(t.cidrs),
    trusts_client: t.trustsClient ? 1 : 0,
    created_at: t.createdAt,
    expires_at: t.expiresAt,
    revoked_at: t.revokedAt ?? null,
    last_used_at: t.lastUsedAt ?? null,
  };
}

function read(row: Selectable<TokenRow>): TokenRecord {
  const scope = JSON.parse(row.scope) as Scope | null;
  return {
    id: row.id,
    name: row.name,
    owner: row.owner,
    role: row.role as Role,
    hash: row.hash,
    ...defined({ scope: scope ?? undefined }),
    cidrs: JSON.parse(row.cidrs),
    trustsClient: row.trusts_client === 1,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    ...defined({ revokedAt: row.revoked_at ?? undefined, lastUsedAt: row.last_used_at ?? undefined }),
  };
}
