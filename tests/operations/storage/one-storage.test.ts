import { expect, test } from 'vitest';
import { contextOf, planIn, refusalOf, useWorlds, type World } from '../../helpers/described/index.ts';

useWorlds();

const seen = ['Datastore.AllocateSpace', 'Datastore.Audit'];

test('a token that sees a storage for containers alone makes a container on it', async () => {
  const world: World = {
    nodes: [{ node: 'pve' }],
    storages: {
      pve: [
        { storage: 'cts', type: 'lvmthin', content: 'rootdir' },
        { storage: 'files', type: 'dir', content: 'vztmpl' },
      ],
    },
    bridges: { pve: ['vmbr0'] },
    volumes: [{ storage: 'files', volid: 'files:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst', content: 'vztmpl' }],
    permissions: {
      '/vms': ['VM.Allocate', 'VM.Config.Disk', 'VM.Config.Network', 'VM.Audit'],
      '/nodes': ['Sys.Audit'],
      '/sdn': ['SDN.Use', 'SDN.Audit'],
      '/storage/cts': seen,
      '/storage/files': seen,
    },
  };
  const plan = await planIn(await contextOf(world), 'create_container', { name: 'ct1' });
  expect(plan.choices).toContain('storage: cts (the only one that takes disks of containers)');
});

test.each([
  ['a disk that moves', { disk: 'scsi0', storage: 'hidden' }],
  ['a new disk', { size_gb: 8, storage: 'hidden' }],
])('%s: a storage that the token may not see is not said to be missing', async (_what, disk) => {
  const world: World = {
    nodes: [{ node: 'pve' }],
    storages: { pve: [{ storage: 'disks', type: 'lvmthin', content: 'images' }] },
    guests: [{ vmid: 105, config: { name: 'web1', scsi0: 'disks:vm-105-disk-0,size=8G' } }],
    permissions: { '/vms': ['VM.Audit', 'VM.Config.Disk', 'VM.Config.Options'], '/storage/disks': seen },
  };
  const refused = await refusalOf(planIn(await contextOf(world), 'update_vm', { vmid: 105, disks: [disk] }));
  expect(refused).toMatchObject({
    code: 'permission_denied',
    details: { missing: [{ path: '/storage/hidden' }] },
  });
});
