import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import type { PerformOptions } from '../../../src/engine/types.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

/** A clock that a test moves; sleepers wake at their time. */
function handClock(): Clock & { ahead: number } {
  const clock = {
    ahead: 0,
    now: () => Date.now() + clock.ahead,
    elapsed: () => performance.now() + clock.ahead,
    async sleep(ms: number, signal?: AbortSignal) {
      for (const end = clock.now() + ms; clock.now() < end; ) {
        signal?.throwIfAborted();
        await systemClock.sleep(5);
      }
      signal?.throwIfAborted();
    },
  };
  return clock;
}

const until = async (what: () => boolean | Promise<boolean>) => {
  while (!(await what())) await systemClock.sleep(10);
};

async function begun(store?: (store: Store) => Store) {
  world = await openWorld();
  const clock = handClock();
  const engine = world.another({}, { clock, ...(store ? { store } : {}) });
  const call = (operation: string, args: object, options: PerformOptions = {}) => engine.perform(operation, args, agent, options);
  return { clock, call, held: () => world.cluster.simulator.faults.untilHeld(), release: () => world.cluster.simulator.faults.release() };
}

const create = { name: 'late', disk_gb: 1 };
const holdPlanning = () =>
  world.cluster.simulator.faults.add({ match: { method: 'GET', path: '/nodes/pve/storage$' }, action: 'hold', times: 1 });
const holdCreate = () => world.cluster.simulator.faults.add({ match: { method: 'POST', path: '/qemu$' }, action: 'hold', times: 1 });

describe('one deadline from the entry of a call', () => {
  it('ends a call that still plans, names what it waited for, and sends nothing afterwards', async () => {
    const { clock, call, held, release } = await begun();
    holdPlanning();
    const refused = world.refused(call('create_vm', create, { wait: 45 }));
    await held();
    clock.ahead = 60_000;
    expect(await refused).toMatchObject({ code: 'out_of_time', details: { waited_for: "Proxmox's answers" } });
    expect((await refused).message).toMatch(/^Timed out after \d+ s while waiting for Proxmox's answers\. Nothing was sent\.$/);
    expect(world.audit().at(-1)).toMatchObject({ kind: 'refused', error: { code: 'out_of_time' } });
    release();
    // The claim of the call that was answered is given back, and then the name is free.
    expect(await world.done('create_vm', create)).toMatchObject({ created: true });
    expect(world.cluster.mutations()).toHaveLength(1);
  });

  it('counts for what is left to wait for the run', async () => {
    const { clock, call, held, release } = await begun();
    holdPlanning();
    const answer = call('create_vm', create, { wait: 45 });
    await held();
    clock.ahead = 40_000;
    holdCreate();
    release();
    await held();
    // Five seconds are left of the forty-five.
    clock.ahead = 46_000;
    expect(await answer).toMatchObject({ kind: 'running' });
    release();
  });

  it('ends a call that waits for another call, and names the guest which that one creates', async () => {
    let followed = 0;
    const watching = (store: Store): Store => ({
      ...store,
      reservations: {
        ...store.reservations,
        get: (id) => {
          followed += 1;
          return store.reservations.get(id);
        },
      },
    });
    const { clock, call, held, release } = await begun(watching);
    holdPlanning();
    const first = world.call('create_vm', create);
    await held();
    const refused = world.refused(call('create_vm', create, { wait: 20 }));
    await until(() => followed > 0);
    clock.ahead = 20_000;
    expect(await refused).toMatchObject({ code: 'out_of_time', details: { waited_for: 'another call that is creating late' } });
    release();
    expect(await first).toMatchObject({ kind: 'done' });
  });

  it('answers with the run of the other call once there is one', async () => {
    const { clock, call, held, release } = await begun();
    holdCreate();
    const first = world.call('create_vm', create);
    await held();
    const store = await openStore({ dataDir: world.dataDir });
    const [other] = await store.runs.executing('simulator');
    const answer = call('create_vm', create, { wait: 20 });
    await systemClock.sleep(0);
    clock.ahead = 20_000;
    expect(await answer).toMatchObject({ kind: 'running', run: { id: other?.run.id } });
    release();
    expect(await first).toMatchObject({ kind: 'done' });
    await store.close();
  });

  it('ends a call that waits for the store; the run that is stored afterwards sends nothing and ends as failed', async () => {
    let reached = false;
    let letGo = () => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const slow = (store: Store): Store => ({
      ...store,
      runs: {
        ...store.runs,
        async begin(...args) {
          reached = true;
          await gate;
          return store.runs.begin(...args);
        },
      },
    });
    const { clock, call } = await begun(slow);
    const refused = world.refused(call('create_vm', create, { wait: 30 }));
    await until(() => reached);
    clock.ahead = 32_000;
    expect(await refused).toMatchObject({ code: 'out_of_time', details: { waited_for: 'the store and the audit trail' } });
    letGo();
    await until(() => world.audit().some((r) => r.kind === 'outcome'));
    expect(world.audit().filter((r) => r.kind === 'outcome')).toMatchObject([{ status: 'failed', error: { code: 'out_of_time' } }]);
    expect(world.cluster.mutations()).toEqual([]);
    expect(await world.done('create_vm', create)).toMatchObject({ created: true });
  });

  it('gives a call that does not wait the time to begin', async () => {
    const { call, held, release } = await begun();
    holdCreate();
    expect(await call('create_vm', create, { wait: 0 })).toMatchObject({ kind: 'running' });
    await held();
    release();
  });

  it('does not exist for a call that waits to the end', async () => {
    const { clock, call, held, release } = await begun();
    holdPlanning();
    const answer = call('create_vm', create, { wait: 'end' });
    await held();
    clock.ahead = 24 * 3_600_000;
    release();
    expect(await answer).toMatchObject({ kind: 'done' });
  });
});
