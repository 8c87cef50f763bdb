import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/index.ts';
import type { TokenRecord } from '../../src/store/schema.ts';

const NOW = '2026-01-01T00:00:00.000Z';
const LATER = '2026-01-02T00:00:00.000Z';
const token = (name: string, change: Partial<TokenRecord> = {}): TokenRecord => ({
  id: `tok_${name}`,
  name,
  owner: 'alice',
  role: 'operator',
  hash: `hash-of-${name}`,
  cidrs: [],
  trustsClient: false,
  createdAt: NOW,
  expiresAt: LATER,
  ...change,
});

/** What both databases have to do with identities. */
export function identityContract(engine: string, open: () => Promise<Store>): void {
  describe(`identities on ${engine}`, () => {
    let store: Store;
    beforeAll(async () => {
      store = await open();
    });
    afterAll(() => store.close());

    it('keeps tokens, one for each name, for the first writer', async () => {
      const full = token('full', { scope: { pools: ['a'], tags: ['t'] }, cidrs: ['10.0.0.0/8'], trustsClient: true, role: 'viewer' });
      const [first, again, taken] = [
        await store.tokens.add(full),
        await store.tokens.add(full),
        await store.tokens.add(token('full', { id: 'x', hash: 'y' })),
      ];
      expect([first, again, taken]).toEqual([true, true, false]);
      expect(await store.tokens.get('tok_full')).toEqual(full);
      expect(await store.tokens.byName('full')).toEqual(full);
      expect(await store.tokens.get('tok_other')).toBeUndefined();
      const racing = await Promise.all([1, 2, 3, 4, 5].map((n) => store.tokens.add(token('raced', { id: `r${n}`, hash: `h${n}` }))));
      expect(racing.filter(Boolean)).toHaveLength(1);
    });

    it('revokes once, records the last use, and tells whether any token is valid', async () => {
      await store.tokens.add(token('old', { expiresAt: NOW }));
      await store.tokens.touch('tok_old', NOW);
      expect([await store.tokens.revoke('tok_old', NOW), await store.tokens.revoke('tok_old', LATER)]).toEqual([true, false]);
      expect(await store.tokens.get('tok_old')).toMatchObject({ revokedAt: NOW, lastUsedAt: NOW });
      expect(await store.tokens.anyValid(NOW)).toBe(true);
      expect(await store.tokens.anyValid(LATER)).toBe(false);
      for (const { id } of await store.tokens.list()) await store.tokens.revoke(id, NOW);
      expect(await store.tokens.anyValid(NOW)).toBe(false);
    });

    it('stores owners and their passphrases', async () => {
      expect(await store.principals.passphrase('bob')).toBeUndefined();
      await store.principals.seen('bob', NOW);
      await store.principals.setPassphrase('bob', 'hash 1', NOW);
      await store.principals.seen('bob', LATER);
      expect(await store.principals.passphrase('bob')).toBe('hash 1');
      await store.principals.setPassphrase('bob', 'hash 2', LATER);
      expect(await store.principals.passphrase('bob')).toBe('hash 2');
    });

    it('has one passphrase for an owner whose name is spelled in several ways', async () => {
      await store.principals.setPassphrase('Zoë', 'hash 1', NOW);
      expect(await store.principals.passphrase('ZOE\u0308')).toBe('hash 1');
      await store.principals.setPassphrase('zoë', 'hash 2', NOW);
      for (const name of ['Zoë', 'zoë', 'ZOË']) expect(await store.principals.passphrase(name)).toBe('hash 2');
      expect(await store.principals.passphrase('zoe')).toBeUndefined();
    });

    it('keeps console sessions until they end or their owner is logged out', async () => {
      const session = (n: number) => ({
        cookieHash: `c${n}`,
        tokenHash: `t${n}`,
        person: { principal: 'token:b', owner: 'bob', name: 'bob', isOperator: true },
        createdAt: NOW,
        usedAt: NOW,
      });
      for (const n of [1, 2, 3]) await store.sessions.insert(session(n));
      await store.sessions.touch('c1', LATER);
      expect(await store.sessions.get('c1')).toEqual({ ...session(1), usedAt: LATER });
      await store.sessions.remove('c1');
      expect(await store.sessions.get('c1')).toBeUndefined();
      await store.sessions.insert({ ...session(4), person: { ...session(4).person, owner: 'Bob' } });
      await store.sessions.removeOf('BOB');
      for (const cookie of ['c2', 'c3', 'c4']) expect(await store.sessions.get(cookie)).toBeUndefined();
    });

    it('gives all replicas the same key', async () => {
      const keys = await Promise.all([1, 2, 3, 4].map((n) => store.keys.shared('k', `fresh ${n}`)));
      expect(new Set(keys).size).toBe(1);
      expect(await store.keys.shared('other', 'x')).toBe('x');
    });
  });
}
