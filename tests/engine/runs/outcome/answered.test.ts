import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asError } from '../../../../src/core/errors/errors.ts';
import { callsTo } from '../../../helpers/calls.ts';
import { agent, hurriedClock, openWorld, type World } from '../../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

/** As a proxy or a connection that is out of step does it: the request gets the answer of another one. */
const answers = (method: string, path: string, upid: string) =>
  world.cluster.simulator.faults.add({
    match: { method, path },
    action: 'status',
    status: 200,
    body: JSON.stringify({ data: upid }),
    times: 1,
  });
/** With its approval where it needs one, and with waits that take a moment. */
function ends(operation: string, args: object): Promise<unknown> {
  const { approved } = callsTo(world.another({}, { clock: hurriedClock() }), agent);
  return approved(operation, args).catch(asError);
}
async function newest(): Promise<string> {
  const { data } = await world.other().get('/nodes/pve/tasks');
  return (data as { upid: string }[])[0]?.upid ?? '';
}
const guest = async (vmid: number) => (await world.other().get(`/nodes/pve/qemu/${vmid}/status/current`)).data as { status: string };
const UNKNOWN = { code: 'outcome_unknown', message: expect.stringContaining('Proxmox may still execute it') };

describe('an answer with the task of another request', () => {
  it('is no outcome: the task of another guest ended well, and the guest was not deleted', async () => {
    const { vmid } = await world.done('create_vm', { name: 'doomed', disk_gb: 1 });
    await world.approved('delete_vm', { vmid });
    answers('DELETE', '/qemu/105', await newest());
    expect(await ends('delete_vm', { vmid: 105 })).toMatchObject(UNKNOWN);
    expect(await guest(105)).toMatchObject({ status: 'stopped' });
  });

  it('is no outcome: the same guest was started before, and is not stopped now', async () => {
    await world.done('start_vm', { vmid: 105 });
    answers('POST', '/105/status/stop$', await newest());
    expect(await ends('stop_vm', { vmid: 105, force: true })).toMatchObject(UNKNOWN);
    expect(await guest(105)).toMatchObject({ status: 'running' });
  });

  it('is no outcome: an earlier run had this answer to the same request', async () => {
    await world.done('start_vm', { vmid: 105 });
    await world.approved('stop_vm', { vmid: 105, force: true });
    const before = await newest();
    await world.done('start_vm', { vmid: 105 });
    answers('POST', '/105/status/stop$', before);
    expect(await ends('stop_vm', { vmid: 105, force: true })).toMatchObject(UNKNOWN);
    expect(await guest(105)).toMatchObject({ status: 'running' });
  });

  it('does not hide the effect that the guest shows', async () => {
    await world.done('start_vm', { vmid: 105 });
    await world.approved('stop_vm', { vmid: 105, force: true });
    const { data } = await world.other().get('/nodes/pve/tasks?typefilter=qmstop');
    answers('POST', '/105/status/start$', (data as { upid: string }[])[0]?.upid ?? '');
    const ended = ends('start_vm', { vmid: 105 });
    while (!world.cluster.mutations().at(-1)?.path.endsWith('/status/start')) await new Promise((resolve) => setTimeout(resolve, 5));
    await world.other().task('POST', '/nodes/pve/qemu/105/status/start', {});
    expect(await ended).toMatchObject({ status: 'running' });
  });
});

describe('an answer with the task of HA', () => {
  it('is followed, also where the guest was not managed when the plan was made', async () => {
    answers('POST', '/105/status/start$', 'UPID:pve:00002713:00061B16:6B092579:hastart:105:root@pam!demo:');
    const message = expect.stringContaining('Proxmox no longer knows its task');
    expect(await ends('start_vm', { vmid: 105 })).toMatchObject({ code: 'outcome_unknown', message });
  });
});
