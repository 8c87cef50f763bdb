import { afterEach, beforeEach, expect, it } from 'vitest';
import { planOf } from '../../../helpers/plans.ts';
import { asRoot } from '../../../helpers/rights.ts';
import { openWorld, type World } from '../../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
  // Thin: 400 GiB, of which hardly any is written.
  for (const [node, vmid] of [
    ['pve', '105'],
    ['pve2', '101'],
  ] as const) {
    const disk = { vmid, filename: `vm-${vmid}-disk-9`, size: '399G' };
    await asRoot(world.cluster, 'POST', `/nodes/${node}/storage/local-lvm/content`, disk);
  }
});
afterEach(() => world.close());

it.each<[string, object]>([
  ['create_vm', { name: 'a', disk_gb: 2, storage: 'local-lvm' }],
  ['create_container', { name: 'a', disk_gb: 2, storage: 'local-lvm', password: 'a-password' }],
  ['clone_template', { source_vmid: 9000, name: 'a', storage: 'local-lvm' }],
  ['clone_template', { source_vmid: 9000, name: 'a', disk_gb: 40 }],
  ['restore_backup', { source_vmid: 100 }],
  ['migrate_vm', { vmid: 100, target_node: 'pve2' }],
  ['update_vm', { vmid: 105, disks: [{ size_gb: 4, storage: 'local-lvm' }] }],
])('whatever takes space warns where the disks may grow beyond a thin pool: %s %j', async (operation, args) => {
  const { warnings = [] } = await planOf(world, operation, args);
  expect(warnings.filter((one) => one.startsWith('storage local-lvm is thin'))).toEqual([
    expect.stringMatching(/^storage local-lvm is thin: visible disks and this one may grow to \d+(\.\d)? GiB, it has 400 GiB$/),
  ]);
});

it('a list of disks that cannot be read is said, and stops no plan', async () => {
  world.cluster.simulator.faults.add({ match: { path: '/storage/local-lvm/content$' }, action: 'status', status: 500 });
  const { warnings } = await planOf(world, 'update_vm', { vmid: 105, disks: [{ disk: 'scsi0', size_gb: 12 }] });
  expect(warnings).toContain('storage local-lvm is thin, and how far its disks may grow cannot be read');
});
