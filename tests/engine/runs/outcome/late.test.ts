import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../../src/core/clock.ts';
import type { JsonObject } from '../../../../src/core/text/json.ts';
import type { Session } from '../../../../src/engine/session.ts';
import type { Engine } from '../../../../src/engine/types.ts';
import { createGauges } from '../../../../src/http/gauges.ts';
import { SEED_TOKENS } from '../../../../src/simulator/index.ts';
import { openWorld as openState } from '../../../../src/simulator/world.ts';
import { openStore, type Store } from '../../../../src/store/index.ts';
import { callsTo } from '../../../helpers/calls.ts';
import { agent, hurriedClock, openWorld, operator, type World } from '../../../helpers/world.ts';
import { until } from '../../../simulator/client.ts';

/** Requests that Proxmox executes after every client has given up: 36 to 60 s after sending were seen, and there is no bound. */
let world: World;
let engine: Engine;
let store: Store;
/** With a token of its own, so that what another client does is not ours. */
async function open(clock: Clock = hurriedClock()): Promise<void> {
  world = await openWorld();
  store = await openStore({ dataDir: world.dataDir });
  const token = SEED_TOKENS.leastPrivilege;
  const defaults = { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm', pool: 'agents' };
  engine = world.another({ defaults, connection: world.cluster.connection(token) }, { clock, token });
}
afterEach(async () => {
  await store.close();
  await world.close();
});

const desk = () => world.cluster.simulator.faults;
const perform = (operation: string, args: object, by: Engine = engine) => by.perform(operation, args, agent, { wait: 'end' });
const performed = (operation: string, args: object) => callsTo(engine, agent).approved(operation, args);
/** The run that an operation leaves whose request matches and does not arrive yet. */
async function lose(operation: string, args: object, method: string, path: string): Promise<string> {
  desk().add({ match: { method, path }, action: 'late', times: 1 });
  const refused = await world.refused(performed(operation, args));
  expect(refused).toMatchObject({ code: 'outcome_unknown', message: expect.not.stringMatching(/nothing was done/i) });
  expect(refused.hint).not.toMatch(/safe to call again/i);
  return String(refused.details?.run_id);
}
const statusOf = async (id: string) => {
  const run = await store.runs.get(id);
  const approval = run?.approvalId === undefined ? undefined : await store.approvals.get(run.approvalId);
  return { run: run?.status, ...(approval ? { approval: approval.status } : {}) };
};
const becomes = (id: string, status: string) => until(async () => (await statusOf(id)).run === status);
const reconciled = () => world.audit().filter((line) => line.kind === 'reconciled');
/** An engine that looks at calls alone, never by itself: its long pauses do not end. */
function inItsOwnTime(): Engine {
  const clock = { ...systemClock, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms < 5_000 ? ms : 1_000_000, signal) };
  const token = SEED_TOKENS.leastPrivilege;
  return world.another({ connection: world.cluster.connection(token) }, { clock, token });
}
const start105 = () => world.other().task('POST', '/nodes/pve/qemu/105/status/start');

const image = 'local:import/debian-12-genericcloud-amd64.qcow2';
const create = ['create_vm', { name: 'made', image, storage: 'local-lvm', disk_gb: 10, tags: ['x'], start_on_create: true }] as const;
const clone = ['clone_template', { source_vmid: 9000, name: 'copied', cores: 3, disk_gb: 30, start: true }] as const;

it.each([
  [...create, 'POST', '/qemu$', 'failed'],
  [...create, 'PUT', '/resize$', 'failed'],
  [...create, 'POST', '/config$', 'failed'],
  [...create, 'POST', '/status/start$', 'succeeded'],
  [...clone, 'POST', '/clone$', 'failed'],
  [...clone, 'POST', '/config$', 'failed'],
  [...clone, 'PUT', '/resize$', 'failed'],
  [...clone, 'POST', '/status/start$', 'succeeded'],
  ['set_resources', { vmid: 105, memory: 4096 }, 'POST', '/config$', 'succeeded'],
  ['start_vm', { vmid: 105 }, 'POST', '/status/start$', 'succeeded'],
  ['delete_vm', { vmid: 105 }, 'DELETE', '/qemu/105$', 'succeeded'],
  ['stop_vm', { vmid: 105, force: true }, 'POST', '/status/stop$', 'succeeded'],
  ['stop_vm', { vmid: 105 }, 'POST', '/status/shutdown$', 'succeeded'],
] as const)(
  '%s %j: a %s %s that is executed late is unknown until then, and never sent again',
  async (operation, args, method, path, end) => {
    await open();
    if (operation === 'stop_vm') await start105();
    const id = await lose(operation, args, method, path);
    expect((await statusOf(id)).run).toBe('unknown');
    const sent = world.cluster.mutations().length;
    desk().release();
    await becomes(id, end);
    expect(world.cluster.mutations()).toHaveLength(sent);
    // The steps after a request that took effect late are not sent by themselves.
    expect(reconciled().at(-1)).toMatchObject({ runId: id, status: end, message: expect.stringContaining('took effect late') });
    expect(world.audit().filter((line) => line.kind === 'outcome' && line.runId === id)).toMatchObject([{ status: 'unknown' }]);
  },
);

it('the VMID of a DELETE that may still come is given to no new guest, by number or by choice, until the operator closes the run', async () => {
  await open();
  const id = await lose('delete_vm', { vmid: 105 }, 'DELETE', '/qemu/105$');
  // Another client removes the guest: what is still on its way would hit its successor.
  await world.other().task('DELETE', '/nodes/pve/qemu/105');
  expect(await world.refused(perform('create_vm', { name: 'heir', vmid: 105, disk_gb: 1 }))).toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('earlier DELETE'),
    details: { run_id: id },
  });
  // The dry run says the same.
  const dry = engine.perform('create_vm', { name: 'heir', vmid: 105, disk_gb: 1 }, agent, { dryRun: true, wait: 'end' });
  expect(await world.refused(dry)).toMatchObject({ code: 'conflict' });
  let free = 100;
  while (free === 105 || (await world.other().get(`/cluster/nextid?vmid=${free}`)).status !== 200) free++;
  const made = await performed('create_vm', { name: 'heir', disk_gb: 1 });
  expect(made.vmid).toBe(free);
  expect((await statusOf(id)).run).toBe('unknown');
  // Proxmox refuses it when it comes, which leaves no trace: the operator ends the watch.
  desk().release();
  await engine.openRuns.close(id, 'done', operator());
  expect(await performed('create_vm', { name: 'second', vmid: 105, disk_gb: 1 })).toMatchObject({ created: true, vmid: 105 });
});

it('nor is the VMID that a restore over a guest may still overwrite', async () => {
  await open();
  const full = world.another({}, { clock: hurriedClock() });
  const by = (operation: string, args: object) => full.perform(operation, args, agent, { wait: 'end' });
  await by('backup_vm', { vmid: 104, storage: 'nas' });
  const asked = await by('restore_backup', { source_vmid: 104, overwrite: true });
  desk().add({ match: { method: 'POST', path: '/qemu$' }, action: 'late', times: 1 });
  const refused = await world.refused(by('approve', { approval_id: asked.kind === 'approval_required' ? asked.approval.id : '' }));
  expect(refused).toMatchObject({ code: 'outcome_unknown', message: expect.stringContaining('whatever guest has VMID 104') });
  await world.other().task('DELETE', '/nodes/pve/qemu/104');
  expect(await world.refused(by('create_vm', { name: 'heir', vmid: 104, disk_gb: 1 }))).toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('restore'),
    details: { run_id: refused.details?.run_id },
  });
});

it('nor is it while the deletion still looks for its request', async () => {
  await open();
  desk().add({ match: { method: 'DELETE' }, action: 'late', times: 1 });
  const deleting = world.refused(performed('delete_vm', { vmid: 105 }));
  await until(() => world.cluster.mutations().length === 1);
  await world.other().task('DELETE', '/nodes/pve/qemu/105');
  expect(await world.refused(perform('create_vm', { name: 'heir', vmid: 105, disk_gb: 1 }))).toMatchObject({ code: 'conflict' });
  expect(await deleting).toMatchObject({ code: 'outcome_unknown', message: expect.stringContaining('whatever guest has VMID 105') });
});

it('the name and the VMID of a create that may still come stay reserved; the same call does not make a second guest', async () => {
  await open();
  const id = await lose('create_vm', { name: 'once', disk_gb: 1 }, 'POST', '/qemu$');
  const vmid = Number(world.cluster.mutations()[0]?.params.vmid);
  for (const args of [
    { name: 'once', disk_gb: 1 },
    { name: 'other', vmid, disk_gb: 1 },
  ]) {
    expect(await world.refused(perform('create_vm', args))).toMatchObject({ code: 'outcome_unknown', details: { run_id: id, vmid } });
  }
  expect((await performed('create_vm', { name: 'another', disk_gb: 1 })).vmid).not.toBe(vmid);
  desk().release();
  await becomes(id, 'succeeded');
  expect(await performed('create_vm', { name: 'once', disk_gb: 1 })).toMatchObject({ vmid, created: false, existing: true });
  expect(world.cluster.mutations()).toHaveLength(2);
});

it('a late change of a configuration that another client changed meanwhile is refused by Proxmox, and known to be', async () => {
  await open();
  const id = await lose('set_resources', { vmid: 105, memory: 4096 }, 'POST', '/config$');
  await world.other().task('POST', '/nodes/pve/qemu/105/config', { description: 'mine' });
  await becomes(id, 'failed');
  desk().release();
  expect((await world.other().get('/nodes/pve/qemu/105/config')).data).toMatchObject({ memory: expect.not.stringMatching('4096') });
  expect(reconciled().at(-1)).toMatchObject({ runId: id, status: 'failed', error: { code: 'conflict' } });
});

it('a caller who reads the guest sees the open request, and its end as soon as that shows', async () => {
  await open();
  const id = await lose('start_vm', { vmid: 105 }, 'POST', '/status/start$');
  await engine.close();
  const next = inItsOwnTime();
  const look = async () => {
    const result = await perform('get_vm', { vmid: 105 }, next);
    return result.kind === 'done' ? result.output.open_outcomes : result;
  };
  expect(await look()).toEqual([expect.stringContaining(id)]);
  expect(await next.perform('set_resources', { vmid: 105, memory: 4096 }, agent, { dryRun: true, wait: 'end' })).toMatchObject({
    plan: { warnings: expect.arrayContaining([expect.stringContaining(id)]) },
  });
  desk().release();
  await until(async () => (await look()) === undefined);
  expect((await statusOf(id)).run).toBe('succeeded');
  expect(await perform('get_task', { run_id: id }, next)).toMatchObject({ output: { status: 'succeeded' } });
});

it('another process continues the watch when the sender is gone; approval and run move to their true end', async () => {
  await open();
  const token = SEED_TOKENS.leastPrivilege;
  const first = world.another({ connection: world.cluster.connection(token) }, { clock: hurriedClock(), token });
  desk().add({ match: { method: 'DELETE', path: '/qemu/105$' }, action: 'late', times: 1 });
  const asked = await perform('delete_vm', { vmid: 105 }, first);
  const approval = asked.kind === 'approval_required' ? asked.approval.id : '';
  const refused = await world.refused(perform('approve', { approval_id: approval }, first));
  const id = String(refused.details?.run_id);
  await first.close();
  expect(await statusOf(id)).toEqual({ run: 'unknown', approval: 'unknown' });
  await perform('list_approvals', {});
  desk().release();
  await becomes(id, 'succeeded');
  expect(await statusOf(id)).toEqual({ run: 'succeeded', approval: 'succeeded' });
});

it.each([
  ['done', 'succeeded'],
  ['not-done', 'failed'],
] as const)('the operator alone says how it ended: %s', async (outcome, status) => {
  await open();
  const id = await lose('create_vm', { name: 'lost', disk_gb: 1 }, 'POST', '/qemu$');
  expect(await world.refused(engine.openRuns.close(id, outcome, agent))).toMatchObject({ code: 'forbidden_by_policy' });
  expect(await engine.openRuns.list()).toMatchObject([{ id }]);
  const unknown = async () => (await createGauges({ engine } as Session)()).find(({ name }) => name === 'proxmox_mcp_runs_unknown')?.value;
  expect(await unknown()).toBe(1);
  const closed = await engine.openRuns.close(id, outcome, operator());
  expect(closed.status).toBe(status);
  // Of the end as unknown nothing is left.
  expect(closed.error?.code).toBe(outcome === 'done' ? undefined : 'interrupted');
  expect(await engine.openRuns.list()).toEqual([]);
  expect(await unknown()).toBe(0);
  expect(reconciled().at(-1)).toMatchObject({
    runId: id,
    status,
    principal: 'local:operator',
    message: expect.stringContaining('says that'),
  });
  expect(await world.refused(engine.openRuns.close(id, outcome, operator()))).toMatchObject({ code: 'conflict' });
});

it('the plan continues when a request turns up while the run still searches for it', async () => {
  const looks = () => world.cluster.requests.filter(({ method, path }) => method === 'GET' && path === '/nodes/pve/tasks').length;
  const isThere = async () => (await world.other().get('/cluster/resources?type=vm')).data.some(({ name }: JsonObject) => name === 'slow');
  let arrived: Promise<void> | undefined;
  // Arrives after the first looks have found nothing. Pauses are short, and the time for which the run looks is the system's: looks are slow on a
  // busy machine.
  const sleep: Clock['sleep'] = async (ms, signal) => {
    await systemClock.sleep(ms / 100, signal);
    if (looks() <= 2) return;
    if (!arrived) {
      desk().release();
      arrived = until(isThere);
    }
    await arrived;
  };
  await open({ ...systemClock, sleep });
  desk().add({ match: { method: 'POST', path: '/qemu$' }, action: 'late', times: 1 });
  const making = performed('create_vm', { name: 'slow', disk_gb: 1, start_on_create: true });
  expect(await making).toMatchObject({ created: true, status: 'running' });
  expect(world.cluster.mutations()).toHaveLength(2);
});

it('the task of a later run is not that of a request that is still on its way', async () => {
  await open();
  desk().add({ match: { method: 'POST', path: '/status/start$' }, action: 'reset', times: 1 });
  const id = (await world.refused(perform('start_vm', { vmid: 105 }))).details?.run_id;
  await engine.close();
  const next = inItsOwnTime();
  desk().add({ match: { method: 'GET', path: '/tasks/.*:qmstart:.*/status' }, action: 'hold-before', times: 1 });
  const starting = perform('start_vm', { vmid: 105 }, next);
  await desk().untilHeld();
  await until(async () => (await world.other().get('/nodes/pve/qemu/105/status/current')).data.status === 'running');
  await world.other().task('POST', '/nodes/pve/qemu/105/status/stop');
  desk().release();
  await starting;
  expect(await perform('get_task', { run_id: id }, next)).toMatchObject({ kind: 'done', output: { status: 'unknown' } });
});

it('an expected state that does not hold after the last step is a warning', async () => {
  await open();
  // Another client stops the guest as soon as it runs.
  desk().add({ match: { method: 'GET', path: '/tasks/.*:qmstart:.*/status' }, action: 'hold-before', times: 1 });
  const starting = performed('start_vm', { vmid: 105 });
  await desk().untilHeld();
  await until(async () => (await world.other().get('/nodes/pve/qemu/105/status/current')).data.status === 'running');
  await world.other().task('POST', '/nodes/pve/qemu/105/status/stop');
  desk().release();
  expect(await starting).toMatchObject({ warnings: [expect.stringContaining('guest 105 is running')] });
});

it('the digest of a guest being made is the one that its making left: a change in between is a conflict, and nothing is overwritten', async () => {
  await open();
  desk().add({ match: { method: 'PUT', path: '/resize$' }, action: 'hold-before', times: 1 });
  const making = world.refused(performed('create_vm', { ...create[1], start_on_create: false }));
  await desk().untilHeld();
  const vmid = String(world.cluster.mutations()[0]?.params.vmid);
  const { digest } = world.cluster.mutations()[1]?.params ?? {};
  expect((await world.other().get(`/nodes/pve/qemu/${vmid}/config`)).data.digest).toBe(digest);
  await world.other().task('POST', `/nodes/pve/qemu/${vmid}/config`, { description: 'mine' });
  desk().release();
  expect(await making).toMatchObject({ details: { done: [expect.stringContaining('create made')] } });
  expect(world.cluster.mutations().every(({ method, path }) => !(method === 'PUT' && path.endsWith('/config')))).toBe(true);
});

describe('the name at which a DELETE may still come', () => {
  /** With full rights. A second request deletes what the first one was for. */
  async function deletedTwice(operation: string, args: object, path: string): Promise<string> {
    const first = await lose(operation, args, 'DELETE', path);
    await performed(operation, args);
    expect((await statusOf(first)).run).toBe('unknown');
    return first;
  }
  const blocked = (run_id: string) => ({ code: 'conflict', details: { run_id }, hint: expect.stringContaining('Choose another name') });

  it('is given to no new snapshot, until the operator closes the run', async () => {
    await open();
    engine = world.another({}, { clock: hurriedClock() });
    const nightly = { vmid: 105, snapshot: 'nightly' };
    await performed('snapshot_vm', nightly);
    const first = await deletedTwice('delete_snapshot', nightly, '/snapshot/nightly$');
    expect(await world.refused(perform('snapshot_vm', nightly))).toMatchObject(blocked(first));
    expect(await performed('snapshot_vm', { vmid: 105, snapshot: 'weekly' })).toMatchObject({ snapshot: 'weekly' });
    await engine.openRuns.close(first, 'not-done', operator());
    expect(await performed('snapshot_vm', nightly)).toMatchObject({ snapshot: 'nightly' });
  });

  it('is given to no new snapshot while that DELETE has no answer yet', async () => {
    await open();
    engine = world.another();
    const nightly = { vmid: 105, snapshot: 'nightly' };
    await performed('snapshot_vm', nightly);
    desk().add({ match: { method: 'DELETE', path: '/snapshot/nightly$' }, action: 'hold-before', times: 1 });
    const deleting = performed('delete_snapshot', nightly);
    while (!world.cluster.mutations().at(-1)?.path.endsWith('/snapshot/nightly')) await new Promise((resolve) => setTimeout(resolve, 5));
    await world.other().task('DELETE', '/nodes/pve/qemu/105/snapshot/nightly');
    expect(await world.refused(perform('snapshot_vm', nightly))).toMatchObject({
      code: 'conflict',
      hint: expect.stringMatching(/Choose another name. Or wait for the end of get_task/),
    });
    desk().release();
    await deleting.catch(() => undefined);
  });

  it('is given to no file that is downloaded', async () => {
    await open();
    const limits = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' as const } };
    engine = world.another({ limits: { ...limits, mediaHosts: ['*.example.org'] } }, { clock: hurriedClock() });
    const state = openState({ file: world.cluster.file, now: Date.now, timeScale: 0.01 });
    const [tools, more] = ['https://images.example.org/tools.iso', 'https://images.example.org/more.iso'] as const;
    for (const url of [tools, more]) state.put('site', url, { url, size: 2 ** 20, mimetype: 'x', sums: {} });
    state.close();
    const download = (url: string) => perform('download_media', { url, content: 'iso', storage: 'local', node: 'pve' });
    await download(tools);
    const first = await deletedTwice('delete_volume', { volume: 'local:iso/tools.iso', node: 'pve' }, '/content/');
    expect(await world.refused(download(tools))).toMatchObject(blocked(first));
    expect(await download(more)).toMatchObject({ kind: 'done' });
  });
});
