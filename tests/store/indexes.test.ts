import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import SqliteDatabase from '../../src/sqlite.ts';
import { openStore, type Store } from '../../src/store/index.ts';

const NOW = '2026-01-01T00:00:00.000Z';
let dataDir: string;
let store: Store;
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'indexes-'));
});
afterAll(() => rmSync(dataDir, { recursive: true }));
// A store prepares a statement once, so each test has a store of its own.
beforeEach(async () => {
  store = await openStore({ dataDir });
});
afterEach(() => store.close());

/** How SQLite finds the rows of every statement that the work sends, as `EXPLAIN QUERY PLAN` tells it. */
async function plansOf(work: () => Promise<unknown>): Promise<string[]> {
  const prepare = vi.spyOn(SqliteDatabase.prototype, 'prepare');
  await work();
  const statements = prepare.mock.calls.map(([sql]) => sql).filter((sql) => /^(select|update|delete)/i.test(sql));
  prepare.mockRestore();
  const db = new SqliteDatabase(join(dataDir, 'store.sqlite'), { readonly: true });
  const plans = statements.flatMap((sql) => {
    const values = Array.from({ length: sql.split('?').length - 1 }, () => null);
    return (db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values) as { detail: string }[]).map(({ detail }) => detail);
  });
  db.close();
  expect(plans.length).toBeGreaterThan(0);
  return plans;
}

// Asked at every call: with 50,000 rows a walk through the table takes thirty times as long.
test.each<[string, () => Promise<unknown>]>([
  ['the latest runs of a caller', () => store.runs.recent({ cluster: 'c', principal: 'p', limit: 20 })],
  ['the latest runs of all', () => store.runs.recent({ cluster: 'c', limit: 20 })],
  ['the run of a task', () => store.runs.byUpid('UPID:pve:1', 'c')],
  ['the runs of some tasks', () => store.runs.ofTasks(['UPID:pve:1', 'UPID:pve:2'], 'c')],
  ['the run of an id', () => store.runs.get('run_1')],
  ['the runs of some ids', () => store.runs.all(['run_1', 'run_2'])],
  ['the guests of some VMIDs', () => store.guests.lives('c', [100, 101])],
  ['unknown runs', () => store.runs.unknown('c')],
  ['runs that are executed now', () => store.runs.executing('c')],
  ['pending approvals', () => store.approvals.list({ cluster: 'c', status: 'pending', limit: 20 })],
  ['the next approvals to expire', () => store.approvals.pending('c', 20)],
  ['the latest decisions', () => store.approvals.decided('c', 20)],
  ['the approvals of a caller', () => store.approvals.list({ cluster: 'c', principal: 'p', limit: 20 })],
  ['approvals that expired', () => store.approvals.expire('c', NOW)],
  ['the approval of an id', () => store.approvals.get('apr_1')],
])('finds %s by an index, without a walk through the table', async (_what, work) => {
  expect((await plansOf(work)).filter((detail) => /^SCAN (approvals|runs|run_upids|decisions|guests)$/.test(detail))).toEqual([]);
});

test('finds the latest decisions without sorting all of them', async () => {
  expect((await plansOf(() => store.approvals.decided('c', 20))).filter((detail) => /TEMP B-TREE/.test(detail))).toEqual([]);
});

// Ended rows stay for months: a look at one state, or at one request, must not read those of all others.
const asked = { cluster: 'c', principal: 'p', argsDigest: 'd' };
test.each<[string, RegExp, () => Promise<unknown>]>([
  ['unknown runs', /runs .*status=\?/, () => store.runs.unknown('c')],
  ['runs that are executed now', /runs .*status=\?/, () => store.runs.executing('c')],
  ['pending approvals', /approvals .*status=\?/, () => store.approvals.list({ cluster: 'c', status: 'pending', limit: 20 })],
  [
    'the pending approvals of a caller',
    /approvals .*principal=\? AND status=\?/,
    () => store.approvals.list({ cluster: 'c', principal: 'p', status: 'pending', limit: 20 }),
  ],
  ['earlier decisions about a request', /approvals .*args_digest=\?/, () => store.approvals.decidedSince(asked, NOW)],
])('finds %s among ended ones at once', async (_what, found, work) => {
  const plans = (await plansOf(work)).filter((detail) => /^SEARCH (approvals|runs) /.test(detail));
  expect(plans.filter((detail) => !found.test(detail))).toEqual([]);
  expect(plans).not.toEqual([]);
});
