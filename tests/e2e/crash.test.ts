import { spawn } from 'node:child_process';
import { Agent as Dispatcher, fetch } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { binary } from '../helpers/binary.ts';
import { call, callBinary, openPlace, type Place, run, until } from './harness.ts';

let place: Place;
const dispatcher = new Dispatcher({ connect: { rejectUnauthorized: false } });
const control = async (path: string, body?: object) =>
  void (await fetch(`${place.simulator.url}/simulator/${path}`, {
    method: 'POST',
    dispatcher,
    ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
  }));

beforeEach(async () => {
  place = await openPlace();
});
afterEach(() => place.close());

/** Starts the redemption in a process of its own and kills it once the cluster holds the answer. */
async function killWhileHeld(args: string[], reached: () => boolean): Promise<void> {
  const child = spawn(process.execPath, [binary(), ...args], { env: place.env, stdio: 'ignore' });
  const gone = new Promise((resolve) => child.once('close', resolve));
  await until('the request reached the cluster', reached);
  child.kill('SIGKILL');
  await gone;
}

const STOP = /\/status\/stop$/;
const stops = () => place.mutations().filter((r) => STOP.test(r.path)).length;

describe('kill -9 between approval and completion', () => {
  it.each([
    {
      moment: 'before Proxmox acted on the request',
      action: 'hold-before',
      match: { method: 'POST', path: '/status/stop$' },
    },
    {
      moment: 'after Proxmox acted, before its answer',
      action: 'hold',
      match: { method: 'POST', path: '/status/stop$' },
    },
    { moment: 'while the task is waited for', action: 'hold', match: { method: 'GET', path: '/tasks/' } },
  ])(
    '$moment: nothing is sent twice, and the answer says how it ended',
    async ({ action, match }) => {
      const vmid = await aRunningVm();
      const asked = await call(place, 'stop_vm', { vmid, force: true });
      const id = String(asked.json.approval_id);
      await control('faults', [{ match, action, times: 1 }]);
      const seen = new RegExp(match.path);
      await killWhileHeld(['call', 'stop_vm', '--args', JSON.stringify({ vmid, force: true }), '--approve', id], () =>
        place.requests.some((r) => r.method === match.method && seen.test(r.path)),
      );
      await control('release');
      expect(stops()).toBe(1);

      // Any next call of any process adopts the run; this one also must not send it again.
      const again = await callBinary(place, 'stop_vm', { vmid, force: true }, ['--approve', id]);
      expect(again.json.error).toMatchObject({ code: 'approval_used' });
      let status = '';
      await until(
        'the approval ended',
        async () => {
          const listed = await call(place, 'list_approvals', {});
          status = String((listed.json.approvals as { approval_id: string; status: string }[]).find((a) => a.approval_id === id)?.status);
          return status !== 'executing';
        },
        90,
      );
      // Proxmox acts on what it was sent, also when the sender is gone.
      expect(status).toBe('succeeded');
      expect(stops()).toBe(1);
      expect(await run(place, ['audit', 'verify'])).toMatchObject({ code: 0 });
    },
    150_000,
  );

  it('in the middle of a create: the same call finds the guest, which was created once', async () => {
    await control('faults', [{ match: { method: 'POST', path: '/qemu$' }, action: 'hold', times: 1 }]);
    const args = { name: 'torn', storage: 'local-lvm', disk_gb: 1, start_on_create: true };
    await killWhileHeld(['call', 'create_vm', '--args', JSON.stringify(args)], () =>
      place.requests.some((r) => r.method === 'POST' && /\/qemu$/.test(r.path)),
    );
    await control('release');
    const again = await call(place, 'create_vm', args);
    expect(again.json).toMatchObject({ existing: true, name: 'torn' });
    expect(place.mutations().filter((r) => /\/qemu$/.test(r.path))).toHaveLength(1);
    expect(await run(place, ['audit', 'verify'])).toMatchObject({ code: 0 });
  }, 150_000);

  it.each(['hold', 'hold-before'])(
    'with requests for several guests in flight (%s): each is reconciled, and none is created twice',
    async (action) => {
      await control('faults', [{ match: { method: 'POST', path: '/qemu$' }, action, times: 3 }]);
      const args = { names: ['torn1', 'torn2', 'torn3'], storage: 'local-lvm', disk_gb: 1, start_on_create: true };
      const creates = () => place.requests.filter((r) => r.method === 'POST' && /\/qemu$/.test(r.path)).length;
      await killWhileHeld(['call', 'create_vm', '--args', JSON.stringify(args)], () => creates() === 3);
      await control('release');
      const again = await call(place, 'create_vm', args);
      expect(again.json.guests).toMatchObject(args.names.map((name) => ({ name, existing: true, status: 'running' })));
      expect(creates()).toBe(3);
      expect(place.mutations().filter((r) => /\/status\/start$/.test(r.path))).toHaveLength(3);
      expect(await run(place, ['audit', 'verify'])).toMatchObject({ code: 0 });
    },
    150_000,
  );
});

describe('an answer that never comes', () => {
  it('after Proxmox acted: the task is found and followed', async () => {
    const vmid = await aRunningVm();
    const asked = await call(place, 'stop_vm', { vmid, force: true });
    await control('faults', [{ match: { method: 'POST', path: '/status/stop$' }, action: 'reset-after', times: 1 }]);
    const stopped = await call(place, 'stop_vm', { vmid, force: true }, ['--approve', String(asked.json.approval_id)]);
    expect(stopped).toMatchObject({ code: 0 });
    expect(stops()).toBe(1);
  });
  it('596: likewise', async () => {
    const vmid = await aRunningVm();
    const asked = await call(place, 'stop_vm', { vmid, force: true });
    await control('faults', [{ match: { method: 'POST', path: '/status/stop$' }, action: '596-after', times: 1 }]);
    expect(await call(place, 'stop_vm', { vmid, force: true }, ['--approve', String(asked.json.approval_id)])).toMatchObject({ code: 0 });
    expect(stops()).toBe(1);
  });
});

async function aRunningVm(): Promise<number> {
  const listed = await call(place, 'list_vms', { status: 'running', type: 'vm' });
  const vms = listed.json.vms as { vmid: number; ha?: string }[];
  return vms.find((vm) => vm.ha === undefined)?.vmid ?? 0;
}
