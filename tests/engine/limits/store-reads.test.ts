import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Caller } from '../../../src/core/people/caller.ts';
import type { Store } from '../../../src/store/index.ts';
import { callsTo } from '../../helpers/calls.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const limited: Caller = { ...agent, principal: 'token:ci', scope: { pools: ['agents'] } };

/** Calls of an engine whose questions to the store are written down. */
function watched(caller: Caller) {
  const asked: string[] = [];
  const noted = (store: Store): Store => {
    const parts = Object.entries(store).map(([part, methods]) => {
      if (typeof methods === 'function') return [part, methods];
      const named = Object.entries(methods).map(([name, method]) => [
        name,
        (...args: unknown[]) => {
          asked.push(`${part}.${name}`);
          return (method as (...args: unknown[]) => unknown)(...args);
        },
      ]);
      return [part, Object.fromEntries(named)];
    });
    return Object.fromEntries(parts) as Store;
  };
  const calls = callsTo(world.another({}, { store: noted }), caller);
  return {
    ...calls,
    async questions(name: string, args: object, options = {}) {
      asked.length = 0;
      await calls.call(name, args, options);
      return [...asked].sort();
    },
  };
}

it('a limited caller’s list of backups asks the store as often for three guests as for one', async () => {
  const { done, questions } = watched(limited);
  const vmids: number[] = [];
  const add = async (name: string) => {
    const { vmid } = (await done('create_vm', { name, disk_gb: 1 })) as { vmid: number };
    await done('backup_vm', { vmid, storage: 'nas' }, { wait: 'end' });
    vmids.push(vmid);
  };
  await add('one');
  const ofOne = await questions('list_backups', {});
  await add('two');
  await add('three');
  expect((await done('list_backups', {})).total).toBe(3);
  expect(await questions('list_backups', {})).toEqual(ofOne);
  expect(ofOne.filter((name) => name === 'guests.lives')).toEqual(['guests.lives']);
});

it('a plan of snapshots asks the store as often for three guests as for one', async () => {
  const { questions } = watched(agent);
  const plan = (vmids: number[]) => questions('snapshot_vm', { vmids, snapshot: 'before' }, { dryRun: true });
  expect(await plan([100, 101, 102])).toEqual(await plan([100]));
});

it('a list of tasks asks the store as often for many tasks as for one', async () => {
  const { done, questions } = watched(agent);
  for (const name of ['one', 'two', 'three']) await done('create_vm', { name, disk_gb: 1 });
  const ofOne = await questions('get_task', { mine: false, limit: 1 });
  expect(await questions('get_task', { mine: false, limit: 3 })).toEqual(ofOne);
});
