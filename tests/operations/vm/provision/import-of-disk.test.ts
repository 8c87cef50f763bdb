import { afterEach, beforeEach, expect, it } from 'vitest';
import { planOf } from '../../../helpers/plans.ts';
import { openWorld, type World } from '../../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const copyOf = (image: string, more: object = {}) => ({ name: 'copy', image, storage: 'nas', ...more });

it.each([
  [
    'on another node than its guest',
    copyOf('nas:104/vm-104-disk-0.qcow2', { node: 'pve2' }),
    'image nas:104/vm-104-disk-0.qcow2 belongs to build1 (104) on pve, and a disk of a guest is imported there only.',
  ],
  [
    'that is a cloud-init drive',
    copyOf('local-lvm:vm-105-cloudinit'),
    'image local-lvm:vm-105-cloudinit is a generated cloud-init drive, which Proxmox does not import.',
  ],
])('a disk %s is refused before it is sent', async (_what, args, message) => {
  expect(await world.refused(world.call('create_vm', args))).toMatchObject({ code: 'not_possible', message });
  expect(world.cluster.mutations()).toEqual([]);
});

it('a copy of the disk of a running guest is said to be one', async () => {
  const warning = 'web1 (100) runs: the copy of its disk is in the state of one after a power failure';
  expect((await planOf(world, 'create_vm', copyOf('local-lvm:vm-100-disk-0'))).warnings).toContain(warning);
  expect((await planOf(world, 'create_vm', copyOf('nas:104/vm-104-disk-0.qcow2'))).warnings.join()).not.toContain('power failure');
});
