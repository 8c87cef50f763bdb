import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { planOf } from '../../helpers/plans.ts';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const sent = () => world.cluster.mutations().map(({ method, path }) => `${method} ${path}`);
const list = async (args: object = {}) => (await world.done('list_snapshots', args)).snapshots as JsonObject[];
const approved = async (operation: string, args: object) => {
  const id = await world.asks(operation, args);
  return world.done('approve', { approval_id: id });
};

describe('snapshot_vm', () => {
  it('takes a snapshot that the list shows, and names the call that removes it', async () => {
    const plan = await planOf(world, 'snapshot_vm', { vmid: 104, snapshot: 'sunday', description: 'kernel 6.8' });
    expect(plan).toMatchObject({ effect: 'change', undo: 'delete_snapshot {"vmid": 104, "snapshot": "sunday"}' });
    expect(await world.done('snapshot_vm', { vmid: 104, snapshot: 'sunday', description: 'kernel 6.8' })).toMatchObject({
      vmid: 104,
      snapshot: 'sunday',
    });
    expect(sent()).toEqual(['POST /nodes/pve/qemu/104/snapshot']);
    const rows = await list({ name: 'build1' });
    expect(rows.map(({ snapshot }) => snapshot)).toEqual(['clean', 'before-upgrade', 'sunday']);
    expect(rows[2]).toMatchObject({ vmid: 104, guest: 'build1', parent: 'before-upgrade', description: 'kernel 6.8', age_days: 0 });
  });

  it('warns that the disks of a running VM are as after a power cut, and needs an approval to pause it for its memory', async () => {
    expect((await planOf(world, 'snapshot_vm', { vmid: 101, snapshot: 'now' })).warnings).toEqual([
      'the VM runs: the snapshot holds its disks as after a power cut, without memory',
    ]);
    const plan = await planOf(world, 'snapshot_vm', { vmid: 101, snapshot: 'now', memory: true });
    expect(plan).toMatchObject({ effect: 'disrupt', raisedBecause: expect.stringContaining('paused') });
    await approved('snapshot_vm', { vmid: 101, snapshot: 'now', memory: true });
    expect((await list({ vmid: 101 })).find(({ snapshot }) => snapshot === 'now')).toMatchObject({ memory: true });
  });

  it('covers several guests in one plan', async () => {
    await world.done('snapshot_vm', { names: ['build1', 'dns1'], snapshot: 'monday' });
    expect(sent()).toEqual(['POST /nodes/pve/qemu/104/snapshot', 'POST /nodes/pve/lxc/200/snapshot']);
    expect((await list()).filter(({ snapshot }) => snapshot === 'monday').map(({ vmid }) => vmid)).toEqual([104, 200]);
  });

  it('refuses a name that is taken, with its age, and sends nothing', async () => {
    await world.done('snapshot_vm', { vmid: 104, snapshot: 'monday' });
    const error = await world.refused(world.call('snapshot_vm', { vmid: 104, snapshot: 'Monday' }));
    expect(error).toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/^build1 \(104\) already has a snapshot monday of .* ago\)\.$/),
    });
    expect(sent()).toHaveLength(1);
  });

  it.each(['current', 'vzdump', '1st', 'a', 'two words', 'x'.repeat(41)])('refuses the name %j', async (snapshot) => {
    expect((await world.refused(world.call('snapshot_vm', { vmid: 104, snapshot }))).code).toBe('invalid_arguments');
  });

  it('refuses templates, and the memory of a container', async () => {
    expect((await world.refused(world.call('snapshot_vm', { vmid: 9000, snapshot: 'monday' }))).code).toBe('guest_state');
    expect((await world.refused(world.call('snapshot_vm', { vmid: 200, snapshot: 'monday', memory: true }))).message).toBe(
      'dns1 (200) is a container. Its memory cannot be saved.',
    );
  });
});

describe('rollback_snapshot', () => {
  beforeEach(async () => {
    await world.done('snapshot_vm', { vmid: 104, snapshot: 'monday' });
    await world.done('set_resources', { vmid: 104, cores: 4 });
    await world.done('start_vm', { vmid: 104 });
  });

  it('says what is lost, powers the guest off and brings the configuration back', async () => {
    const plan = await planOf(world, 'rollback_snapshot', { vmid: 104, snapshot: 'monday' });
    expect(plan.effect).toBe('destroy');
    expect(plan.summary).toMatch(/^Roll build1 \(104\) back to snapshot monday of .* ago\); everything written since is lost$/);
    expect(plan.warnings).toEqual([
      expect.stringMatching(/^lost: all changes on its disks of the last /),
      'build1 (104) runs and is powered off. It stays off',
      'its old configuration comes back: cores',
    ]);
    expect(await approved('rollback_snapshot', { vmid: 104, snapshot: 'monday' })).toMatchObject({
      result: { vmid: 104, status: 'stopped', snapshot: 'monday' },
    });
    expect(sent().at(-1)).toBe('POST /nodes/pve/qemu/104/snapshot/monday/rollback');
    expect((await world.done('get_vm', { vmid: 104 })).config).not.toMatchObject({ cores: 4 });
  });

  it('starts it again where the call says so', async () => {
    expect(await approved('rollback_snapshot', { vmid: 104, snapshot: 'monday', start: true })).toMatchObject({
      result: { status: 'running' },
    });
  });

  it('is stale once the name belongs to another snapshot', async () => {
    const id = await world.asks('rollback_snapshot', { vmid: 104, snapshot: 'monday' });
    await approved('delete_snapshot', { vmid: 104, snapshot: 'monday' });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await world.done('snapshot_vm', { vmid: 104, snapshot: 'monday' });
    const error = await world.refused(world.call('approve', { approval_id: id }));
    expect(error).toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining('snapshot monday of build1 (104) was replaced or changed'),
    });
    expect(sent().filter((line) => line.endsWith('/rollback'))).toEqual([]);
  });

  it('names the snapshots that exist', async () => {
    const error = await world.refused(world.call('rollback_snapshot', { vmid: 104, snapshot: 'mondai' }));
    expect(error).toMatchObject({
      code: 'not_possible',
      message: 'build1 (104) has no snapshot mondai: did you mean monday?',
      hint: 'Snapshots: clean, before-upgrade, monday.',
    });
  });
});

describe('delete_snapshot', () => {
  it('deletes one, and the guest stays', async () => {
    await world.done('snapshot_vm', { vmid: 104, snapshot: 'monday' });
    expect(await approved('delete_snapshot', { vmid: 104, snapshot: 'monday' })).toMatchObject({
      result: { deleted: ['snapshot monday of build1 (104)'] },
    });
    expect(sent().at(-1)).toBe('DELETE /nodes/pve/qemu/104/snapshot/monday');
    expect((await list({ vmid: 104 })).map(({ snapshot }) => snapshot)).toEqual(['clean', 'before-upgrade']);
  });

  it('deletes all that are older than some days, of all guests, under one approval', async () => {
    const plan = await planOf(world, 'delete_snapshot', { older_than_days: 10 });
    // Others are cleared before the second guest, so each is looked at once more.
    expect(plan.steps.map((step) => (step.kind === 'request' ? step.path : step.purpose))).toEqual([
      'build1 (104) is still the same guest',
      '/nodes/pve/qemu/104/snapshot/clean',
      'monitor (107) is still the same guest',
      '/nodes/pve2/qemu/107/snapshot/before-move',
    ]);
    await approved('delete_snapshot', { older_than_days: 10 });
    expect((await list()).map(({ snapshot, age_days }) => [snapshot, age_days])).toEqual([['before-upgrade', 2]]);
    expect(await world.done('delete_snapshot', { older_than_days: 10 })).toMatchObject({ deleted: [] });
  });

  it('needs a name or an age', async () => {
    for (const args of [{ vmid: 104 }, { vmid: 104, snapshot: 'monday', older_than_days: 3 }])
      expect((await world.refused(world.call('delete_snapshot', args))).message).toBe(
        'delete_snapshot needs either snapshot or older_than_days.',
      );
    expect((await world.refused(world.call('delete_snapshot', { snapshot: 'monday' }))).code).toBe('invalid_arguments');
  });
});
