import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import type { Caller } from '../../../src/core/people/caller.ts';
import { openStore } from '../../../src/store/index.ts';
import { callsTo } from '../../helpers/calls.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

/** A token that is limited to the guests of one pool. */
const limited: Caller = { ...agent, principal: 'token:ci', scope: { pools: ['agents'] } };
const asLimited = (name: string, args: object) => world.call(name, args, {}, limited);

describe('a guest with the VMID of a former one', () => {
  it('brings a caller that is limited to it none of the backups of the former one', async () => {
    await world.approved('stop_vm', { vmid: 103, force: true });
    await world.approved('delete_vm', { vmid: 103 });
    expect(await asLimited('create_vm', { name: 'taker', vmid: 103, disk_gb: 1 })).toMatchObject({ kind: 'done' });
    expect(await asLimited('list_backups', {})).toMatchObject({ output: { backups: [], total: 0 } });
    const loot = await world.refused(asLimited('restore_backup', { source_vmid: 103, name: 'loot' }));
    expect(loot).toMatchObject({ code: 'not_possible', message: 'No backup of guest 103 is visible.' });
    await world.call('backup_vm', { vmid: 103, storage: 'nas' }, { wait: 'end' }, limited);
    expect(await asLimited('list_backups', {})).toMatchObject({ output: { backups: [{ vmid: 103, guest: 'taker' }], total: 1 } });
    expect(await world.done('list_backups', { vmid: 103 })).toMatchObject({ total: 2 });
  });

  it('brings none of them either while its run has not ended', async () => {
    await world.approved('stop_vm', { vmid: 103, force: true });
    await world.approved('delete_vm', { vmid: 103 });
    world.cluster.simulator.faults.add({ match: { method: 'POST', path: '/103/status/start$' }, action: 'hold-before', times: 1 });
    const making = asLimited('create_vm', { name: 'taker', vmid: 103, disk_gb: 1, start_on_create: true });
    while (!world.cluster.mutations().at(-1)?.path.endsWith('/status/start')) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await asLimited('list_backups', {})).toMatchObject({ output: { backups: [], total: 0 } });
    world.cluster.simulator.faults.release();
    await making;
  });

  it('brings none of them either once it was restored from a backup of its own', async () => {
    const volume = await restoredTaker();
    expect(await asLimited('list_backups', {})).toMatchObject({ output: { backups: [{ vmid: 103, volume }], total: 1 } });
  });

  it('shows its own backups and changes, also where the clock of this machine is ahead of that of Proxmox', async () => {
    const ahead = { ...systemClock, now: () => Date.now() + 3_600_000 };
    const { done } = callsTo(world.another({}, { clock: ahead }), limited);
    const { vmid } = await done('create_vm', { name: 'mine', disk_gb: 1 });
    await done('backup_vm', { vmid, storage: 'nas' });
    expect(await done('list_backups', {})).toMatchObject({ backups: [{ vmid, guest: 'mine' }], total: 1 });
    expect(JSON.stringify(await done('get_vm', { vmid, fields: ['changes'] }))).toContain(`Create mine (${vmid})`);
  });

  it('shows such a caller no changes of the former one', async () => {
    await world.approved('delete_vm', { vmid: 104 });
    expect(await asLimited('create_vm', { name: 'fresh', vmid: 104, disk_gb: 1 })).toMatchObject({ kind: 'done' });
    const shown = async (caller: Caller) => JSON.stringify(await world.done('get_vm', { vmid: 104, fields: ['changes'] }, {}, caller));
    expect(await shown(agent)).toContain('Delete build1 (104)');
    expect(await shown(limited)).toContain('Create fresh (104)');
    expect(await shown(limited)).not.toContain('build1');
  });
});

describe('a policy that allows guests created through this server alone', () => {
  it('allows no copy of a former guest of their VMID', async () => {
    await world.approved('stop_vm', { vmid: 103, force: true });
    await world.approved('delete_vm', { vmid: 103 });
    const strict = world.another({ policy: { rules: [], only: { tags: [], pools: [], created: true }, perHour: {} } });
    const { call, done, refused } = { ...callsTo(strict, agent), refused: world.refused };
    await done('create_vm', { name: 'taker', vmid: 103, disk_gb: 1 });
    expect(await refused(call('restore_backup', { source_vmid: 103, name: 'loot' }))).toMatchObject({
      code: 'forbidden_by_policy',
      message: expect.stringContaining('copies of guest 103'),
    });
    await done('backup_vm', { vmid: 103, storage: 'nas' });
    expect(await done('restore_backup', { source_vmid: 103, name: 'twin' })).toMatchObject({ created: true });
  });
});

describe('a policy that requires a backup', () => {
  it('takes none of a former guest of the VMID for one', async () => {
    await world.approved('stop_vm', { vmid: 103, force: true });
    await world.approved('delete_vm', { vmid: 103 });
    const rules = [{ match: {}, never: false, requireBackupWithin: 10 * 365 * 86_400 }];
    const strict = callsTo(world.another({ policy: { rules, perHour: {} } }), agent);
    await strict.done('create_vm', { name: 'taker', vmid: 103, disk_gb: 1 });
    expect(await world.refused(strict.call('delete_vm', { vmid: 103 }))).toMatchObject({
      code: 'forbidden_by_policy',
      message: expect.stringContaining('of a former guest of this VMID'),
    });
  });
});

describe('a guest that was restored from its own backup', () => {
  it('keeps its earlier backups', async () => {
    const { backups } = await world.done('list_backups', { vmid: 103 });
    const [{ volume = '' } = {}] = backups as { volume?: string }[];
    await world.approved('stop_vm', { vmid: 103, force: true });
    await world.approved('delete_vm', { vmid: 103 });
    expect(await asLimited('list_backups', {})).toMatchObject({ output: { total: 0 } });
    await world.done('restore_backup', { volume, vmid: 103, pool: 'agents' });
    expect(await asLimited('list_backups', {})).toMatchObject({ output: { backups: [{ vmid: 103, volume }], total: 1 } });
  });

  it('keeps them after the time for which runs are kept', async () => {
    const { backups } = await world.done('list_backups', { vmid: 103 });
    const [{ volume = '' } = {}] = backups as { volume?: string }[];
    await world.approved('stop_vm', { vmid: 103, force: true });
    await world.approved('delete_vm', { vmid: 103 });
    await world.done('restore_backup', { volume, vmid: 103, pool: 'agents' });
    await forgetRuns();
    expect(await asLimited('list_backups', {})).toMatchObject({ output: { backups: [{ vmid: 103, volume }], total: 1 } });
  });

  it('shows none of a former guest then either', async () => {
    const volume = await restoredTaker();
    await forgetRuns();
    expect(await asLimited('list_backups', {})).toMatchObject({ output: { backups: [{ vmid: 103, volume }], total: 1 } });
  });
});

/** As retention does after its days. Reservations outlive their runs for some seconds. */
async function forgetRuns(): Promise<void> {
  const store = await openStore({ dataDir: world.dataDir });
  const later = new Date(Date.now() + 60_000).toISOString();
  expect((await store.retention.prune(later)).runs).toBeGreaterThan(0);
  for (const { vmid } of await store.reservations.all('simulator')) await store.reservations.releaseGuest('simulator', vmid);
  await store.close();
}

/** Another guest takes VMID 103, is backed up, deleted and restored. @returns the volume of its backup */
async function restoredTaker(): Promise<string> {
  await world.approved('stop_vm', { vmid: 103, force: true });
  await world.approved('delete_vm', { vmid: 103 });
  await asLimited('create_vm', { name: 'taker', vmid: 103, disk_gb: 1 });
  await world.call('backup_vm', { vmid: 103, storage: 'nas' }, { wait: 'end' }, limited);
  const { backups } = await world.done('list_backups', { vmid: 103 }, {}, limited);
  const [{ volume = '' } = {}] = backups as { volume?: string }[];
  await world.approved('delete_vm', { vmid: 103 });
  await world.done('restore_backup', { volume, vmid: 103, pool: 'agents' });
  return volume;
}
