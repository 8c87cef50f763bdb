import { afterEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../src/engine/types.ts';
import type { Fault } from '../../../../src/simulator/index.ts';
import { callsTo } from '../../../helpers/calls.ts';
import { agent, hurriedClock, openWorld, type World } from '../../../helpers/world.ts';

/** Requests whose answer is lost, tasks that tell nothing, and tasks of other requests. */
let world: World;
let engine: Engine;
async function open(): Promise<void> {
  world = await openWorld();
  engine = world.another({}, { clock: hurriedClock() });
}
afterEach(async () => {
  await world.close();
});

const faults = (...more: Fault[]) => world.cluster.simulator.faults.add(...more);
const perform = (operation: string, args: object) => engine.perform(operation, args, agent, { wait: 'end' });
const performed = (operation: string, args: object) => callsTo(engine, agent).approved(operation, args);
const configOf = async (vmid: number) => (await world.other().get(`/nodes/pve/qemu/${vmid}/config`)).data;

const image = 'local:import/debian-12-genericcloud-amd64.qcow2';
/** Every request that changes something, by the operation that sends it. `before` brings the guest into the state it needs. */
const MUTATIONS: { operation: string; args: object; method: string; path: string; prepare?: () => Promise<unknown> }[] = [
  ...(
    [
      ['POST', '/qemu$'],
      ['PUT', '/resize$'],
      ['POST', '/config$'],
      ['POST', '/status/start$'],
    ] as const
  ).map(([method, path]) => ({
    operation: 'create_vm',
    args: { name: 'made', image, storage: 'local-lvm', disk_gb: 10, tags: ['x'], start_on_create: true },
    method,
    path,
  })),
  ...(
    [
      ['POST', '/clone$'],
      ['POST', '/config$'],
      ['PUT', '/resize$'],
      ['POST', '/status/start$'],
    ] as const
  ).map(([method, path]) => ({
    operation: 'clone_template',
    args: { source_vmid: 9000, name: 'copied', cores: 3, disk_gb: 30, start: true },
    method,
    path,
  })),
  { operation: 'set_resources', args: { vmid: 105, memory: 640 }, method: 'POST', path: '/config$' },
  { operation: 'start_vm', args: { vmid: 105 }, method: 'POST', path: '/status/start$' },
  { operation: 'delete_vm', args: { vmid: 105 }, method: 'DELETE', path: '/qemu/105$' },
  {
    operation: 'stop_vm',
    args: { vmid: 105, force: true },
    method: 'POST',
    path: '/status/stop$',
    prepare: () => world.other().task('POST', '/nodes/pve/qemu/105/status/start'),
  },
  {
    operation: 'stop_vm',
    args: { vmid: 105 },
    method: 'POST',
    path: '/status/shutdown$',
    prepare: () => world.other().task('POST', '/nodes/pve/qemu/105/status/start'),
  },
];

/** Operations with the kinds of tasks that they start. */
const OPERATIONS = [...new Set(MUTATIONS.map(({ operation, args }) => JSON.stringify([operation, args])))].map((key) => {
  const [operation, args] = JSON.parse(key) as [string, object];
  const prepare = MUTATIONS.find((one) => one.operation === operation && JSON.stringify(one.args) === JSON.stringify(args))?.prepare;
  return [`${operation} ${JSON.stringify(args).slice(0, 40)}`, { operation, args, prepare: prepare ?? (async () => {}) }] as const;
});
const TASKS = ['qmcreate', 'resize', 'qmconfig', 'qmstart', 'qmclone', 'qmdestroy', 'qmstop', 'qmshutdown'];
const polls = (fault: Omit<Fault, 'match'>): Fault[] =>
  TASKS.map((type) => ({ match: { method: 'GET', path: `/tasks/.*:${type}:.*/status` }, ...fault }));
const outcomes = () => world.audit().filter((line) => line.kind === 'outcome');

const POLL_ANSWERS: [string, Pick<Fault, 'status' | 'reason' | 'body'>][] = [
  ['401', { status: 401, reason: 'no such user' }],
  ['403', { status: 403, reason: 'Permission check failed' }],
  ['a lock message', { status: 500, reason: 'VM is locked (backup)' }],
  ['null', { status: 200, reason: 'OK', body: '{"data":null}' }],
];

describe.each(OPERATIONS)('%s', (_, { operation, args, prepare }) => {
  it.each(POLL_ANSWERS)('continues after status polls of each of its tasks were answered with %s', async (_, answer) => {
    await open();
    await prepare();
    faults(...polls({ action: 'status', times: 2, ...answer }));
    await performed(operation, args);
    expect(outcomes()).toMatchObject([{ status: 'succeeded' }]);
  });

  it('succeeds although each of its tasks has vanished: the guest shows what they did', async () => {
    await open();
    await prepare();
    const body = '{"data":null,"errors":{"upid":"no such task"}}';
    faults(...polls({ action: 'status', status: 400, reason: 'Parameter verification failed.', body }));
    await performed(operation, args);
    expect(outcomes()).toMatchObject([{ status: 'succeeded' }]);
  });
});

it.each([404, 500])('a vanished task is known by its words, whatever the status: %i', async (status) => {
  await open();
  faults(...polls({ action: 'status', status, reason: 'no such task', body: '{"data":null,"message":"no such task\\n"}' }));
  await performed('set_resources', { vmid: 105, memory: 640 });
  expect(await configOf(105)).toMatchObject({ memory: '640' });
});

it('a request that never arrived does not count as done because an earlier one with other values was', async () => {
  await open();
  await performed('set_resources', { vmid: 105, memory: 96 });
  faults({ match: { method: 'POST', path: '/config$' }, action: 'reset', times: 1 });
  expect(await world.refused(perform('set_resources', { vmid: 105, memory: 77 }))).toMatchObject({
    code: 'outcome_unknown',
    details: { run_id: expect.stringMatching(/^run_/) },
  });
  expect(await configOf(105)).toMatchObject({ memory: '96' });
  expect(world.cluster.mutations()).toHaveLength(2);
});

it('the task of another client with the same token does not count either: the configuration lacks the values', async () => {
  await open();
  faults(
    { match: { method: 'POST', path: '/config$' }, action: 'reset', times: 1 },
    { match: { method: 'GET', path: '^/nodes/pve/tasks$' }, action: 'hold-before', times: 1 },
  );
  const lost = world.refused(perform('set_resources', { vmid: 105, memory: 4096 }));
  await world.cluster.simulator.faults.untilHeld();
  await world.other().task('POST', '/nodes/pve/qemu/105/config', { memory: '4000' });
  world.cluster.simulator.faults.release();
  expect(await lost).toMatchObject({ code: 'conflict', message: expect.stringContaining('the configuration has changed since') });
  expect(await configOf(105)).toMatchObject({ memory: '4000' });
});

const TASK_LISTS: [string, Pick<Fault, 'status' | 'reason' | 'body'>][] = [
  ...POLL_ANSWERS,
  ['rows without a UPID', { status: 200, reason: 'OK', body: '{"data":[{"status":"OK"}]}' }],
];
it.each(TASK_LISTS)('a task list that answers %s does not hide what the guest shows of a lost request', async (_, answer) => {
  await open();
  faults(
    { match: { method: 'POST', path: '/config$' }, action: 'reset-after', times: 1 },
    { match: { method: 'GET', path: '^/nodes/pve/tasks$' }, action: 'status', ...answer },
  );
  await performed('set_resources', { vmid: 105, memory: 640 });
  expect(await configOf(105)).toMatchObject({ memory: '640' });
  expect(outcomes()).toMatchObject([{ status: 'succeeded' }]);
});

it('a guest that is gone after a lost DELETE proves nothing while the task list cannot be read', async () => {
  await open();
  faults(
    { match: { method: 'DELETE', path: '/qemu/105$' }, action: 'reset-after', times: 1 },
    { match: { method: 'GET', path: '^/nodes/pve/tasks$' }, action: 'status', status: 403, reason: 'Permission check failed' },
  );
  await expect(performed('delete_vm', { vmid: 105 })).rejects.toMatchObject({
    code: 'outcome_unknown',
    message: expect.stringContaining('the visible state does not show'),
  });
});

it.each([
  ['null', '{"data":null}'],
  ['a UPID that is not one', '{"data":"UPID:pve:0001:x"}'],
  ['a UPID with a slash in it', '{"data":"UPID:pve:00002712:00061AE4:6B081463:../qmstart:105:root@pam!demo:"}'],
  ['HTML', '<html>'],
])('an answer without a task where one was to begin tells nothing: %s', async (_, body) => {
  await open();
  faults({ match: { method: 'POST', path: '/status/start$' }, action: 'status', status: 200, reason: 'OK', body, times: 1 });
  expect(await world.refused(perform('start_vm', { vmid: 105 }))).toMatchObject({ code: 'outcome_unknown' });
  expect(world.cluster.mutations()).toHaveLength(1);
});

const CREATE = { name: 'made', vmid: 150, image, storage: 'local-lvm', disk_gb: 10, tags: ['x'], start_on_create: true };
const BAD_ANSWERS: [string, Fault][] = [
  ...POLL_ANSWERS.map(([name, answer]): [string, Fault] => [name, { action: 'status', times: 2, ...answer }]),
  ['a configuration without digest', { action: 'status', times: 2, status: 200, reason: 'OK', body: '{"data":{"name":"made"}}' }],
  // A read asks three times by itself.
  ['nothing, the connections are reset', { action: 'reset', times: 8 }],
];

it.each(BAD_ANSWERS)('a create continues after a read between two of its steps was answered with %s', async (_, fault) => {
  await open();
  faults({ match: { method: 'GET', path: '/qemu/150/config$' }, ...fault });
  await performed('create_vm', CREATE);
  expect(outcomes()).toMatchObject([{ status: 'succeeded' }]);
  expect(world.cluster.mutations()).toHaveLength(4);
  expect(await configOf(150)).toMatchObject({ tags: 'x', scsi0: expect.stringContaining('size=10G') });
});

it.each(BAD_ANSWERS)('a guest is known as made here although reads of it after its create were answered with %s', async (_, fault) => {
  await open();
  faults({ match: { method: 'GET', path: '/qemu/150/pending$' }, ...fault });
  await performed('create_vm', CREATE);
  expect(await performed('create_vm', CREATE)).toMatchObject({ created: false, differences: [] });
});

it('a delete after a backup continues after a failed read of the guest before the DELETE', async () => {
  await open();
  const asked = await perform('delete_vm', { vmid: 105, backup_storage: 'nas' });
  if (asked.kind !== 'approval_required') throw new Error(asked.kind);
  faults({ match: { method: 'POST', path: '/vzdump$' }, action: 'hold', times: 1 });
  const approved = perform('approve', { approval_id: asked.approval.id });
  await world.cluster.simulator.faults.untilHeld();
  faults({
    match: { method: 'GET', path: '/qemu/105/(pending|config|status/current)$' },
    action: 'status',
    status: 401,
    reason: 'no such user',
    times: 2,
  });
  world.cluster.simulator.faults.release();
  expect(await approved).toMatchObject({ kind: 'done' });
  expect(world.cluster.mutations().map(({ method }) => method)).toEqual(['POST', 'DELETE']);
});
