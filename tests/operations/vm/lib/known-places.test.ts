import { describe, expect, test } from 'vitest';
import { type GuestSpec, openWorld, planIn, readIn, useWorlds, webServer } from '../../../helpers/described/index.ts';
import { withEngine } from '../../../helpers/with-engine.ts';

useWorlds();
const nodes = [{ node: 'pve' }, { node: 'pve2' }];
const stopped: GuestSpec = { ...webServer, running: false, pool: 'shop' };
const other: GuestSpec = {
  vmid: 105,
  running: false,
  config: { name: 'db9', memory: 512, smbios1: 'uuid=99999999-0000-4000-8000-000000000009', agent: 1 },
};

async function opened(...guests: GuestSpec[]) {
  const { ctx, requests, become } = await openWorld({ nodes, guests });
  let seen = 0;
  /** The requests since the last question. */
  const since = () => {
    const all = requests();
    const later = all.slice(seen);
    seen = all.length;
    return later;
  };
  return {
    ...{ since, become },
    get: (vmid = 105) => readIn(ctx, 'get_vm', { vmid }),
    list: () => readIn(ctx, 'list_vms', {}),
    start: (args: object = { vmid: 105 }) => planIn(ctx, 'start_vm', args),
  };
}
const fleet = (requests: readonly string[]) => requests.filter((path) => path.startsWith('/cluster/resources'));

describe('a guest that was seen before', () => {
  test('is started and shown without reading the fleet again, also when only a list showed it', async () => {
    const { list, get, start, since } = await opened(stopped);
    await list();
    since();
    await get();
    await start();
    expect(fleet(since())).toEqual([]);
  });

  test('that moved is started where it is now', async () => {
    const { get, start, become } = await opened(stopped);
    await get();
    become([{ ...stopped, node: 'pve2' }]);
    expect(await start()).toMatchObject({ node: 'pve2', target: { node: 'pve2' } });
  });

  test('that is gone is not found', async () => {
    const { get, start, become } = await opened(stopped);
    await get();
    become([]);
    await expect(start()).rejects.toMatchObject({ code: 'guest_not_found' });
    await expect(get()).rejects.toMatchObject({ code: 'guest_not_found' });
  });

  test('and whose VMID belongs to another guest now is planned as that guest, and shown without the pool of the former one', async () => {
    const { get, start, become, since } = await opened(stopped);
    expect(await get()).toMatchObject({ name: 'web1', pool: 'shop' });
    become([other]);
    expect((await start()).summary).toBe('Start db9 (105) on pve');
    since();
    const shown = await get();
    expect(shown).toMatchObject({ name: 'db9' });
    expect(shown).not.toHaveProperty('pool');
    expect(fleet(since())).toHaveLength(1);
  });
});

test('several guests are planned with one read of the fleet and the nodes', async () => {
  const { start, since } = await opened(stopped, { ...other, vmid: 106 });
  await start({ vmids: [105, 106] });
  const asked = since();
  expect(fleet(asked)).toHaveLength(1);
  expect(asked.filter((path) => path === '/nodes')).toHaveLength(1);
});

describe('a running guest', () => {
  const running: GuestSpec = { ...webServer, addresses: ['10.0.0.5'] };

  test('is asked for configuration, state and addresses side by side', async () => {
    const { list, get, since } = await opened(running);
    await list();
    since();
    expect(await get()).toMatchObject({ status: 'running', ip_addresses: ['10.0.0.5'] });
    expect(since().sort()).toEqual(
      ['agent/network-get-interfaces', 'pending', 'snapshot', 'status/current'].map((end) => `/nodes/pve/qemu/105/${end}`),
    );
  });

  test('that stopped meanwhile is shown as stopped, without use and addresses', async () => {
    const { get, become } = await opened(running);
    await get();
    become([{ ...running, running: false }]);
    const shown = await get();
    expect(shown.status).toBe('stopped');
    for (const field of ['uptime_seconds', 'usage', 'ip_addresses', 'ip_note']) expect(shown).not.toHaveProperty(field);
  });

  test('whose agent is not enabled is not asked for it twice', async () => {
    const { get, since } = await opened({ ...running, config: { ...running.config, agent: 0 } });
    await get();
    since();
    expect((await get()).ip_note).toContain('not enabled');
    expect(since().filter((path) => path.includes('/agent/'))).toEqual([]);
  });

  test('whose agent just failed is not asked for its addresses again for some seconds', async () => {
    const { get, since } = await opened(webServer);
    const first = await get();
    expect(first.ip_note).toContain('unknown');
    since();
    expect((await get()).ip_note).toBe(first.ip_note);
    expect(since().filter((path) => path.includes('/agent/'))).toEqual([]);
  });
});

describe('a guest that this process just changed', () => {
  const world = withEngine();
  const askedBy = async (work: () => Promise<unknown>) => {
    const before = world().cluster.requests.length;
    await work();
    return world().cluster.requests.slice(before);
  };

  test('is shown by its own answers in one round, without reading the fleet again', async () => {
    await world().done('list_vms', {});
    await world().done('start_vm', { vmid: 104 });
    const asked = await askedBy(async () => {
      expect(await world().done('get_vm', { vmid: 104 })).toMatchObject({ vmid: 104, status: 'running' });
    });
    expect(asked.map(({ path }) => path.replace('/nodes/pve/qemu/104/', '')).sort()).toEqual([
      'agent/network-get-interfaces',
      'pending',
      'snapshot',
      'status/current',
    ]);
  });

  test('is shown with the state that HA has now, though it is stopped', async () => {
    const managed: GuestSpec = { ...webServer, addresses: ['10.0.0.5'], ha: 'started' };
    const { ctx, requests, become } = await openWorld({ nodes, guests: [managed] });
    await readIn(ctx, 'get_vm', { vmid: 105 });
    become([{ ...managed, running: false, ha: 'stopped' }]);
    Object.assign(ctx.api, { changedLately: (vmid: number) => vmid === 105 });
    const before = requests().length;
    const shown = await readIn(ctx, 'get_vm', { vmid: 105 });
    expect(shown).toMatchObject({ status: 'stopped', ha: 'stopped' });
    expect(shown).not.toHaveProperty('uptime_seconds');
    expect(fleet(requests().slice(before))).toEqual([]);
  });
});
