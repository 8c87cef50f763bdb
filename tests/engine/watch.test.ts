import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../src/store/index.ts';
import { openWorld, operator, type World } from '../helpers/world.ts';

let world: World;
let store: Store;
beforeEach(async () => {
  world = await openWorld({ approval: { mode: 'human', ttlSeconds: 900, maxPendingPerPrincipal: 10 } });
  store = await openStore({ dataDir: world.dataDir });
});
afterEach(async () => {
  await store.close();
  await world.close();
});

/** Further pending requests of as many other agents, made the given number of seconds after now. */
async function more(id: string, count: number, seconds: number): Promise<void> {
  const record = await store.approvals.get(id);
  if (!record) throw new Error(`${id} is not in the store`);
  for (let n = 0; n < count; n += 1) {
    const made = Date.now() + seconds * 1000 + n;
    const other = { ...record, id: `apr_more_${seconds}_${n}`, principal: `token:agent-${n}`, argsDigest: `d${seconds}` };
    await store.approvals.request({ ...other, expiresAt: new Date(made + 900_000).toISOString() }, new Date(made).toISOString(), 1000);
  }
}

describe('a transport that watches the approvals', () => {
  it('counts all 201 that are pending, and sees those that expire first', async () => {
    const first = await world.asks('stop_vm', { vmid: 101 });
    await more(first, 200, 60);
    const { pending, total } = await world.engine.watch();
    expect(total).toBe(201);
    expect(pending).toHaveLength(200);
    expect(pending[0]?.id).toBe(first);
    expect(pending.map(({ expiresAt }) => expiresAt)).toEqual(pending.map(({ expiresAt }) => expiresAt).sort());
    expect((await world.engine.approval('apr_more_60_199'))?.status).toBe('pending');
  });

  it('sees that one approval has expired, also where it looks at that one alone', async () => {
    await more(await world.asks('stop_vm', { vmid: 101 }), 1, -1000);
    expect((await world.engine.approval('apr_more_-1000_0'))?.status).toBe('expired');
  });

  it('sees the latest decisions, however many newer requests there are', async () => {
    const id = await world.asks('stop_vm', { vmid: 101 });
    await more(id, 51, 60);
    await world.call('deny', { approval_id: id, reason: 'not now' }, {}, operator());
    const { recent } = await world.engine.watch();
    expect(recent).toMatchObject([{ id, status: 'denied', note: 'not now' }]);
  });

  it('notices the decision on an approval that has 101 newer ones', async () => {
    const id = await world.asks('stop_vm', { vmid: 101 });
    await more(id, 101, 60);
    const before = (await world.engine.stamps()).approvals[id];
    await world.call('deny', { approval_id: id }, {}, operator());
    expect([before, (await world.engine.stamps()).approvals[id]]).toEqual(['["pending",null]', '["denied",null]']);
  });
});
