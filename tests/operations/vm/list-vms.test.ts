import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import type { ProxmoxReader } from '../../../src/core/proxmox.ts';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { allPrivileges } from '../../../src/proxmox/access/privileges.ts';
import { renderResult } from '../../../src/render/result.ts';
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
import { operationNamed, readOperation } from '../../helpers/operations.ts';

useWorlds();

async function opened(world: World) {
  const { ctx, ...more } = await openWorld(world);
  return { ...more, read: (name: string, args: object) => readIn(ctx, name, args) };
}
/** As a model gets the answer of list_vms. */
function shown(output: JsonObject) {
  return renderResult({ kind: 'done', output }, { tables: operationNamed('list_vms') }).forModel as {
    columns: string[];
    rows: unknown[][];
    left_out?: string[];
  };
}
const tokens = (value: unknown) => encode(JSON.stringify(value)).length;

const many: GuestSpec[] = Array.from({ length: 120 }, (_, i) => ({
  ...webServer,
  vmid: 300 + i,
  running: i % 2 === 0,
  config: { name: `node-${i}`, tags: i < 3 ? 'Special' : 'x' },
}));

describe('list_vms', () => {
  test('equal arguments about unchanged rows get the same answer object, and other arguments a new one', async () => {
    const { ctx } = await openWorld({ guests: [webServer, container] });
    const operation = readOperation('list_vms');
    let said: unknown = await ctx.api.get('/cluster/resources', { type: 'vm' });
    const api: ProxmoxReader = { ...ctx.api, get: async <T>() => said as T };
    const ask = (args: JsonObject = { limit: 60 }) => operation.read({ ...ctx, api }, args);
    const first = await ask();
    expect(await ask()).toBe(first);
    expect(await ask({ limit: 1 })).toMatchObject({ vms: [{ vmid: 105 }], total: 2 });
    const rows = said;
    // Another call reads the rights of the token.
    said = { '/pool/agents': { 'VM.Audit': 1 } };
    await allPrivileges(api);
    said = rows;
    expect(await ask()).toEqual({ ...first, cannot_see: expect.any(Array) });
    said = [...(rows as object[])];
    expect(await ask()).not.toBe(await ask({ limit: 1 }));
  });

  test('one request; templates last; compact rows', async () => {
    const { read, requests } = await opened({
      guests: [
        { ...template, vmid: 100 },
        { ...webServer, cpu: 0.123, usedMib: 700 },
        { ...container, pool: 'infra', ha: 'started' },
      ],
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
      cpu_percent: 12,
      memory_used_mb: 700,
      memory_mb: 2048,
      disk_gb: 32,
      uptime: 3595,
      tags: ['prod', 'web'],
    });
    expect(list.vms[1]).toMatchObject({ type: 'container', pool: 'infra', ha: 'started' });
    expect(list.vms[2].template).toBe(true);
    expect(list.total).toBe(3);
  });
  test('pages continue where the last one ended, even when that guest is gone', async () => {
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
    [{ name: 'ODE-11' }, 11],
    [{ type: 'template' }, 1],
    [{ type: 'vm' }, 120],
    [{ status: 'running' }, 61],
    [{ type: 'container' }, 1],
    [{ tag: 'special' }, 3],
    [{ pool: 'infra' }, 1],
    [{ node: 'pve2' }, 0],
    [{ name: 'node-*', status: 'stopped', tag: 'special' }, 1],
  ])('filters combine: %j', async (filter, total) => {
    const { read } = await opened({ guests: [...many, { ...container, pool: 'infra' }, template] });
    expect((await read('list_vms', filter)).total).toBe(total);
  });
  test.each([
    [{ node: 'pve9' }, 'Node pve9 does not exist. Nodes: pve, pve2.'],
    [{ node: 'pve2' }, 'No guest is visible on node pve2; guests are on: pve (4).'],
    [{ tag: 'production' }, 'No guest has the tag production; tags: prod (2), web (2), infra (1).'],
    [{ tag: 'ABC,DEF' }, 'No guest has the tag ABC,DEF; tags: prod (2), web (2), infra (1). Give one tag; * matches anything.'],
    [{ pool: 'nope' }, 'No guest is in pool nope; pools: shop/front (2), infra (1).'],
    [{ name: 'wbe1' }, 'No name contains wbe1. Similar: web1.'],
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

  const disk = { boot: 'order=scsi0', scsi0: 'local-lvm:vm-1-disk-0,size=8G' };
  const loads: GuestSpec[] = [
    { ...webServer, vmid: 101, cpu: 0.9, usedMib: 100, config: { name: 'hot', memory: 1024, cores: 2, ...disk } },
    { ...webServer, vmid: 102, cpu: 0.1, usedMib: 900, uptime: 90_000, config: { name: 'full', memory: 1024, cores: 4, ...disk } },
    { ...webServer, vmid: 103, cpu: 0.1, usedMib: 500, config: { name: 'mid', memory: 4096, ...disk } },
    { ...webServer, vmid: 104, running: false, config: { name: 'off', memory: 8192, ...disk } },
    { ...template, vmid: 105 },
  ];
  test.each([
    [{ sort: 'cpu' }, [101, 102, 103, 104, 105]],
    [{ sort: 'memory' }, [102, 103, 101, 104, 105]],
    [{ sort: 'uptime' }, [102, 101, 103, 104, 105]],
    [{ sort: 'memory', ascending: true, status: 'running' }, [101, 103, 102]],
    [{ sort: 'disk', type: 'vm' }, [101, 102, 103, 104]],
  ])('sorts by use, the greatest first and templates last, over pages: %j', async (args, vmids) => {
    const { read } = await opened({ guests: loads });
    const seen: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await read('list_vms', { ...args, limit: 2, ...(cursor ? { cursor } : {}) });
      seen.push(...page.vms.map((g: { vmid: number }) => g.vmid));
      cursor = page.next_cursor;
    } while (cursor);
    expect(seen).toEqual(vmids);
  });
  test('a cursor of another sort order is refused', async () => {
    const { read } = await opened({ guests: loads });
    const { next_cursor: cursor } = await read('list_vms', { sort: 'cpu', limit: 1 });
    expect((await refusalOf(read('list_vms', { sort: 'memory', cursor }))).message).toContain('with the same sort');
  });
  test('totals are over all matches, whatever the page; templates and stopped guests use nothing', async () => {
    const { read } = await opened({ guests: loads });
    const { totals, vms } = await read('list_vms', { limit: 1 });
    expect(vms).toHaveLength(1);
    expect(totals).toEqual({
      running: 3,
      templates: 1,
      cpus: 8,
      cpus_used: 2.3,
      memory_used_mb: 1500,
      memory_mb: 1024 + 1024 + 4096 + 8192,
      disk_gb: 32,
    });
    expect((await read('list_vms', { status: 'running' })).totals).toMatchObject({ running: 3, memory_used_mb: 1500, memory_mb: 6144 });
  });
  test('only the totals are less than 100 tokens', async () => {
    const { read, requests } = await opened({ guests: many });
    const answer = await read('list_vms', { totals_only: true });
    expect(Object.keys(answer)).toEqual(['total', 'totals']);
    expect(tokens(answer)).toBeLessThan(100);
    expect(requests()).toEqual(['/cluster/resources?type=vm']);
  });
  test.each<[object, string[]]>([
    [{}, []],
    [{ type: 'vm' }, ['type']],
    [{ tag: 'x', pool: 'infra', columns: ['ha', 'tags'] }, ['tags', 'pool', 'ha']],
    [{ columns: ['vmid', 'name', 'tags'] }, ['tags']],
  ])('models see nine columns, and those that are requested or filtered by: %j', async (args, more) => {
    const { read } = await opened({ guests: [{ ...webServer, pool: 'infra', config: { ...webServer.config, tags: 'x' } }] });
    const { columns } = shown(await read('list_vms', args));
    expect(columns).toEqual([
      ...['vmid', 'name', 'status', 'node', 'cpu_percent', 'memory_used_mb', 'memory_mb', 'disk_gb', 'uptime'],
      ...more,
    ]);
  });
  test('a row is at most 27 tokens, a page at most 60 rows and about 2,000', async () => {
    const guests = Array.from({ length: 90 }, (_, i) => ({
      ...webServer,
      vmid: 10_000 + i,
      node: i % 2 === 0 ? 'pve' : 'pve2',
      cpu: 0.031 * (1 + (i % 30)),
      usedMib: 1234 + 97 * i,
      uptime: 234_567 + 7919 * i,
      config: { name: `guest-${10_000 + i}`, memory: 16_384, cores: 4 },
    }));
    const { read } = await opened({ guests, nodes: [{ node: 'pve' }, { node: 'pve2' }] });
    const answer = shown(await read('list_vms', {}));
    expect(answer.rows).toHaveLength(60);
    expect(tokens(answer.rows) / 60).toBeLessThanOrEqual(27);
    expect(tokens(answer)).toBeLessThan(2000);
  });
  test('a page that is too large for one answer ends earlier, with a cursor', async () => {
    const guests = Array.from({ length: 400 }, (_, i) => ({
      ...webServer,
      vmid: 1000 + i,
      config: { name: `a-rather-long-name-${i}`, tags: 'x;y;z' },
    }));
    const { read } = await opened({ guests });
    const seen: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await read('list_vms', { limit: 500, columns: ['tags'], ...(cursor ? { cursor } : {}) });
      const answer = shown(page);
      expect(answer.left_out).toBeUndefined();
      expect(tokens(answer)).toBeLessThan(6000);
      seen.push(...page.vms.map((g: { vmid: number }) => g.vmid));
      cursor = page.next_cursor;
    } while (cursor);
    expect(seen).toEqual(guests.map((g) => g.vmid));
  });
  test('a guest of a node that is offline is shown as it is, and the node is not asked', async () => {
    const { read, requests } = await opened({
      nodes: [{ node: 'pve' }, { node: 'pve2', status: 'offline' }],
      guests: [webServer, { ...webServer, vmid: 106, node: 'pve2', fresh: true }],
    });
    const { vms, totals } = await read('list_vms', {});
    expect(vms[1]).toEqual({ vmid: 106, name: '', type: 'vm', status: 'unknown', node: 'pve2', tags: ['prod', 'web'] });
    expect(totals).toMatchObject({ running: 1, state_unknown: 1 });
    expect(requests()).toEqual(['/cluster/resources?type=vm', '/nodes']);
  });
  test('says which guests the token cannot see once its rights are known, and does not read the rights itself', async () => {
    const permissions = { '/vms/105': ['VM.Audit'] };
    const { read, requests } = await opened({ guests: [webServer, { ...webServer, vmid: 106 }], permissions });
    expect(await read('list_vms', {})).toMatchObject({ total: 1 });
    expect(requests()).toEqual(['/cluster/resources?type=vm']);
    await read('get_cluster', { sections: ['templates'] });
    const before = requests().length;
    expect(await read('list_vms', {})).toMatchObject({
      total: 1,
      cannot_see: ['guests: shown only with VM.Audit (held on /vms/105 alone)'],
    });
    expect(requests().length - before).toBe(1);
  });
});
