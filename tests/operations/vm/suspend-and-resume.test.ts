import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const sent = () => world.cluster.mutations().map(({ method, path }) => `${method} ${path}`);
const approved = async (operation: string, args: object) =>
  (await world.done('approve', { approval_id: await world.asks(operation, args) })).result as JsonObject;

it('suspends in memory and resumes', async () => {
  expect(await approved('suspend_vm', { vmid: 101 })).toMatchObject({ status: 'paused' });
  expect(await world.done('suspend_vm', { vmid: 101 })).toMatchObject({ already: true });
  expect(await world.done('resume_vm', { vmid: 101 })).toMatchObject({ status: 'running' });
  expect(sent()).toEqual(['POST /nodes/pve2/qemu/101/status/suspend', 'POST /nodes/pve2/qemu/101/status/resume']);
  expect(await world.done('resume_vm', { vmid: 101 })).toMatchObject({ status: 'running', already: true });
});

it('pauses and resumes during a backup, as Proxmox does, and hibernates only without one', async () => {
  world.cluster.simulator.faults.lock(101, 'backup');
  expect((await world.refused(world.call('suspend_vm', { vmid: 101, to_disk: true }))).code).toBe('locked');
  expect(await approved('suspend_vm', { vmid: 101 })).toMatchObject({ status: 'paused' });
  expect(await world.done('resume_vm', { vmid: 101 })).toMatchObject({ status: 'running' });
  world.cluster.simulator.faults.lock(101, 'migrate');
  expect((await world.refused(world.call('suspend_vm', { vmid: 101 }))).code).toBe('locked');
});

it('hibernates to disk, and resumes by a start', async () => {
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
