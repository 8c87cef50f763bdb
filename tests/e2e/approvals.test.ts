import { Agent as Dispatcher, fetch } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Agent, call, callBinary, connectAgent, openPlace, type Place, run } from './harness.ts';

let place: Place;
let agent: Agent;
beforeAll(async () => {
  place = await openPlace();
  agent = await connectAgent(place);
}, 60_000);
afterAll(async () => {
  await agent.close();
  await place.close();
});

async function make(name: string, start = true): Promise<number> {
  const made = await agent.tool('create_vm', { name, storage: 'local-lvm', disk_gb: 1, start_on_create: start });
  expect(made).toMatchObject({ isError: false, created: true });
  return made.vmid as number;
}

describe('approvals on the command line', () => {
  it('asks with exit code 3, stops with --approve, and refuses the second use', async () => {
    const vmid = await make('cli-stop');
    const asked = await callBinary(place, 'stop_vm', { vmid, force: true });
    expect(asked).toMatchObject({ code: 3, json: { approval_required: true, approval_id: expect.stringMatching(/^apr_/) } });
    const id = String(asked.json.approval_id);
    expect((await call(place, 'stop_vm', { vmid: vmid + 1, force: true }, ['--approve', id])).json.error).toMatchObject({
      code: 'approval_mismatch',
    });
    expect((await call(place, 'stop_vm', { vmid }, ['--approve', id])).json.error).toMatchObject({ code: 'approval_mismatch' });
    expect((await call(place, 'delete_vm', { vmid }, ['--approve', id])).json.error).toMatchObject({ code: 'approval_mismatch' });
    expect(await callBinary(place, 'stop_vm', { vmid, force: true }, ['--approve', id])).toMatchObject({ code: 0 });
    expect((await agent.tool('get_vm', { vmid })).status).toBe('stopped');
    const again = await call(place, 'stop_vm', { vmid, force: true }, ['--approve', id]);
    expect(again).toMatchObject({ code: 1, json: { error: { code: 'approval_used' } } });
  });

  it('answers the identical request with the same approval while one is pending, and another one after a denial', async () => {
    const vmid = await make('cli-same');
    const first = await call(place, 'stop_vm', { vmid });
    const second = await call(place, 'stop_vm', { vmid });
    expect(second.json.approval_id).toBe(first.json.approval_id);
    expect(await agent.tool('deny', { approval_id: first.json.approval_id, reason: 'not now' })).toMatchObject({ isError: false });
    const third = await call(place, 'stop_vm', { vmid });
    expect(third.json.approval_id).not.toBe(first.json.approval_id);
    expect((await call(place, 'stop_vm', { vmid }, ['--approve', String(first.json.approval_id)])).json.error).toMatchObject({
      code: 'approval_denied',
    });
  });

  it('does not know an approval that does not exist', async () => {
    expect((await agent.tool('approve', { approval_id: 'apr_0000000000000000' })).error).toMatchObject({ code: 'approval_unknown' });
  });

  it('expires without a decision', async () => {
    const vmid = await make('cli-late');
    const asked = await call(place, 'stop_vm', { vmid }, [], { PROXMOX_APPROVAL_TTL: '30' });
    const { default: Database } = await import('../../src/sqlite.ts');
    const store = new Database(`${place.dataDir}/store.sqlite`);
    store.prepare("update approvals set expires_at = '2020-01-01T00:00:00.000Z' where id = ?").run(asked.json.approval_id);
    store.close();
    expect((await call(place, 'stop_vm', { vmid }, ['--approve', String(asked.json.approval_id)])).json.error).toMatchObject({
      code: 'approval_expired',
    });
  });
});

describe('an approval that a human has to give', () => {
  it('cannot be redeemed by a second process that says relay', async () => {
    const vmid = await make('human-only');
    const asked = await call(place, 'stop_vm', { vmid, force: true }, [], { PROXMOX_APPROVAL: 'human' });
    expect(asked.code).toBe(3);
    const before = place.mutations().length;
    const redeemed = await callBinary(place, 'stop_vm', { vmid, force: true }, ['--approve', String(asked.json.approval_id)], {
      PROXMOX_APPROVAL: 'relay',
    });
    expect(redeemed.code).toBe(3);
    const relay = await connectAgent(place, { PROXMOX_APPROVAL: 'relay' });
    expect(await relay.tool('approve', { approval_id: asked.json.approval_id })).toMatchObject({ approval_required: true });
    await relay.close();
    expect(place.mutations().length).toBe(before);
    expect((await agent.tool('get_vm', { vmid })).status).toBe('running');
  });

  it('is not given by a command without a terminal', async () => {
    const vmid = await make('no-tty');
    const asked = await call(place, 'stop_vm', { vmid, force: true }, [], { PROXMOX_APPROVAL: 'human' });
    const approve = await run(place, ['approvals', 'approve', String(asked.json.approval_id)]);
    expect(approve).toMatchObject({ code: 3, stderr: expect.stringContaining('approval_needs_human') });
  });
});

describe('the guest behind the approval', () => {
  it('is not touched when it was deleted and created again under the same VMID', async () => {
    const vmid = await make('first-owner', false);
    const asked = await agent.tool('delete_vm', { vmid });
    const gone = await agent.tool('delete_vm', { vmid, purge: false });
    expect((await agent.tool('approve', { approval_id: gone.approval_id })).isError).toBe(false);
    expect(await agent.tool('create_vm', { name: 'second-owner', vmid, storage: 'local-lvm', disk_gb: 1 })).toMatchObject({
      created: true,
      vmid,
    });
    const before = place.mutations().length;
    const redeemed = await agent.tool('approve', { approval_id: asked.approval_id });
    expect(redeemed.error).toMatchObject({ code: 'approval_stale', message: expect.stringContaining('identity') });
    expect(place.mutations().length).toBe(before);
    expect(await agent.tool('get_vm', { vmid })).toMatchObject({ name: 'second-owner' });
  });

  it.each([
    ['was protected', 'config', 'protection=1', 'protection'],
    ['was renamed', 'config', 'name=other-name', 'name'],
    ['got another disk', 'config', 'scsi1=local-lvm:1', 'disks'],
  ])('is not touched when it %s meanwhile', async (what, path, body, difference) => {
    const vmid = await make(`guest-that-${what.replaceAll(' ', '-')}`, false);
    const asked = await agent.tool('delete_vm', { vmid });
    await behindOurBack(`/nodes/pve/qemu/${vmid}/${path}`, body);
    const before = place.mutations().length;
    const redeemed = await agent.tool('approve', { approval_id: asked.approval_id });
    expect(redeemed.isError).toBe(true);
    expect(redeemed.error?.message).toContain(difference === 'protection' ? 'protect' : difference);
    expect(place.mutations().length).toBe(before);
    expect((await agent.tool('get_vm', { vmid })).status).toBe('stopped');
  });
});

/** A change by another client in Proxmox itself. */
async function behindOurBack(path: string, body: string): Promise<void> {
  const { simulator } = place;
  const dispatcher = new Dispatcher({ connect: { rejectUnauthorized: false } });
  const authorization = `PVEAPIToken=${simulator.token.id}=${simulator.token.secret}`;
  const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await fetch(`${simulator.url}/api2/json${path}`, { method: 'PUT', dispatcher, headers, body });
  await dispatcher.close();
  expect(answer.status).toBe(200);
}

describe('idempotence', () => {
  it('returns the first guest when its name is created again at once, and says what differs', async () => {
    const vmid = await make('twice', false);
    const again = await agent.tool('create_vm', { name: 'TWICE', cores: 4, storage: 'local-lvm', disk_gb: 1 });
    expect(again.error).toBeUndefined();
    expect(again).toMatchObject({ isError: false, created: false, existing: true, vmid });
    expect(JSON.stringify(again.differences)).toContain('cores');
  });
});
