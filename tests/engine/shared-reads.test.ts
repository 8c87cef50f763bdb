import { expect, it } from 'vitest';
import type { Caller } from '../../src/core/people/caller.ts';
import type { Result } from '../../src/core/result.ts';
import { withEngine } from '../helpers/with-engine.ts';
import { agent } from '../helpers/world.ts';

const world = withEngine();
const lists = () => world().cluster.requests.filter(({ path }) => path === '/cluster/resources').length;
const other = { ...agent, principal: 'token:other', owner: 'token:other' };
const list = (args: object = {}, caller: Caller = agent) => world().call('list_vms', args, {}, caller);
const outputOf = (result: Result) => (result.kind === 'done' ? result.output : undefined);

it('equal reads at the same time are one request and one answer, and each leaves its line in the audit', async () => {
  const before = lists();
  const answers = await Promise.all([...Array.from({ length: 20 }, () => list()), list({}, other)]);
  expect(lists() - before).toBe(1);
  expect(new Set(answers.map(outputOf)).size).toBe(1);
  const lines = world().audit();
  expect(lines.map(({ kind, principal }) => `${kind} ${principal}`).sort()).toEqual([
    ...Array.from({ length: 20 }, () => 'read local:agent'),
    'read token:other',
  ]);
});

it('callers with other rights or arguments get answers of their own', async () => {
  const scoped = { ...other, scope: { tags: ['dev'] } };
  const [all, running, some] = (await Promise.all([list(), list({ status: 'running' }), list({}, scoped)])).map(outputOf);
  expect(all?.total).toBeGreaterThan(Number(running?.total));
  expect(all?.total).toBeGreaterThan(Number(some?.total));
});

it('a read after a change of this process does not join one that began before it', async () => {
  const { simulator } = world().cluster;
  await list();
  simulator.faults.add({ match: { method: 'GET', path: '^/cluster/resources' }, times: 1, action: 'hold' });
  const early = list();
  await simulator.faults.untilHeld();
  await world()
    .done('start_vm', { vmid: 104 })
    .catch(() => {});
  const before = lists();
  const late = await list();
  expect(lists() - before).toBe(1);
  simulator.faults.release();
  expect(outputOf(await early)).not.toBe(outputOf(late));
});

it('the next call repeats a read that failed', async () => {
  world().cluster.simulator.faults.add({ match: { path: '^/cluster/resources' }, times: 1, action: 'status', status: 401 });
  const failed = await Promise.allSettled([list(), list()]);
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(outputOf(await list())?.total).toBeGreaterThan(0);
});
