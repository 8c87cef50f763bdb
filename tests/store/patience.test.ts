import { expect, test } from 'vitest';
import { patiently } from '../../src/store/postgres.ts';

test.each([
  // What the pool says when every connection hangs in a database that restarts.
  new Error('timeout exceeded when trying to connect'),
  new Error('Connection terminated unexpectedly'),
  Object.assign(new Error('the database system is starting up'), { code: '57P03' }),
])('a lost database is waited for: $message', async (error) => {
  let tries = 0;
  const work = async () => {
    if (++tries === 1) throw error;
    return 'done';
  };
  expect(await patiently(work)).toBe('done');
  expect(tries).toBe(2);
});

test('a wrong password fails at once', async () => {
  const work = () => Promise.reject(Object.assign(new Error('password authentication failed'), { code: '28P01' }));
  await expect(patiently(work)).rejects.toMatchObject({ code: 'store_unavailable' });
});
