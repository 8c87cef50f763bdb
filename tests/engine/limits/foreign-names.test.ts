import { afterEach, describe, expect, it } from 'vitest';
import type { Caller } from '../../../src/core/people/caller.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const limited: Caller = {
  ...agent,
  principal: 'token:limited',
  owner: 'limited',
  channel: 'http',
  role: 'operator',
  scope: { pools: ['agents'] },
};
const wish = { name: 'web', disk_gb: 1 };
const made = () => world.cluster.mutations().filter(({ method, path }) => method === 'POST' && /^\/nodes\/[^/]+\/qemu$/.test(path));

/** The refusal of a name that belongs to a guest outside of the caller's scope. */
async function told(refusal: Promise<unknown>, vmid: number) {
  const error = await world.refused(refusal);
  expect(error).toMatchObject({ code: 'conflict', message: expect.stringContaining('the name web') });
  expect(JSON.stringify(error.toJSON())).not.toContain(String(vmid));
}

describe('a name under which another caller makes a guest outside the scope', () => {
  it('is refused without naming the guest, while it is made and right after', async () => {
    world = await openWorld();
    const { faults } = world.cluster.simulator;
    faults.add({ match: { method: 'POST', path: '/qemu$' }, action: 'hold', times: 1 });
    const first = world.done('create_vm', wish);
    await faults.untilHeld();
    await told(world.call('create_vm', wish, { wait: 30 }, limited), 108);
    faults.release();
    expect(await first).toMatchObject({ vmid: 108, created: true });
    await told(world.call('create_vm', wish, {}, limited), 108);
    expect(made()).toHaveLength(1);
    const dry = await world.call('create_vm', wish, { dryRun: true }, limited);
    expect(JSON.stringify(dry)).not.toContain('108');
  });

  it('is refused in the same words where it is one of several, while it is made and right after', async () => {
    world = await openWorld();
    const { faults } = world.cluster.simulator;
    const several = { names: ['other', 'web'], disk_gb: 1 };
    faults.add({ match: { method: 'POST', path: '/qemu$' }, action: 'hold', times: 1 });
    const first = world.done('create_vm', wish);
    await faults.untilHeld();
    await told(world.call('create_vm', several, { wait: 30 }, limited), 108);
    faults.release();
    expect(await first).toMatchObject({ vmid: 108, created: true });
    await told(world.call('create_vm', several, {}, limited), 108);
    expect(made()).toHaveLength(1);
  });

  it('is joined where the guest is inside the scope', async () => {
    world = await openWorld();
    const { faults } = world.cluster.simulator;
    faults.add({ match: { method: 'POST', path: '/qemu$' }, action: 'hold', times: 1 });
    const inside = { ...wish, pool: 'agents' };
    const first = world.done('create_vm', inside);
    await faults.untilHeld();
    const second = world.done('create_vm', inside, {}, limited);
    faults.release();
    const { vmid } = await first;
    expect(await second).toMatchObject({ existing: true, vmid });
    expect(made()).toHaveLength(1);
  });
});
