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
const approved = async (operation: string, args: object) =>
  (await world.done('approve', { approval_id: await world.asks(operation, args) })).result as JsonObject;

describe('reboot_vm', () => {
  it('shuts down and starts again, and says which pending changes it applied', async () => {
    await world.done('set_resources', { vmid: 101, memory: 2048 });
    const plan = await planOf(world, 'reboot_vm', { vmid: 101 });
    expect(plan).toMatchObject({ effect: 'disrupt', warnings: [expect.stringMatching(/^pending changes take effect: memory \d+ → 2048/)] });
    const done = await approved('reboot_vm', { vmid: 101, timeout: 30 });
    expect(done).toMatchObject({ vmid: 101, status: 'running', applied: [expect.stringMatching(/^memory \d+ → 2048$/)] });
    expect(world.cluster.mutations().at(-1)).toMatchObject({ path: '/nodes/pve2/qemu/101/status/reboot', params: { timeout: '30' } });
  });

  it('resets a VM that hangs, which loses data and is said so', async () => {
    const plan = await planOf(world, 'reboot_vm', { vmid: 103, force: true });
    expect(plan).toMatchObject({ effect: 'destroy', raisedBecause: expect.stringContaining('not written to disk is lost') });
    await approved('reboot_vm', { vmid: 103, force: true });
    expect(sent()).toEqual(['POST /nodes/pve/qemu/103/status/reset']);
  });

  it('takes several guests under one approval', async () => {
    const done = await approved('reboot_vm', { names: ['web1', 'dns1'] });
    expect(sent()).toEqual(['POST /nodes/pve/qemu/100/status/reboot', 'POST /nodes/pve/lxc/200/status/reboot']);
    expect(done.guests).toMatchObject([{ status: 'running' }, { status: 'running' }]);
  });

  it.each([
    [{ vmid: 104 }, 'build1 (104) is stopped and cannot be rebooted.'],
    [{ vmid: 9000 }, 'debian-12-template (9000) is a template and cannot be rebooted.'],
    [{ vmid: 200, force: true }, 'dns1 (200) is a container and has no reset.'],
  ])('refuses %j', async (args, message) => {
    expect((await world.refused(world.call('reboot_vm', args))).message).toBe(message);
    expect(sent()).toEqual([]);
  });
});

describe('suspend_vm and resume_vm', () => {
  it('pause in memory and continue', async () => {
    expect(await approved('suspend_vm', { vmid: 101 })).toMatchObject({ status: 'paused' });
    expect(await world.done('suspend_vm', { vmid: 101 })).toMatchObject({ already: true });
    expect(await world.done('resume_vm', { vmid: 101 })).toMatchObject({ status: 'running' });
    expect(sent()).toEqual(['POST /nodes/pve2/qemu/101/status/suspend', 'POST /nodes/pve2/qemu/101/status/resume']);
    expect(await world.done('resume_vm', { vmid: 101 })).toMatchObject({ status: 'running', already: true });
  });

  it('hibernate to disk, and wake by a start', async () => {
    expect(await approved('suspend_vm', { vmid: 101, to_disk: true })).toMatchObject({ status: 'stopped' });
    expect((await world.done('get_vm', { vmid: 101 })).lock).toBe('suspended');
    expect(await world.done('resume_vm', { vmid: 101 })).toMatchObject({ status: 'running' });
    expect(sent().at(-1)).toBe('POST /nodes/pve2/qemu/101/status/start');
  });

  it.each([
    ['suspend_vm', { vmid: 200 }, 'dns1 (200) is a container. Only VMs can be paused.'],
    ['suspend_vm', { vmid: 104 }, 'build1 (104) is stopped and cannot be paused.'],
    ['suspend_vm', { vmid: 102, to_disk: true }, 'db1 (102) is managed by HA, and Proxmox does not hibernate it.'],
    ['resume_vm', { vmid: 104 }, 'build1 (104) is stopped, not paused.'],
  ])('%s refuses %j', async (operation, args, message) => {
    expect((await world.refused(world.call(operation, args))).message).toBe(message);
    expect(sent()).toEqual([]);
  });
});
