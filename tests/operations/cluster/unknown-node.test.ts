import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

describe('a node that does not exist', () => {
  const words = 'Node pve9 does not exist. Nodes: pve, pve2.';

  it.each([
    ['list_vms', { node: 'pve9' }],
    ['get_cluster', { node: 'pve9', sections: ['nodes', 'storages'] }],
    ['get_task', { node: 'pve9' }],
  ])('%s says so with those that exist, not only that there is nothing', async (operation, args) => {
    expect(await world.done(operation, args)).toMatchObject({ notice: words });
  });

  it('get_metrics refuses it: Proxmox answers with empty figures', async () => {
    expect(await world.refused(world.call('get_metrics', { node: 'pve9' }))).toMatchObject({ code: 'not_possible', message: words });
  });
});
