import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../../../src/core/clock.ts';
import type { Fault } from '../../../../src/simulator/index.ts';
import { agent, hurriedClock, openWorld, type World } from '../../../helpers/world.ts';
import { until } from '../../../simulator/client.ts';

/** The conclusions of a run from another process's steps, and from a state that cannot be seen. */
let world: World;
async function open(): Promise<void> {
  world = await openWorld();
}
afterEach(async () => {
  await world.close();
});

const faults = (...more: Fault[]) => world.cluster.simulator.faults.add(...more);
const hidden: Fault = {
  match: { method: 'GET', path: '/status/current$' },
  action: 'status',
  status: 403,
  reason: 'Permission check failed',
};
const isRunning = async () => (await world.other().get('/nodes/pve/qemu/105/status/current')).data?.status === 'running';
/** For which every lease of the others has run out. */
const later = { clock: { ...systemClock, now: () => Date.now() + 60_000 } };
/** Another process takes the run over that this one is held in, and ends it. */
async function takeOver(): Promise<void> {
  await world.another({}, later).perform('list_approvals', {}, agent);
  await until(() => world.audit().some(({ kind }) => kind === 'reconciled'));
}
const outcome = () => world.audit().findLast(({ kind }) => kind === 'outcome');

it('a guest that the token may not see does not count as "already so", whatever Proxmox says', async () => {
  await open();
  faults({ match: { method: 'POST', path: '/status/start$' }, action: 'hold-before', times: 1 });
  const starting = world.refused(world.call('start_vm', { vmid: 105 }));
  await world.cluster.simulator.faults.untilHeld();
  await world.other().task('POST', '/nodes/pve/qemu/105/status/start');
  faults(hidden);
  world.cluster.simulator.faults.release();
  expect(await starting).toMatchObject({ message: expect.stringContaining('already running') });
});

it('a killed worker whose guest the token may not see leaves the outcome unknown', async () => {
  await open();
  faults(
    { match: { method: 'POST', path: '/status/start$' }, action: 'fail-task', exitstatus: 'unexpected status', times: 1 },
    { match: { method: 'GET', path: '/tasks/.*/status' }, action: 'hold-before', times: 1 },
  );
  const starting = world.refused(world.call('start_vm', { vmid: 105 }));
  await world.cluster.simulator.faults.untilHeld();
  faults(hidden);
  world.cluster.simulator.faults.release();
  expect(await starting).toMatchObject({ code: 'outcome_unknown', message: expect.stringContaining('killed') });
});

it('a killed worker whose guest shows the effect is done, and one whose guest does not is unknown', async () => {
  await open();
  faults({ match: { method: 'POST', path: '/status/start$' }, action: 'fail-task', exitstatus: 'unexpected status', times: 1 });
  expect(await world.refused(world.call('start_vm', { vmid: 105 }))).toMatchObject({ code: 'outcome_unknown' });
  faults(
    { match: { method: 'POST', path: '/config$' }, action: 'fail-task', exitstatus: 'unexpected status', times: 1 },
    { match: { method: 'GET', path: '/tasks/.*/status' }, action: 'hold-before', times: 1 },
  );
  const setting = world.done('set_resources', { vmid: 105, memory: 4096 });
  await world.cluster.simulator.faults.untilHeld();
  await world.other().task('POST', '/nodes/pve/qemu/105/config', { memory: '4096' });
  world.cluster.simulator.faults.release();
  expect(await setting).toMatchObject({ vmid: 105 });
});

it('a step that another process sent is not sent again, though its task met a lock', async () => {
  await open();
  const exitstatus = "can't lock file '/var/lock/qemu-server/lock-105.conf' - got timeout";
  faults(
    { match: { method: 'POST', path: '/status/start$' }, action: 'fail-task', exitstatus, times: 1 },
    { match: { method: 'GET', path: '/tasks/.*/status' }, action: 'hold-before', times: 1 },
  );
  const lost = world.call('start_vm', { vmid: 105 }).catch(() => {});
  await world.cluster.simulator.faults.untilHeld();
  await takeOver();
  expect(outcome()).toMatchObject({ status: 'failed', error: { code: 'task_failed' } });
  expect(world.cluster.mutations()).toHaveLength(1);
  expect(await isRunning()).toBe(false);
  world.cluster.simulator.faults.release();
  await lost;
});

it('the process that takes a run over sends the steps that were not sent, and only those', async () => {
  await open();
  faults({ match: { method: 'POST', path: '/qemu$' }, action: 'hold', times: 1 });
  const lost = world.call('create_vm', { name: 'handed', disk_gb: 1, tags: ['x'], start_on_create: true }).catch(() => {});
  await world.cluster.simulator.faults.untilHeld();
  await takeOver();
  expect(outcome()).toMatchObject({ status: 'succeeded' });
  expect(world.cluster.mutations().map(({ method, path }) => `${method} ${path.replace(/\/\d+\//, '/N/')}`)).toEqual([
    'POST /nodes/pve/qemu',
    'POST /nodes/pve/qemu/N/config',
    'POST /nodes/pve/qemu/N/status/start',
  ]);
  world.cluster.simulator.faults.release();
  await lost;
});

it.each([
  ['ended well and saved nothing', 'OK', 'task_failed'],
  ['was killed, whatever lock it left', 'unexpected status', 'outcome_unknown'],
])('a backup that %s lets nothing be deleted', async (_, exitstatus, code) => {
  await open();
  const engine = world.another({}, { clock: hurriedClock() });
  faults({ match: { method: 'POST', path: '/vzdump$' }, action: 'fail-task', exitstatus, times: 1 });
  const asked = await engine.perform('delete_vm', { vmid: 105, backup_storage: 'nas' }, agent, { wait: 'end' });
  const approval_id = asked.kind === 'approval_required' ? asked.approval.id : '';
  expect(await world.refused(engine.perform('approve', { approval_id }, agent, { wait: 'end' }))).toMatchObject({ code });
  expect(world.cluster.mutations().map(({ method }) => method)).toEqual(['POST']);
  expect((await world.other().get('/nodes/pve/qemu/105/status/current')).status).toBe(200);
});

it('bad answers do not end the wait for a state', async () => {
  await open();
  const engine = world.another({}, { clock: hurriedClock() });
  faults({ match: { method: 'GET', path: '/tasks/.*:vzdump:.*/status' }, action: 'hold-before', times: 1 });
  const asked = await engine.perform('delete_vm', { vmid: 105, backup_storage: 'nas' }, agent, { wait: 'end' });
  const approval_id = asked.kind === 'approval_required' ? asked.approval.id : '';
  const deleting = engine.perform('approve', { approval_id }, agent, { wait: 'end' });
  await world.cluster.simulator.faults.untilHeld();
  faults({ match: { method: 'GET', path: '/storage/nas/content$' }, action: 'status', status: 401, reason: 'no such user', times: 3 });
  world.cluster.simulator.faults.release();
  expect(await deleting).toMatchObject({ kind: 'done', output: { status: 'succeeded' } });
});
