import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { planOf } from '../../helpers/plans.ts';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

it('names the losses, asks for approval, and makes a template that can be cloned', async () => {
  const plan = await planOf(world, 'convert_to_template', { vmid: 105 });
  expect(plan).toMatchObject({
    effect: 'destroy',
    warnings: [expect.stringContaining('never starts again')],
    undo: expect.stringContaining('impossible'),
  });
  const { result } = await world.done('approve', { approval_id: await world.asks('convert_to_template', { vmid: 105 }) });
  expect(result as JsonObject).toMatchObject({ vmid: 105, template: true });
  expect(world.cluster.mutations().map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /nodes/pve/qemu/105/template']);
  expect(await world.done('convert_to_template', { vmid: 105 })).toMatchObject({ already: true });
  expect(await world.done('clone_template', { source_vmid: 105, name: 'copy' })).toMatchObject({ created: true });
});

it('offers no call that a container does not take: clone_template clones VMs alone', async () => {
  expect(await planOf(world, 'convert_to_template', { vmid: 201 })).toMatchObject({
    undo: 'impossible: a full clone of it is a guest again, which the operator makes with pct clone 201 NEWID --full on pve2',
  });
});

it.each([
  [{ vmid: 101 }, 'guest_running', 'web2 (101) runs. It must be stopped first.'],
  [{ vmid: 104 }, 'not_possible', 'build1 (104) has snapshots (2), and a template has none.'],
])('refuses %j', async (args, code, message) => {
  expect(await world.refused(world.call('convert_to_template', args))).toMatchObject({ code, message });
  expect(world.cluster.mutations()).toEqual([]);
});
