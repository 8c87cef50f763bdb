import { expect, it } from 'vitest';
import type { ProxmoxApi, ResolvedRequest } from '../../src/core/proxmox.ts';
import { inspectTls } from '../../src/proxmox/trust/inspect.ts';
import { learnPin } from '../../src/proxmox/trust/trust.ts';
import { withSimulator } from '../helpers/simulator.ts';
import { openedGate } from './server.ts';

const cluster = withSimulator();

/** A stopped VM of the demo cluster, as the API lists it. */
async function stopped(api: ProxmoxApi): Promise<{ vmid: number; node: string }> {
  const guests = await api.get<{ vmid: number; node: string; status: string; type: string; template?: number }[]>('/cluster/resources', {
    type: 'vm',
  });
  const found = guests.find((guest) => guest.type === 'qemu' && guest.status === 'stopped' && !guest.template);
  if (!found) throw new Error('the demo cluster has no stopped VM');
  return found;
}
const start = ({ vmid, node }: { vmid: number; node: string }): ResolvedRequest => ({
  stepId: 'start',
  method: 'POST',
  path: `/nodes/${node}/qemu/${vmid}/status/start`,
  params: {},
});

it('starts a VM: request, task, log, state', async () => {
  const api = cluster().open();
  const vm = await stopped(api);
  const since = api.serverTime();
  const running = { kind: 'guest', type: 'qemu', ...vm, is: 'running' } as const;
  expect(await api.holds(running)).toBe(false);
  const dispatch = await api.send(openedGate, start(vm));
  if (dispatch.kind !== 'task') throw new Error(dispatch.kind);
  expect(await api.findTask({ node: vm.node, type: 'qmstart', id: String(vm.vmid), sinceEpoch: since - 5 })).toMatchObject({
    upid: dispatch.upid,
  });
  expect(await api.waitTask(dispatch.upid, { timeoutSeconds: 20 })).toEqual({ upid: dispatch.upid, running: false, exit: 'OK' });
  expect(await api.taskLog(dispatch.upid, 5)).toEqual(expect.any(Array));
  expect(await api.holds(running)).toBe(true);
  expect(cluster().mutations().length).toBe(1);
});

it('finds its task again when the answer was lost on the way', async () => {
  const api = cluster().open();
  const vm = await stopped(api);
  cluster().simulator.faults.add({ match: { method: 'POST', path: '/status/start$' }, times: 1, action: 'reset-after' });
  const since = api.serverTime() - 5;
  expect((await api.send(openedGate, start(vm))).kind).toBe('unknown');
  const found = await api.findTask({ node: vm.node, type: 'qmstart', id: String(vm.vmid), sinceEpoch: since });
  expect(await api.waitTask(found?.upid ?? '', { timeoutSeconds: 20 })).toMatchObject({ exit: 'OK' });
  expect(cluster().mutations().length).toBe(1);
});

it('finds nothing when the request never arrived', async () => {
  const api = cluster().open();
  const vm = await stopped(api);
  cluster().simulator.faults.add({ match: { method: 'POST' }, times: 1, action: 'reset' });
  const since = api.serverTime() - 5;
  expect((await api.send(openedGate, start(vm))).kind).toBe('unknown');
  expect(await api.findTask({ node: vm.node, type: 'qmstart', id: String(vm.vmid), sinceEpoch: since })).toBeUndefined();
  expect(await api.holds({ kind: 'guest', type: 'qemu', ...vm, is: 'stopped' })).toBe(true);
});

it('names a guest that does not exist, and a refused token', async () => {
  const api = cluster().open();
  await expect(api.get('/nodes/pve/qemu/999999/config')).rejects.toMatchObject({ code: 'guest_not_found' });
  expect(await api.holds({ kind: 'guest', type: 'qemu', vmid: 999_999, node: 'pve', is: 'absent' })).toBe(true);
  await expect(api.task('UPID:pve:00004311:0007012A:6B036F7E:qmstart:105:mcp@pve!agent:')).rejects.toMatchObject({ code: 'task_unknown' });
  const stranger = cluster().open({ token: { id: cluster().simulator.token.id, secret: '00000000-0000-0000-0000-000000000000' } });
  await expect(stranger.version()).rejects.toMatchObject({ code: 'authentication_failed' });
});

it('learns the authority of the cluster', async () => {
  const api = cluster().open();
  const shown = await inspectTls({ host: '127.0.0.1', port: cluster().simulator.port });
  expect(shown.fingerprint).toBe(cluster().simulator.fingerprint);
  const pin = await learnPin((path) => api.get(path), shown.chainPem[0] ?? '', '127.0.0.1', Date.now());
  expect(pin).toMatchObject({ kind: 'ca' });
});
