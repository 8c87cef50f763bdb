import { afterEach, describe, expect, it } from 'vitest';
import type { Caller } from '../../../src/core/people/caller.ts';
import type { Policy, PolicyMatch } from '../../../src/core/settings/policy.ts';
import { openStore } from '../../../src/store/index.ts';
import { asRoot } from '../../helpers/rights.ts';
import { agent, openWorld, operator, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const limited = (scope: Caller['scope']): Caller => ({
  ...agent,
  principal: 'token:limited',
  owner: 'limited',
  channel: 'http',
  role: 'operator',
  ...(scope ? { scope } : {}),
});
const root = (method: string, path: string, params: Record<string, string>) => asRoot(world.cluster, method, path, params);
async function asks(operation: string, args: object, caller: Caller) {
  const result = await world.call(operation, args, {}, caller);
  if (result.kind !== 'approval_required') throw new Error(`not asked but ${result.kind}`);
  return result.approval.id;
}
const yes = (id: string, typed: string) =>
  world.call('approve', { approval_id: id }, { answer: { approvalId: id, via: 'terminal', typed } }, operator());
const changes = () => world.cluster.mutations().filter(({ path }) => path.startsWith('/nodes/') && !path.endsWith('/config'));

describe('the scope of the requester', () => {
  it('holds at the decision: a guest that has left it is not touched, and the approval says why', async () => {
    world = await openWorld();
    const id = await asks('delete_vm', { vmid: 104 }, limited({ pools: ['agents'] }));
    await root('PUT', '/pools', { poolid: 'agents', vms: '104', delete: '1' });
    expect(await world.refused(yes(id, 'build1 104'))).toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining('the requester is limited to pool agents, and guest 104 is outside of it'),
    });
    expect(changes()).toEqual([]);
    expect(world.audit().filter((line) => line.approvalId === id && line.status === 'stale')).toMatchObject([
      { message: expect.stringContaining('limited to pool agents') },
    ]);
  });

  it('holds for a tag, too', async () => {
    world = await openWorld();
    const id = await asks('delete_vm', { vmid: 104 }, limited({ tags: ['dev'] }));
    await root('PUT', '/nodes/pve/qemu/104/config', { tags: 'prod' });
    expect(await world.refused(yes(id, 'build1 104'))).toMatchObject({ code: 'approval_stale' });
    expect(changes()).toEqual([]);
  });

  it('holds for the guest whose disks are copied', async () => {
    world = await openWorld({
      policy: { rules: [{ match: { operation: ['clone_template'] }, never: false, method: 'relay' }], perHour: {} },
    });
    const id = await asks('clone_template', { source_vmid: 104, name: 'copy' }, limited({ pools: ['agents'] }));
    await root('PUT', '/pools', { poolid: 'agents', vms: '104', delete: '1' });
    expect(await world.refused(yes(id, id))).toMatchObject({ code: 'approval_stale', message: expect.stringContaining('104') });
    expect(changes()).toEqual([]);
  });

  it('is that of the token where an older version stored none', async () => {
    world = await openWorld();
    const store = await openStore({ dataDir: world.dataDir });
    const times = { createdAt: new Date().toISOString(), expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
    const token = { id: 'abc', name: 'limited', owner: 'limited', role: 'operator' as const, hash: 'h', cidrs: [], trustsClient: false };
    await store.tokens.add({ ...token, ...times, scope: { pools: ['agents'] } });
    await store.close();
    const id = await asks('delete_vm', { vmid: 104 }, limited(undefined));
    await root('PUT', '/pools', { poolid: 'agents', vms: '104', delete: '1' });
    expect(await world.refused(yes(id, 'build1 104'))).toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining('limited to pool agents'),
    });
    expect(changes()).toEqual([]);
  });

  it('allows a decision about a guest that stays in it', async () => {
    world = await openWorld();
    const id = await asks('delete_vm', { vmid: 104 }, limited({ pools: ['agents'] }));
    expect(await yes(id, 'build1 104')).toMatchObject({ kind: 'done' });
  });

  it('does not matter for a guest that is gone, and the answer says that it is gone', async () => {
    world = await openWorld();
    const id = await asks('delete_vm', { vmid: 104 }, limited({ pools: ['agents'] }));
    await world.done('approve', { approval_id: await world.asks('delete_vm', { vmid: 104 }) });
    const refused = await world.refused(yes(id, 'build1 104'));
    expect(refused.message).not.toContain('outside');
  });
});

describe('the pool and tags that the policy used', () => {
  const human = (match: PolicyMatch): { policy: Policy } => ({
    policy: { rules: [{ match, never: false, method: 'human' }], perHour: {} },
  });

  it('make an approval stale when the guest is in another pool', async () => {
    world = await openWorld(human({ pool: ['prod'] }));
    const id = await world.asks('delete_vm', { vmid: 104 });
    await root('PUT', '/pools', { poolid: 'agents', vms: '104', delete: '1' });
    expect(await world.refused(yes(id, 'build1 104'))).toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining('the pool of guest 104 was agents, now none'),
    });
    expect(changes()).toEqual([]);
  });

  it('make one stale when the guest has other tags', async () => {
    world = await openWorld(human({ tag: ['prod'] }));
    const id = await world.asks('delete_vm', { vmid: 104 });
    await root('PUT', '/nodes/pve/qemu/104/config', { tags: 'dev;gold' });
    expect(await world.refused(yes(id, 'build1 104'))).toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining('the tags of guest 104 were ["dev"], now ["dev","gold"]'),
    });
    expect(changes()).toEqual([]);
  });

  it('do not matter where neither policy nor scope uses any', async () => {
    world = await openWorld();
    const id = await world.asks('delete_vm', { vmid: 104 });
    await root('PUT', '/pools', { poolid: 'agents', vms: '104', delete: '1' });
    expect(await yes(id, 'build1 104')).toMatchObject({ kind: 'done' });
  });
});
