import { afterEach, expect, it } from 'vitest';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(async () => {
  await world.close();
});

it('a guest of a list that was created again while the first ones were stopped is left alone', async () => {
  world = await openWorld();
  const vmids: number[] = [];
  // A node works for four of them at once, so that the fifth waits.
  for (const name of ['early', 'early2', 'early3', 'early4', 'late']) {
    vmids.push((await world.done('create_vm', { name, disk_gb: 1, start_on_create: true })).vmid as number);
  }
  const late = vmids.at(-1);
  const id = await world.asks('stop_vm', { vmids, force: true });
  // The client sends three changes of a node at once.
  world.cluster.simulator.faults.add({ match: { method: 'POST', path: `/qemu/(?!${late}/)\\d+/status/stop$` }, action: 'hold', times: 3 });
  const stopping = world.refused(world.call('approve', { approval_id: id }));
  await world.cluster.simulator.faults.untilHeld(3);
  await world.other().task('POST', `/nodes/pve/qemu/${late}/status/stop`);
  await world.other().task('DELETE', `/nodes/pve/qemu/${late}`);
  await world.other().task('POST', '/nodes/pve/qemu', { vmid: String(late), name: 'late', memory: '128' });
  await world.other().task('POST', `/nodes/pve/qemu/${late}/status/start`);
  world.cluster.simulator.faults.release();
  expect(await stopping).toMatchObject({
    code: 'guest_state',
    message: expect.stringContaining('1 of 5 guests did not finish'),
    details: {
      guests: [...['early', 'early2', 'early3', 'early4'].map((name) => ({ name, status: 'done' })), { name: 'late', status: 'failed' }],
    },
  });
  expect((await world.other().get(`/nodes/pve/qemu/${late}/status/current`)).data.status).toBe('running');
});

it('where another client takes the VMID that the server chose, the call takes another one', async () => {
  world = await openWorld();
  world.cluster.simulator.faults.add({ match: { method: 'POST', path: '/qemu$' }, action: 'hold-before', times: 1 });
  const making = world.done('create_vm', { name: 'unlucky', disk_gb: 1 });
  await world.cluster.simulator.faults.untilHeld();
  const wanted = world.cluster.mutations()[0]?.params.vmid as string;
  await world.other().task('POST', '/nodes/pve/qemu', { vmid: wanted, name: 'quicker', memory: '128' });
  world.cluster.simulator.faults.release();
  const made = await making;
  expect(made).toMatchObject({ created: true, name: 'unlucky' });
  expect(made.vmid).not.toBe(Number(wanted));
  expect(world.audit().filter((r) => r.kind === 'outcome')).toMatchObject([{ status: 'failed' }, { status: 'succeeded' }]);
});

it('a call that was cancelled before anything was sent sends nothing', async () => {
  world = await openWorld();
  const { vmid } = await world.done('create_vm', { name: 'calm', disk_gb: 1, start_on_create: true });
  const id = await world.asks('stop_vm', { vmid, force: true });
  const sent = world.cluster.mutations().length;
  const signal = AbortSignal.abort();
  expect(await world.refused(world.call('create_vm', { name: 'never', disk_gb: 1 }, { signal }))).toMatchObject({ code: 'interrupted' });
  expect(await world.refused(world.call('approve', { approval_id: id }, { signal }))).toMatchObject({ code: 'interrupted' });
  expect(world.cluster.mutations()).toHaveLength(sent);
  // Nothing was used up.
  expect(await world.done('approve', { approval_id: id })).toMatchObject({ status: 'succeeded' });
});
