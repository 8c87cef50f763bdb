import { expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { createTokenVerifier, newToken } from '../../../src/http/auth/tokens.ts';
import type { TokenRecord } from '../../../src/store/schema.ts';

const rowOf = (hash: string, name: string): TokenRecord => ({
  id: '',
  name,
  hash,
  role: 'viewer',
  owner: name,
  cidrs: [],
  trustsClient: false,
  createdAt: '2026-01-01T00:00:00.000Z',
  expiresAt: '2999-01-01T00:00:00.000Z',
});

it('reads the row once for simultaneous requests with one token, and again for the next, so that it sees a revocation', async () => {
  const [mine, other] = [newToken(), newToken()];
  const rows = new Map([
    [mine.id, rowOf(mine.hash, 'mine')],
    [other.id, rowOf(other.hash, 'other')],
  ]);
  const get = vi.fn(async (id: string) => rows.get(id));
  const verify = createTokenVerifier({ get, touch: async () => {} }, systemClock);
  const together = await Promise.all([mine, mine, other, mine].map(({ token }) => verify(token, '127.0.0.1')));
  expect(together.map((one) => (typeof one === 'string' ? one : one.principal))).toEqual([
    ...['token:mine', 'token:mine', 'token:other', 'token:mine'],
  ]);
  expect(get).toHaveBeenCalledTimes(2);
  rows.set(mine.id, { ...rowOf(mine.hash, 'mine'), revokedAt: '2026-01-02T00:00:00.000Z' });
  await expect(verify(mine.token, '127.0.0.1')).resolves.toBe('revoked');
});

it('reads the store again after a fault', async () => {
  const { token, id, hash } = newToken();
  let fails = true;
  const get = async () => (fails ? Promise.reject(new Error('the store is away')) : { ...rowOf(hash, 'one'), id });
  const verify = createTokenVerifier({ get, touch: async () => {} }, systemClock);
  await expect(verify(token, '127.0.0.1')).rejects.toThrow('away');
  fails = false;
  await expect(verify(token, '127.0.0.1')).resolves.toMatchObject({ principal: 'token:one' });
});
