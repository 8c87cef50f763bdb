import { expect, test } from 'vitest';
import { contextOf, planIn, useWorlds, type World } from '../helpers/described/index.ts';

useWorlds();

test('a restore states that it reads nodes, for the CPUs of a container without a limit, and pools', async () => {
  const volid = 'local:backup/vzdump-lxc-104-2026_11_20-02_00_00.tar.zst';
  const world: World = {
    nodes: [{ node: 'pve', maxcpu: 12 }],
    storages: { pve: [{ storage: 'local', type: 'dir', content: 'backup,rootdir' }] },
    pools: ['agents'],
    volumes: [{ storage: 'local', volid, content: 'backup', vmid: 104, sizeGib: 1 }],
    answers: { '/nodes/pve/vzdump/extractconfig': 'hostname: ct1\nmemory: 512\nrootfs: local:104/vm-104-disk-0.raw,size=2G\n' },
  };
  const plan = await planIn(await contextOf(world), 'restore_backup', { volume: volid, pool: 'agents' });
  expect(plan.demand?.after).toEqual({ cpu: 12, memoryMib: 512, diskGib: 2 });
});

test('an update that moves a guest to a pool states that it reads pools', async () => {
  const world: World = { pools: ['agents'], guests: [{ vmid: 105, config: { name: 'web1' } }] };
  const plan = await planIn(await contextOf(world), 'update_vm', { vmid: 105, pool: 'agents' });
  expect(plan.after?.pool).toBe('agents');
});
