import { describe, expect, test } from 'vitest';
import {
  container,
  type GuestSpec,
  openWorld,
  readIn,
  refusalOf,
  template,
  useWorlds,
  type World,
  webServer,
} from '../../helpers/described/index.ts';

useWorlds();

async function opened(world: World) {
  const { ctx, ...more } = await openWorld(world);
  return { ...more, read: (name: string, args: object) => readIn(ctx, name, args) };
}
const many: GuestSpec[] = Array.from({ length: 120 }, (_, i) => ({
  ...webServer,
  vmid: 300 + i,
  running: i % 2 === 0,
  config: { name: `node-${i}`, tags: i < 3 ? 'Special' : 'x' },
}));

describe('list_vms', () => {
  test('one request; templates last; compact rows', async () => {
    const { read, requests } = await opened({
      guests: [{ ...template, vmid: 100 }, webServer, { ...container, pool: 'infra', ha: 'started' }],
    });
    const list = await read('list_vms', {});
    expect(requests()).toEqual(['/cluster/resources?type=vm']);
    expect(list.vms.map((g: { vmid: number }) => g.vmid)).toEqual([105, 201, 100]);
    expect(list.vms[0]).toEqual({
      vmid: 105,
      name: 'web1',
      type: 'vm',
      status: 'running',
      node: 'pve',
      cpus: 2,
      memory_mb: 2048,
      tags: ['prod', 'web'],
    });
    expect(list.vms[1]).toMatchObject({ type: 'container', pool: 'infra', ha: 'started' });
    expect(list.vms[2].template).toBe(true);
    expect(list.total).toBe(3);
  });
  test('pages go on where the last one ended, even when that guest is gone', async () => {
    const { read } = await opened({ guests: [...many, { ...template }] });
    const seen: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await read('list_vms', { limit: 50, ...(cursor ? { cursor } : {}) });
      expect(page.total).toBe(121);
      seen.push(...page.vms.map((g: { vmid: number }) => g.vmid));
      cursor = page.next_cursor;
    } while (cursor);
    expect(seen).toEqual([...many.map((g) => g.vmid), 9000]);
    const { read: later } = await opened({ guests: many.filter((g) => g.vmid !== 349) });
    expect((await later('list_vms', { limit: 1, cursor: 'g000000349' })).vms[0].vmid).toBe(350);
    expect((await refusalOf(read('list_vms', { cursor: 'nonsense' }))).code).toBe('invalid_arguments');
  });
  test.each([
    [{ name: 'NODE-1*' }, 31],
    [{ status: 'running' }, 61],
    [{ type: 'container' }, 1],
    [{ tag: 'special' }, 3],
    [{ pool: 'infra' }, 1],
    [{ node: 'pve2' }, 0],
    [{ name: 'node-*', status: 'stopped', tag: 'special' }, 1],
  ])('filters combine: %j', async (filter, total) => {
    const { read } = await opened({ guests: [...many, { ...container, pool: 'infra' }] });
    expect((await read('list_vms', filter)).total).toBe(total);
  });
  test.each([
    [{ node: 'pve9' }, 'Node pve9 does not exist. Nodes: pve, pve2.'],
    [{ node: 'pve2' }, 'No guest is visible on node pve2; guests are on: pve (4).'],
    [{ tag: 'production' }, 'No guest has the tag production; tags: prod (2), web (2), infra (1).'],
    [{ tag: 'ABC,DEF' }, 'No guest has the tag ABC,DEF; tags: prod (2), web (2), infra (1). Give one tag; * matches anything.'],
    [{ pool: 'nope' }, 'No guest is in pool nope; pools: shop/front (2), infra (1).'],
    [{ name: 'wbe1' }, 'No guest is called wbe1. Similar: web1.'],
    [{ name: 'web' }, 'No guest is called web. * matches anything: *web* fits 2. Similar: web1, web2.'],
    [{ status: 'paused' }, 'No guest is paused; states: running (3), stopped (1).'],
    [{ name: 'dns1', tag: 'prod' }, 'No guest fits all filters at once; each alone: name 1, tag 2.'],
  ])('a filter that nothing fits is answered with what exists: %j', async (filter, notice) => {
    const { read } = await opened({
      nodes: [{ node: 'pve' }, { node: 'pve2' }],
      guests: [
        { ...webServer, pool: 'shop/front' },
        { ...webServer, vmid: 106, pool: 'shop/front', config: { ...webServer.config, name: 'web2' } },
        { ...container, pool: 'infra', config: { ...container.config, tags: 'infra' } },
        template,
      ],
    });
    expect(await read('list_vms', filter)).toMatchObject({ vms: [], total: 0, notice });
  });
  test('a pool includes the pools nested in it, as quotas count them', async () => {
    const guests = [
      { ...webServer, pool: 'shop/front' },
      { ...container, pool: 'shopping' },
    ];
    const { read } = await opened({ guests });
    expect((await read('list_vms', { pool: 'shop' })).vms.map((g: { vmid: number }) => g.vmid)).toEqual([105]);
    expect((await read('list_vms', { pool: 'shop' })).notice).toBeUndefined();
  });
  test('a hostile name is data', async () => {
    const { read } = await opened({ guests: [{ vmid: 100, config: { name: `evil\u202e\u001b[2J${'x'.repeat(300)}` } }] });
    const [row] = (await read('list_vms', {})).vms;
    expect(row.name).toMatch(/^evil\[2Jx+… \(\d+ more characters\)$/);
  });
  test('an empty list from a token without rights says so, with the lines that help', async () => {
    const { read } = await opened({ permissions: {} });
    const { notice } = await read('list_vms', {});
    expect(notice).toContain("pveum acl modify /vms --users mcp@pve --tokens 'mcp@pve!agent'");
    const { read: empty } = await opened({ permissions: { '/vms': ['VM.Audit'] } });
    expect((await empty('list_vms', {})).notice).toBeUndefined();
  });
  test('an empty list from a token of a pool says nothing about the cluster', async () => {
    const { read, requests } = await opened({ permissions: { '/pool/agents': ['VM.Audit'] } });
    const { notice } = await read('list_vms', {});
    expect(notice).toBe('No guest is visible. This token sees guests on /pool/agents only; others may exist.');
    expect(requests()).toHaveLength(2);
  });
  test('a list by pool says nothing about the pool without Pool.Audit', async () => {
    const { read } = await opened({ guests: [{ ...webServer, pool: 'agents' }], permissions: { '/pool/agents': ['VM.Audit'] } });
    const { notice } = await read('list_vms', { pool: 'agents' });
    expect(notice).toContain('which the token lacks on /pool/agents');
    expect(notice).toContain("pveum role modify ROLE --append --privs 'Pool.Audit'");
  });
});
