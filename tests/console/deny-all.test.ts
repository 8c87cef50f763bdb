import { afterEach, beforeEach, expect, test } from 'vitest';
import { fail } from '../../src/core/errors/errors.ts';
import { approval, type Open, openConsolePlace, scriptedEngine } from './place.ts';

let open: Open;
beforeEach(async () => {
  const engine = scriptedEngine(({ args }) => {
    const { approval_id: id } = args as { approval_id: string };
    if (id === 'apr_broken') fail('store_unavailable', 'The database is gone.');
    if (!engine.pending.some((one) => one.id === id) || id === 'apr_taken') fail('approval_used', 'Another approver was faster.');
    engine.pending = engine.pending.filter((one) => one.id !== id);
    return { kind: 'done', output: {} };
  });
  open = await openConsolePlace({ engine });
});
afterEach(() => open.close());

const post = async (body: object) => open.ask('POST', '/api/approvals/deny-all', { headers: await open.logIn(), body });
const of = (principal: string, id: string, createdAt = approval.createdAt) => ({ ...approval, id, principal, createdAt });

test('it denies all of one requester, those beyond the shown 200 too, and none of another', async () => {
  open.engine.pending = [...Array.from({ length: 205 }, (_, n) => of('token:a', `apr_${n}`)), of('token:b', 'apr_b')];
  expect(await post({ principal: 'token:a' })).toMatchObject({ status: 200, json: { denied: 205 } });
  expect(open.engine.pending.map(({ id }) => id)).toEqual(['apr_b']);
});

test('it leaves what is requested later, and counts what another approver decided as not denied', async () => {
  open.engine.pending = [of('token:a', 'apr_taken'), of('token:a', 'apr_1'), of('token:a', 'apr_later', '2026-11-23T10:00:01.000Z')];
  expect(await post({ principal: 'token:a' })).toMatchObject({ status: 200, json: { denied: 1 } });
  expect(open.engine.pending.map(({ id }) => id)).toEqual(['apr_taken', 'apr_later']);
});

test('it reports a failed store, and refuses without a requester', async () => {
  open.engine.pending = [of('token:a', 'apr_broken')];
  expect(await post({ principal: 'token:a' })).toMatchObject({ status: 422, json: { error: { code: 'store_unavailable' } } });
  expect((await post({})).status).toBe(422);
});

test('an approval can be read by its id', async () => {
  open.engine.pending = [approval];
  const headers = await open.logIn();
  expect((await open.ask('GET', '/api/approvals/apr_1', { headers })).json).toMatchObject({ id: 'apr_1', mustType: 'web1 105' });
  expect((await open.ask('GET', '/api/approvals/apr_2', { headers })).status).toBe(404);
  expect((await open.ask('GET', '/api/approvals/apr_1')).status).toBe(401);
});
