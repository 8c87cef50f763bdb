import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openWorld, operator, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld({ approval: { mode: 'human', ttlSeconds: 900, maxPendingPerPrincipal: 10 } });
});
afterEach(async () => {
  await world.close();
});

const create = (request: object) =>
  world.engine.standing.create(
    { operations: ['stop_vm'], uses: 1, minutes: 5, ...request } as Parameters<typeof world.engine.standing.create>[0],
    operator(),
  );
const left = async () => (await world.engine.standing.list()).map(({ usesLeft }) => usesLeft);
const stops = () => world.cluster.mutations().filter(({ path }) => path.includes('/status/'));

describe('a standing approval', () => {
  it('counts guests: a list takes a use for each, and with too few left it needs an approval', async () => {
    await create({ tag: 'web', uses: 1 });
    await world.asks('stop_vm', { vmids: [100, 101] });
    expect(stops()).toEqual([]);
    expect(await left()).toEqual([1]);
    await create({ tag: 'prod', uses: 3 });
    expect(await world.done('stop_vm', { vmids: [100, 101] })).toBeDefined();
    expect((await left()).sort()).toEqual([1, 1]);
  });

  it('covers a list only when it covers every guest of it', async () => {
    await create({ tag: 'web', uses: 5 });
    for (const vmids of [
      [101, 107],
      [107, 101],
    ])
      await world.asks('stop_vm', { vmids });
    expect(stops()).toEqual([]);
    expect(await left()).toEqual([5]);
  });

  it('covers no plan that is graver than its operation, unless it says so', async () => {
    await create({ tag: 'web', uses: 5 });
    await world.asks('stop_vm', { vmid: 100, force: true });
    expect(stops()).toEqual([]);
    expect(await left()).toEqual([5]);
    await create({ tag: 'web', uses: 5, raised: true });
    expect(await world.done('stop_vm', { vmid: 100, force: true })).toMatchObject({ status: 'stopped' });
    expect(world.audit()).toContainEqual(expect.objectContaining({ operation: 'lease', args: expect.objectContaining({ raised: true }) }));
  });

  it('never covers a protected guest, not even for the mildest of its operations', async () => {
    await create({ tag: 'infra', uses: 5, raised: true });
    for (const args of [{ vmid: 106 }, { vmid: 106, force: true }, { vmids: [106, 107] }]) await world.asks('stop_vm', args);
    expect(stops()).toEqual([]);
    expect(await left()).toEqual([5]);
  });

  it('compares tags without regard to case, as policies and scopes do', async () => {
    const { data } = await world.other().get('/cluster/resources?type=vm');
    // As a cluster with case-sensitive tags shows them.
    const body = JSON.stringify({ data }).replaceAll('web"', 'Web"');
    world.cluster.simulator.faults.add({ match: { method: 'GET', path: '^/cluster/resources' }, action: 'status', status: 200, body });
    await create({ tag: 'WEB' });
    expect(await world.done('stop_vm', { vmid: 100 })).toBeDefined();
  });

  it('includes the pools nested in its pool, and not one whose name only begins alike', async () => {
    for (const poolid of ['prod/shop', 'prod2']) expect((await world.other().post('/pools', { poolid })).status).toBe(200);
    await world.other().put('/pools', { poolid: 'prod/shop', vms: '103' });
    await world.other().put('/pools', { poolid: 'prod2', vms: '107' });
    await create({ pool: 'prod', uses: 5 });
    await world.asks('stop_vm', { vmid: 107 });
    const nested = await world.call('stop_vm', { vmid: 103, timeout: 1 }).catch((error) => error);
    expect(nested).not.toMatchObject({ kind: 'approval_required' });
    expect(await left()).toEqual([4]);
  });

  it('is not extended by its user: while it is open, giving a guest its tag or pool needs an approval', async () => {
    const { vmid } = await world.done('create_vm', { name: 'ledger', disk_gb: 1, start_on_create: true });
    const move = (args: object) => world.call('update_vm', { vmid, ...args });
    await create({ tag: 'ci', uses: 5 });
    await create({ pool: 'agents', uses: 5 });
    const asked = await move({ add_tags: ['CI'] });
    expect(asked).toMatchObject({
      approval: { method: 'human', plan: { effect: 'destroy', raisedBecause: expect.stringContaining('tag CI') } },
    });
    expect(await move({ pool: 'agents' })).toMatchObject({ approval: { plan: { effect: 'destroy' } } });
    await world.asks('stop_vm', { vmid });
    // Tags that it does not name stay free.
    expect(await move({ add_tags: ['night'] })).toMatchObject({ kind: 'done' });
    expect(await left()).toEqual([5, 5]);
  });

  it('is not extended by an earlier request either: that was shown with a lesser effect', async () => {
    const id = await world.asks('update_vm', { vmid: 100, add_tags: ['ci'] });
    const before = world.cluster.mutations().length;
    await create({ tag: 'ci', uses: 5 });
    const decided = world.engine.perform('approve', { approval_id: id }, operator(), {
      answer: { approvalId: id, via: 'terminal', typed: 'web1 100' },
    });
    expect(await world.refused(decided)).toMatchObject({
      code: 'approval_stale',
      message: expect.stringMatching(/its effect was disrupt, it is destroy \(.*the standing approval lse_\S+ names the tag ci\)/),
    });
    expect(world.cluster.mutations()).toHaveLength(before);
  });
});
