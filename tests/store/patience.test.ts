import { afterEach, expect, test, vi } from 'vitest';
import { patiently } from '../../src/store/postgres.ts';

afterEach(() => vi.restoreAllMocks());

test.each([
  // What the pool says when every connection hangs in a database that restarts.
  new Error('timeout exceeded when trying to connect'),
  new Error('Connection terminated unexpectedly'),
  Object.assign(new Error('the database system is starting up'), { code: '57P03' }),
  Object.assign(new Error('cannot execute INSERT in a read-only transaction'), { code: '25006' }),
  Object.assign(new Error('terminating connection due to idle-in-transaction timeout'), { code: '25P03' }),
  Object.assign(new Error('could not serialize access due to concurrent update'), { code: '40001' }),
  Object.assign(new Error('deadlock detected'), { code: '40P01' }),
  Object.assign(new Error('canceling statement due to lock timeout'), { code: '55P03' }),
  Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' }),
])('a fault that passes is waited for: $message', async (error) => {
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

test('a database that stays away is given up after 30 s, also when the clock is set back meanwhile', async () => {
  const [date, passed] = [Date.now.bind(Date), performance.now.bind(performance)];
  const work = async () => {
    vi.spyOn(Date, 'now').mockImplementation(() => date() - 3_600_000);
    vi.spyOn(performance, 'now').mockImplementation(() => passed() + 31_000);
    throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  };
  await expect(patiently(work)).rejects.toMatchObject({ code: 'store_unavailable' });
});
