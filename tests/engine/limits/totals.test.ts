import { afterEach, describe, expect, it } from 'vitest';
import type { Caller } from '../../../src/core/people/caller.ts';
import type { LimitSettings } from '../../../src/core/settings/settings.ts';
import { checkInside } from '../../../src/engine/limits/quota.ts';
import { agent, openWorld, operator, type World } from '../../helpers/world.ts';

let world: World;
afterEach(async () => {
  await world.close();
});
const GIB = 2 ** 30;
const limits = (over: Partial<LimitSettings>) => ({
  limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' as const }, ...over },
});
async function memoryInUse(): Promise<number> {
  const { data } = await world.other().get('/cluster/resources?type=vm');
  return (data as { template?: number; maxmem?: number }[]).reduce((sum, g) => sum + (g.template ? 0 : (g.maxmem ?? 0) / 2 ** 20), 0);
}
const listed = async (vmid: number) => {
  for (;;) {
    const { data } = await world.other().get('/cluster/resources?type=vm');
    const row = (data as { vmid: number; maxmem?: number; name?: string }[]).find((g) => Number(g.vmid) === vmid);
    if (row?.maxmem !== undefined && row.name) return row.maxmem;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
/** The engine with a limit that leaves so much memory beyond what is in use. */
async function strict(room: number) {
  const engine = world.another(limits({ maxTotalRamMib: (await memoryInUse()) + room }));
  return (operation: string, args: object) => engine.perform(operation, args, agent, { wait: 'end' });
}
async function two(more: object = {}): Promise<[number, number]> {
  const vmids: number[] = [];
  for (const name of ['left', 'right']) {
    const { vmid } = await world.done('create_vm', { name, disk_gb: 1, memory: 512, ...more });
    vmids.push(vmid as number);
  }
  for (const vmid of vmids) await listed(vmid);
  return vmids as [number, number];
}

describe('a limit of the sum of memory', () => {
  it('holds when plans are ready in another order than their names were reserved', async () => {
    world = await openWorld();
    const room = (await memoryInUse()) + 1024;
    const engine = world.another(limits({ maxTotalRamMib: room }));
    const create = (name: string) =>
      engine.perform('create_vm', { name, disk_gb: 1, memory: 1024, storage: 'local-lvm' }, operator(), { wait: 'end' });
    const made = await Promise.allSettled(['a', 'b', 'c', 'd'].map(create));
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('counts what a rollback brings back, and so does the limit of one guest', async () => {
    world = await openWorld();
    const { vmid } = await world.done('create_vm', { name: 'large', disk_gb: 1, memory: 2048, cores: 4 });
    await world.done('snapshot_vm', { vmid, snapshot: 'large' });
    await world.done('set_resources', { vmid, memory: 1024, cores: 1 });
    const rollback = { vmid, snapshot: 'large' };
    const tight = await strict(1023);
    expect(await world.refused(tight('rollback_snapshot', rollback))).toMatchObject({ code: 'quota_exceeded' });
    const small = world.another(limits({ maxCpu: 2 }));
    expect(await world.refused(small.perform('rollback_snapshot', rollback, agent))).toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringContaining('cores 4 > 2 (PROXMOX_MAX_CPU)'),
    });
    const enough = await strict(1024);
    expect(await enough('rollback_snapshot', rollback)).toMatchObject({ kind: 'approval_required' });
  });

  it('counts memory that was raised a moment ago and that no list shows yet', async () => {
    world = await openWorld({}, { timeScale: 1 });
    const [left, right] = await two();
    const call = await strict(512);
    await call('set_resources', { vmid: left, memory: 1024 });
    expect(await world.refused(call('set_resources', { vmid: right, memory: 1024 }))).toMatchObject({ code: 'quota_exceeded' });
  }, 90_000);

  it('counts memory that was raised and waits for a stop and start, step by step or for two guests', async () => {
    world = await openWorld();
    const [left, right] = await two({ start_on_create: true });
    const call = await strict(512);
    await call('set_resources', { vmid: left, memory: 1024 });
    expect(await listed(left)).toBe(GIB / 2);
    expect(await world.refused(call('set_resources', { vmid: left, memory: 1536 }))).toMatchObject({ code: 'quota_exceeded' });
    expect(await world.refused(call('set_resources', { vmid: right, memory: 1024 }))).toMatchObject({ code: 'quota_exceeded' });
    await call('set_resources', { vmid: left, memory: 512 });
    await call('set_resources', { vmid: right, memory: 1024 });
  });

  it('counts a guest of another client that is listed without its sizes', async () => {
    world = await openWorld({}, { timeScale: 1 });
    const call = await strict(1024);
    await world.other().task('POST', '/nodes/pve/qemu', { vmid: '901', name: 'theirs', memory: '1024' });
    expect(await world.refused(call('create_vm', { name: 'ours', disk_gb: 1, memory: 512 }))).toMatchObject({ code: 'quota_exceeded' });
  }, 60_000);
});

describe('a rule about a tag', () => {
  it('fits a clone of a guest that carries it, whatever tags the clone gets', async () => {
    const rule = { match: { operation: ['clone_template'], tag: ['prod'] }, never: false, method: 'human' as const };
    world = await openWorld({ policy: { rules: [rule], perHour: {} } });
    const { vmid } = await world.done('create_vm', { name: 'golden', disk_gb: 1, tags: ['prod'] });
    expect(await world.call('clone_template', { source_vmid: vmid, name: 'copy' })).toMatchObject({ kind: 'approval_required' });
    const plain = { source_vmid: vmid, name: 'plain', tags: ['dev'] };
    expect(await world.call('clone_template', plain)).toMatchObject({ kind: 'approval_required' });
  });
});

describe('a rule about a pool', () => {
  it('fits the pools nested in it', async () => {
    const rule = { match: { pool: ['agents'] }, never: true };
    world = await openWorld({ policy: { rules: [rule], perHour: {} } });
    await world.other().post('/pools', { poolid: 'agents/ci' });
    expect(await world.refused(world.call('create_vm', { name: 'nested', disk_gb: 1, pool: 'agents/ci' }))).toMatchObject({
      code: 'forbidden_by_policy',
    });
  });
});

describe('space on a storage', () => {
  it('is not given away twice by plans made at the same moment', async () => {
    world = await openWorld();
    const { data } = await world.other().get('/nodes/pve/storage/local-lvm/status');
    const most = Math.floor(data.avail / GIB);
    const half = Math.floor(most / 2) + 1;
    const made = await Promise.allSettled(
      ['one', 'two', 'three'].map((name) => world.call('create_vm', { name, disk_gb: half, storage: 'local-lvm' }, {}, operator())),
    );
    expect(made.filter((m) => m.status === 'fulfilled')).toHaveLength(1);
  });
});

describe('a guest whose last step failed', () => {
  it('still counts as made here, and may be cleaned up', async () => {
    world = await openWorld({ policy: { rules: [], only: { tags: [], pools: [], created: true }, perHour: {} } });
    world.cluster.simulator.faults.add({
      match: { method: 'POST', path: '/status/start$' },
      action: 'fail-task',
      exitstatus: 'start failed: QEMU exited with code 1',
    });
    const failed = await world.refused(world.call('create_vm', { name: 'half', disk_gb: 1, start_on_create: true }));
    expect(failed).toMatchObject({ code: 'task_failed', details: { cleanup: expect.stringContaining('delete_vm') } });
    expect(await world.call('delete_vm', { vmid: failed.details?.vmid })).toMatchObject({ kind: 'approval_required' });
    const counted = world.another(limits({ maxVms: 1, scope: { kind: 'created' } }));
    expect(await world.refused(counted.perform('create_vm', { name: 'next', disk_gb: 1 }, agent))).toMatchObject({
      code: 'quota_exceeded',
    });
  });
});

describe('limits of a scope', () => {
  const made = (call: object) =>
    world.another(limits({ scope: { kind: 'tag', tag: 'Agents' } })).perform('create_vm', call, agent, { wait: 'end' });

  it('refuse a guest outside of it, and the answer says what brings it inside', async () => {
    world = await openWorld();
    const refusal = { code: 'quota_exceeded', hint: 'Call again with tags: ["Agents"].' };
    expect(await world.refused(made({ name: 'outside', disk_gb: 1 }))).toMatchObject(refusal);
    expect(await world.refused(made({ name: 'outside', disk_gb: 1, tags: ['other'] }))).toMatchObject(refusal);
    expect(world.cluster.mutations()).toEqual([]);
    expect(await made({ name: 'inside', disk_gb: 1, tags: ['agents'] })).toMatchObject({ kind: 'done' });
  });

  it('keep the guests that count in it: one that left would make room for another', async () => {
    world = await openWorld({ ...limits({ scope: { kind: 'tag', tag: 'agents' } }) });
    const { vmid } = await world.done('create_vm', { name: 'counted', disk_gb: 1, tags: ['agents'], pool: 'agents' });
    const before = world.cluster.mutations().length;
    const leave = { code: 'quota_exceeded', message: expect.stringContaining('tag agents (PROXMOX_QUOTA_SCOPE)') };
    for (const dryRun of [true, false])
      expect(await world.refused(world.call('update_vm', { vmid, remove_tags: ['Agents'] }, { dryRun }))).toMatchObject(leave);
    const pooled = world.another(limits({ scope: { kind: 'pool', pool: 'agents' } }));
    for (const pool of ['none', 'prod'])
      expect(await world.refused(pooled.perform('update_vm', { vmid, pool }, agent))).toMatchObject({ code: 'quota_exceeded' });
    expect(world.cluster.mutations()).toHaveLength(before);
    expect(await world.call('update_vm', { vmid, add_tags: ['ci'], pool: 'none' })).toMatchObject({ kind: 'done' });
  });

  it('keep a guest that a rollback or a restore over it would give other tags', async () => {
    world = await openWorld();
    const { vmid } = await world.done('create_vm', { name: 'early', disk_gb: 1 });
    await world.done('snapshot_vm', { vmid, snapshot: 'untagged' });
    await world.done('backup_vm', { vmid, storage: 'nas' });
    await world.done('update_vm', { vmid, add_tags: ['agents'] });
    const before = world.cluster.mutations().length;
    const counted = world.another(limits({ scope: { kind: 'tag', tag: 'agents' } }));
    const leave = { code: 'quota_exceeded', message: expect.stringContaining('the guest would no longer be one of them') };
    for (const [operation, args] of [
      ['rollback_snapshot', { vmid, snapshot: 'untagged' }],
      ['restore_backup', { source_vmid: vmid, overwrite: true }],
    ] as const)
      expect(await world.refused(counted.perform(operation, args, agent)), operation).toMatchObject(leave);
    expect(world.cluster.mutations()).toHaveLength(before);
    await world.asks('rollback_snapshot', { vmid, snapshot: 'untagged' });
  });

  it('count the tags in a backup for the guest that it becomes', async () => {
    world = await openWorld();
    const { vmid } = await world.done('create_vm', { name: 'tagged', disk_gb: 1, tags: ['agents'] });
    await world.done('backup_vm', { vmid, storage: 'nas' });
    const counted = world.another(limits({ scope: { kind: 'tag', tag: 'agents' } }));
    const restored = { name: 'restored', source_vmid: vmid };
    expect(await counted.perform('restore_backup', restored, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
    const limited: Caller = { ...agent, scope: { tags: ['agents'] } };
    expect(await world.call('restore_backup', { ...restored, name: 'again' }, {}, limited)).toMatchObject({ kind: 'done' });
  });

  it('of a pool let guests into the pools below it', async () => {
    world = await openWorld();
    const inPool = (pool: string | undefined) => () =>
      checkInside(
        { vmid: 120, tags: [], ...(pool === undefined ? {} : { pool }) },
        limits({ scope: { kind: 'pool', pool: 'agents' } }).limits,
      );
    expect(inPool(undefined)).toThrow(/guests of pool agents/);
    expect(inPool('other')).toThrow(/guests of pool agents/);
    for (const pool of ['agents', 'agents/ci']) expect(inPool(pool)).not.toThrow();
  });
});
