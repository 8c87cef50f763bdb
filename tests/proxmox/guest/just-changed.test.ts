import { expect, test } from 'vitest';
import { withEngine } from '../../helpers/with-engine.ts';

const world = withEngine();

test('a guest that was just started or stopped is listed and found by its new state, which the cluster’s list shows 10 s later', async () => {
  const status = async (filter: object) => ((await world().done('list_vms', filter)).vms as { status: string }[]).map((vm) => vm.status);
  expect(await status({ name: 'dev1' })).toEqual(['stopped']);
  await world().done('start_vm', { vmid: 105 });
  expect(await status({ name: 'dev1' })).toEqual(['running']);
  expect(await status({ name: 'dev1', status: 'running' })).toEqual(['running']);
  expect(await status({ name: 'dev1', status: 'stopped' })).toEqual([]);
});

test('a guest whose memory was just changed is listed with the new amount', async () => {
  await world().done('set_resources', { vmid: 105, memory: 768 });
  expect((await world().done('list_vms', { name: 'dev1' })).vms).toMatchObject([{ memory_mb: 768, tags: ['dev'] }]);
});
