import { describe, expect, test } from 'vitest';
import { container, openWorld, planIn, readIn, useWorlds, type World, webServer } from '../../helpers/described/index.ts';

useWorlds();

async function list(world: World, filter: object = {}) {
  const { ctx, requests } = await openWorld(world);
  const answer = await readIn(ctx, 'list_vms', filter);
  return { answer, requests: requests() };
}

const fresh = { ...webServer, fresh: true };

describe('a guest that the cluster lists without name and state', () => {
  test('is listed with both, and with its sizes', async () => {
    const { answer } = await list({ guests: [fresh, { ...container, fresh: true, running: false }] });
    expect(answer.vms).toEqual([
      expect.objectContaining({ vmid: 105, name: 'web1', status: 'running', cpus: 2, memory_mb: 2048, tags: ['prod', 'web'] }),
      expect.objectContaining({ vmid: 201, name: 'dns1', status: 'stopped', cpus: 1, memory_mb: 512 }),
    ]);
  });
  test.each([
    [{ name: 'web1' }, [105]],
    [{ status: 'running' }, [105]],
    [{ status: 'unknown' }, []],
  ])('is found by %j', async (filter, vmids) => {
    const { answer } = await list({ guests: [fresh, { ...container, running: false }] }, filter);
    expect(answer.vms.map((g: { vmid: number }) => g.vmid)).toEqual(vmids);
  });
  test('costs a request to its own node, and none where the list is complete', async () => {
    const nodes = [{ node: 'pve' }, { node: 'pve2' }, { node: 'pve3' }];
    const { requests } = await list({
      nodes,
      guests: [
        { ...webServer, node: 'pve' },
        { ...fresh, vmid: 106, node: 'pve2' },
      ],
    });
    expect(requests).toEqual(['/cluster/resources?type=vm', '/nodes', '/nodes/pve2/qemu']);
    expect((await list({ nodes, guests: [webServer] })).requests).toEqual(['/cluster/resources?type=vm']);
  });
  test('stays as it is on a node that is offline, and that node is not asked', async () => {
    const nodes = [{ node: 'pve' }, { node: 'pve2', status: 'offline' }];
    const { answer, requests } = await list({ nodes, guests: [webServer, { ...fresh, vmid: 106, node: 'pve2' }] });
    expect(answer.vms[1]).toMatchObject({ vmid: 106, name: '', status: 'unknown' });
    expect(requests).not.toContain('/nodes/pve2/qemu');
  });
  test('is found with its state by a create of the same name', async () => {
    const { ctx } = await openWorld({ guests: [fresh] });
    expect((await planIn(ctx, 'create_vm', { name: 'web1' })).existing).toMatchObject({ vmid: 105, status: 'running' });
  });
  test('never answers a create with an old state that the list still shows', async () => {
    const { ctx } = await openWorld({ guests: [{ ...webServer, listedAs: 'stopped' }] });
    expect((await planIn(ctx, 'create_vm', { name: 'web1' })).existing).toMatchObject({ status: 'running' });
  });
});
