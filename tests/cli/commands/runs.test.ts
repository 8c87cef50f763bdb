import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStore } from '../../../src/store/index.ts';
import { run } from '../../helpers/answering-engine.ts';
import { home } from '../run.ts';

/** Runs whose outcome is unknown, in the store of a shipped binary. */
const place = home();
const base = join(place.folder, 'data');
/** Of the embedded cluster. */
const dataDir = join(base, 'demo');
afterAll(place.remove);
const runs = (...args: string[]) => place.run(['runs', ...args, '--demo'], { PROXMOX_DATA_DIR: base });
const open = async () => ((await runs('list')).json as { runs: { run_id: string }[] }).runs.map(({ run_id }) => run_id);
const statusOf = async (id: string) => {
  const store = await openStore({ dataDir });
  const { status } = (await store.runs.get(id)) ?? {};
  await store.close();
  return status;
};

beforeAll(async () => {
  await place.run(['call', 'list_vms', '--demo'], { PROXMOX_DATA_DIR: base });
  const store = await openStore({ dataDir });
  for (const id of ['run_one', 'run_two']) {
    await store.runs.begin({ ...run, id, cluster: 'simulator' }, 'w', new Date().toISOString());
    const error = { code: 'outcome_unknown', message: 'no answer came', hint: 'h' };
    await store.runs.end(id, 'w', { status: 'unknown', steps: run.steps, error, endedAt: new Date().toISOString() });
  }
  await store.close();
});

describe('runs of unknown outcome', () => {
  test('are listed with what is known of them', async () => {
    const { code, json } = await runs('list');
    expect(code).toBe(0);
    expect(json).toMatchObject({
      runs: [{ run_id: 'run_one', principal: run.principal, message: 'no answer came' }, { run_id: 'run_two' }],
    });
  });

  test('are closed only by a human in a terminal, who states the outcome', async () => {
    const without = await runs('close', 'run_one', '--outcome', 'done');
    expect(without.code).toBe(3);
    expect(without.stderr).toContain('approval_needs_human');
    const neither = await runs('close', 'run_one', '--outcome', 'perhaps');
    expect(neither.stderr).toContain('invalid_arguments');
    expect(await open()).toEqual(['run_one', 'run_two']);
  });

  test.each([
    ['run_one', 'done', 'succeeded'],
    ['run_two', 'not-done', 'failed'],
  ])('%s that the operator calls %s ends as %s, once', async (id, outcome, status) => {
    const words = ['runs', 'close', id, '--outcome', outcome, '--demo'];
    const closed = await place.runBinaryOnTerminal(words, [], { PROXMOX_DATA_DIR: base });
    expect(closed.stdout).toContain(`ends as ${status}`);
    expect(closed.code).toBe(0);
    expect(await statusOf(id)).toBe(status);
    expect(await open()).not.toContain(id);
    const again = await place.onTerminal(words, [], { PROXMOX_DATA_DIR: base });
    expect(again.stdout).toContain('is known');
    expect(again.code).toBe(1);
  });
});
