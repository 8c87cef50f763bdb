import { afterEach, beforeEach, expect, test } from 'vitest';
import { listNodes } from '../../src/proxmox/nodes.ts';
import { tokenWith } from '../helpers/rights.ts';
import { agent, openWorld, type World } from '../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
  world.cluster.simulator.faults.add({ action: 'silent-status-daemon' });
});
afterEach(() => world.close());

test('a node whose status daemon is silent is not offline: guests are created and cloned there', async () => {
  expect(await world.done('create_vm', { name: 'app1' })).toMatchObject({ created: true, node: 'pve' });
  expect(await world.done('create_vm', { name: 'app2', node: 'pve' })).toMatchObject({ created: true });
  expect(await world.done('clone_template', { source_vmid: 9000, name: 'app3' })).toMatchObject({ created: true });
});

test('sizes come from the node itself, names and states from its lists of guests', async () => {
  const nodes = await listNodes(world.cluster.open());
  expect(nodes[0]).toMatchObject({ node: 'pve', online: true, silent: true, cpus: expect.any(Number), memoryMib: expect.any(Number) });
  const { vms } = await world.done('list_vms', { name: 'web1', status: 'running' });
  expect(vms).toMatchObject([{ vmid: 100, name: 'web1', status: 'running' }]);
});

test('templates are recognised there too and do not count', async () => {
  const { total, vms } = (await world.done('list_vms', { limit: 200 })) as { total: number; vms: { template?: boolean }[] };
  const guests = total - vms.filter((vm) => vm.template).length;
  const limits = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: guests + 1, scope: { kind: 'visible' as const } };
  const engine = world.another({ limits });
  expect(await engine.perform('create_vm', { name: 'app1' }, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
});

test('a token without Sys.Audit learns from the list of guests that the node answers', async () => {
  const token = await tokenWith(world.cluster, { '/vms': ['VM.Audit'] });
  const nodes = await listNodes(world.cluster.open({ token }));
  expect(nodes).toMatchObject([
    { node: 'pve', online: true, silent: true },
    { node: 'pve2', online: true, silent: true },
  ]);
});

test('no guest is created on a node that does not answer', async () => {
  world.cluster.simulator.faults.add({ action: 'node-down', node: 'pve2' });
  expect((await world.refused(world.call('create_vm', { name: 'app1', node: 'pve2' }))).message).toContain('pve2');
});

test('containers are completed like VMs: their list names a type and no node', async () => {
  const { vms } = await world.done('list_vms', { type: 'container' });
  expect(vms).toMatchObject([
    { vmid: 200, name: 'dns1', status: 'running', memory_mb: 256 },
    { vmid: 201, name: 'cache1', status: 'stopped', memory_mb: 256 },
  ]);
});
