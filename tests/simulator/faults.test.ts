import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Fault } from '../../src/simulator/index.ts';
import { openSimulator, send, stillClock, until } from './client.ts';

let place: Awaited<ReturnType<typeof openSimulator>>;
beforeEach(async () => {
  place = await openSimulator();
});
afterEach(() => place.close());

const START = '/nodes/pve/qemu/105/status/start';
const isRunning = async () => (await place.api.get('/nodes/pve/qemu/105/status/current')).data.status === 'running';
const match = { method: 'POST', path: 'status/start' };

it('answers with a status instead of performing the request', async () => {
  place.simulator.faults.add({ match, action: 'status', status: 595, reason: 'No route to host', times: 1 });
  expect(await place.api.post(START)).toMatchObject({ status: 595, reason: 'No route to host', text: '' });
  expect((await place.api.get('/nodes/pve/tasks?source=all')).data).toEqual([]);
  expect(await place.api.task('POST', START)).toBe('OK');
});

it('destroys the connection before or after performing', async () => {
  place.simulator.faults.add({ match, action: 'reset', times: 1 }, { match, action: 'reset-after', times: 1 });
  await expect(place.api.post(START)).rejects.toThrow();
  expect((await place.api.get('/nodes/pve/tasks?source=all')).data).toEqual([]);
  await expect(place.api.post(START)).rejects.toThrow();
  await until(isRunning);
});

it('performs, then answers 596', async () => {
  place.simulator.faults.add({ match, action: '596-after', times: 1 });
  expect(await place.api.post(START)).toMatchObject({ status: 596, reason: 'Connection timed out' });
  await until(isRunning);
});

it('holds the answer of a request that was performed, or the request itself', async () => {
  const { faults } = place.simulator;
  faults.add({ match, action: 'hold', times: 1 });
  const held = place.api.post(START);
  await faults.untilHeld();
  await until(isRunning);
  faults.release();
  expect((await held).status).toBe(200);

  const stop = { method: 'POST', path: 'status/stop' };
  faults.add({ match: stop, action: 'hold-before', times: 1 });
  const before = place.api.post('/nodes/pve/qemu/105/status/stop');
  await faults.untilHeld();
  expect(await isRunning()).toBe(true);
  expect(faults.held()).toBe(1);
  faults.release();
  expect(await place.api.wait((await before).data)).toBe('OK');
  expect(await isRunning()).toBe(false);
});

it('executes a request late: its client hears 596 and is gone, the task begins when it is executed', async () => {
  const { faults } = place.simulator;
  faults.add({ match, action: 'late', times: 1 });
  const given = place.api.post(START);
  await faults.untilHeld();
  expect(await given).toMatchObject({ status: 596, reason: 'Connection timed out', text: '' });
  expect((await place.api.get('/nodes/pve/tasks?source=all')).data).toEqual([]);
  const released = Math.floor(Date.now() / 1000);
  faults.release();
  await until(isRunning);
  const [task] = (await place.api.get('/nodes/pve/tasks?source=all')).data;
  expect(task).toMatchObject({ type: 'qmstart', id: '105' });
  expect(task.starttime).toBeGreaterThanOrEqual(released);
});

it('carries a late request out after its time', async () => {
  place.simulator.faults.add({ match, action: 'late', ms: 40_000, times: 1 });
  expect((await place.api.post(START)).status).toBe(596);
  await until(isRunning);
});

it('refuses a configuration change with the digest of another configuration at once, with no task', async () => {
  const digest = '0'.repeat(40);
  expect(await place.api.post('/nodes/pve/qemu/105/config', { memory: '640', digest })).toMatchObject({
    status: 500,
    reason: 'checksum mismatch (file change by other user?)',
  });
  expect((await place.api.get('/nodes/pve/tasks?source=all')).data).toEqual([]);
});

it('delays, without losing the answer', async () => {
  place.simulator.faults.add({ match: { path: '^/version$' }, action: 'delay', ms: 30, times: 1 });
  const before = performance.now();
  expect((await place.api.get('/version')).status).toBe(200);
  expect(performance.now() - before).toBeGreaterThan(25);
});

it('lets a task fail, and cleans up what it had begun', async () => {
  place.simulator.faults.add({
    match: { method: 'POST', path: '/qemu$' },
    action: 'fail-task',
    exitstatus: 'unable to create VM 300 - no space left',
    times: 1,
  });
  const exit = await place.api.task('POST', '/nodes/pve/qemu', { vmid: '300', name: 'x', scsi0: 'local-lvm:4' });
  expect(exit).toBe('unable to create VM 300 - no space left');
  expect((await place.api.get('/nodes/pve/qemu/300/config')).status).toBe(500);
  expect((await place.api.get('/nodes/pve/storage/local-lvm/content?vmid=300')).data).toEqual([]);
});

it('makes a task slower by real milliseconds', async () => {
  place.simulator.faults.add({ match, action: 'slow-task', ms: 60, times: 1 });
  const before = performance.now();
  expect(await place.api.task('POST', START)).toBe('OK');
  expect(performance.now() - before).toBeGreaterThan(55);
});

it('takes a node down, for what is asked of it alone', async () => {
  place.simulator.faults.add({ action: 'node-down', node: 'pve2' });
  expect(await place.api.get('/nodes/pve2/qemu')).toMatchObject({ status: 595, reason: 'No route to host' });
  expect((await place.api.get('/nodes/pve/qemu')).status).toBe(200);
  expect((await place.api.get('/cluster/resources')).status).toBe(200);
  place.simulator.faults.clear();
  expect((await place.api.get('/nodes/pve2/qemu')).status).toBe(200);
});

it('keeps a guest locked that was restarted too quickly', async () => {
  const clock = stillClock();
  const other = await openSimulator({ now: clock.now, timeScale: 1 });
  try {
    other.simulator.faults.add({ action: 'quick-restart' });
    const { data: stop } = await other.api.post('/nodes/pve/qemu/100/status/stop');
    clock.pass(500);
    expect(await other.api.wait(stop)).toBe('OK');
    const { data: start } = await other.api.post('/nodes/pve/qemu/100/status/start');
    clock.pass(1_000);
    expect(await other.api.wait(start)).toBe('OK');
    const ticking = setInterval(() => clock.pass(200), 2);
    const refused = await other.api.put('/nodes/pve/qemu/100/config', { description: 'x' });
    clearInterval(ticking);
    expect(refused).toMatchObject({ status: 500, reason: "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout" });
    clock.pass(30_000);
    expect((await other.api.put('/nodes/pve/qemu/100/config', { description: 'x' })).status).toBe(200);
  } finally {
    await other.close();
  }
});

it('locks a guest, as an operator can', async () => {
  place.simulator.faults.lock(105, 'backup');
  expect(await place.api.task('POST', START)).toBe('VM is locked (backup)');
  place.simulator.faults.lock(105);
  expect(await place.api.task('POST', START)).toBe('OK');
});

describe('from another process', () => {
  const control = (method: string, path: string, body?: unknown) =>
    send(place.simulator, { method, path: `/simulator/${path}`, body: body === undefined ? undefined : JSON.stringify(body) });

  it('injects, counts what is held, releases, and reads what was asked', async () => {
    const faults: Fault[] = [{ match, action: 'hold', times: 1 }];
    expect((await control('POST', 'faults', faults)).status).toBe(200);
    const held = place.api.post(START);
    await until(async () => JSON.parse((await control('GET', 'held')).text) === 1);
    await control('POST', 'release');
    expect((await held).status).toBe(200);
    await control('POST', 'lock', { vmid: 106, lock: 'backup' });
    expect((await place.api.get('/nodes/pve/qemu/106/config')).data.lock).toBe('backup');
    await control('POST', 'faults', [{ match: { path: 'version' }, action: 'status', status: 500 }]);
    expect((await place.api.get('/version')).status).toBe(500);
    await control('DELETE', 'faults');
    expect((await place.api.get('/version')).status).toBe(200);
    const seen = JSON.parse((await control('GET', 'requests')).text);
    expect(seen[0]).toMatchObject({ method: 'POST', path: START, mutating: true, token: 'root@pam!demo' });
    expect((await control('GET', 'nothing')).status).toBe(404);
  });
});
