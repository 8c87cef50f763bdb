import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { planOf } from '../../helpers/plans.ts';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const sent = () => world.cluster.mutations().map(({ method, path }) => `${method} ${path}`);
const approved = async (args: object) =>
  (await world.done('approve', { approval_id: await world.asks('reboot_vm', args) })).result as JsonObject;

it('shuts down and starts again, and says which pending changes it applied', async () => {
  await world.done('set_resources', { vmid: 101, memory: 2048 });
  const plan = await planOf(world, 'reboot_vm', { vmid: 101 });
  expect(plan).toMatchObject({ effect: 'disrupt', warnings: [expect.stringMatching(/^pending changes take effect: memory \d+ → 2048/)] });
  const done = await approved({ vmid: 101, timeout: 30 });
  expect(done).toMatchObject({ vmid: 101, status: 'running', applied: [expect.stringMatching(/^memory \d+ → 2048$/)] });
  expect(world.cluster.mutations().at(-1)).toMatchObject({ path: '/nodes/pve2/qemu/101/status/reboot', params: { timeout: '30' } });
});

it('resets a VM that hangs, and the plan says that data is lost', async () => {
  const plan = await planOf(world, 'reboot_vm', { vmid: 103, force: true });
  expect(plan).toMatchObject({ effect: 'destroy', raisedBecause: expect.stringContaining('not written to disk is lost') });
  await approved({ vmid: 103, force: true });
  expect(sent()).toEqual(['POST /nodes/pve/qemu/103/status/reset']);
});

it('takes several guests under one approval', async () => {
  const done = await approved({ names: ['web1', 'dns1'] });
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
