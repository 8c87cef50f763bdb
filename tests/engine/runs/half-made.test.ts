import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG3YpeIBaTTlhi2POGbzN2E6csNN4Ye62MDV7ctb9jDv me@host';
const IMAGE = 'local:import/debian-12-genericcloud-amd64.qcow2';
const CREATE = { name: 'half1', image: IMAGE, disk_gb: 10, tags: ['web'], start_on_create: true };
const CLONE = {
  source_vmid: 9000,
  name: 'half2',
  cores: 3,
  cloud_init: { user: 'ops', password: 'correct-horse', sshkeys: KEY, ipconfig0: 'ip=10.77.0.50/24,gw=10.77.0.1' },
  tags: ['web'],
  start: true,
};
const other = { ...agent, principal: 'local:other', owner: 'local:other' };

/** `POST /nodes/pve/qemu/110/config`, … with the VMID as N, of every change since the given number of them. */
const sent = (since = 0) =>
  world.cluster
    .mutations()
    .map((r) => `${r.method} ${r.path.replace(/\/qemu\/\d+/, '/qemu/N')}`)
    .slice(since);
const refuse = (method: string, path: string, times = 1) =>
  world.cluster.simulator.faults.add({ match: { method, path }, action: 'status', status: 403, reason: 'Permission check failed', times });

/** The first call, which fails in the step that is refused. */
async function leave(operation: string, args: object, method: string, path: string, times = 1) {
  world = await openWorld();
  refuse(method, path, times);
  const error = await world.refused(world.call(operation, args));
  return {
    error,
    details: error.details as JsonObject & { vmid: number; unfinished: { run_id: string; not_done: string[] } },
    before: sent().length,
  };
}

/** Where a second cluster is served, a call that a text advises names its own. */
const cluster = process.env.TWO_CLUSTERS ? '"cluster": "simulator", ' : '';

describe('a guest that a failed call left half-made', () => {
  it('is finished by the same call, which sends only the missing steps', async () => {
    const { error, details, before } = await leave('create_vm', CREATE, 'POST', '/config$');
    expect(error.hint).toContain('Call again with the same arguments. Only the missing steps are sent.');
    expect(error.hint).toContain(`delete_vm {${cluster}"vmid": ${details.vmid}}`);
    expect(details.unfinished).toEqual({
      run_id: expect.stringMatching(/^run_/),
      not_done: [`tag half1 (${details.vmid})`, `start half1 (${details.vmid})`],
    });
    expect(await world.done('create_vm', CREATE)).toMatchObject({
      created: true,
      continues: details.unfinished.run_id,
      vmid: details.vmid,
      name: 'half1',
      status: 'running',
    });
    expect(sent(before)).toEqual(['POST /nodes/pve/qemu/N/config', 'POST /nodes/pve/qemu/N/status/start']);
    expect(await world.done('create_vm', CREATE)).toMatchObject({ created: false, status: 'running', differences: [] });
    expect(sent(before)).toHaveLength(2);
    expect(
      world
        .audit()
        .filter((r) => r.kind === 'intent')
        .at(-1),
    ).toMatchObject({
      operation: 'create_vm',
      target: { vmid: details.vmid, name: 'half1' },
      requests: [`POST /nodes/pve/qemu/${details.vmid}/config`, `POST /nodes/pve/qemu/${details.vmid}/status/start`],
    });
  });

  it('gets the password that the same call brings again', async () => {
    const { before } = await leave('clone_template', CLONE, 'POST', '/config$');
    expect(await world.done('clone_template', CLONE)).toMatchObject({ created: true, status: 'running' });
    expect(sent(before)).toEqual(['POST /nodes/pve/qemu/N/config', 'POST /nodes/pve/qemu/N/status/start']);
    expect(world.cluster.mutations().at(-2)?.params).toMatchObject({ ciuser: 'ops', cipassword: 'correct-horse', cores: '3', tags: 'web' });
  });

  it('is not finished with another password: that is another call', async () => {
    const { before } = await leave('clone_template', CLONE, 'POST', '/config$');
    const answer = await world.done('clone_template', { ...CLONE, cloud_init: { ...CLONE.cloud_init, password: 'battery' } });
    expect(answer).toMatchObject({ created: false, existing: true });
    expect(sent(before)).toEqual([]);
  });

  it('is shown with what differs and what is not done, when something else is requested', async () => {
    const { details, before } = await leave('clone_template', CLONE, 'POST', '/config$');
    const answer = await world.done('clone_template', { ...CLONE, source_vmid: 9001, memory: 768 });
    expect(answer).toMatchObject({
      created: false,
      vmid: details.vmid,
      status: 'stopped',
      unfinished: {
        run_id: details.unfinished.run_id,
        not_done: [`configure half2 (${details.vmid})`, `start half2 (${details.vmid})`],
        next: expect.stringContaining('Call clone_template again with the arguments of that run'),
      },
    });
    expect(answer.differences).toEqual([
      expect.stringMatching(/^cores: requested 3, has \d$/),
      expect.stringMatching(/^memory: requested 768, has \d+$/),
      expect.stringMatching(/^tags: requested web, has /),
      'source_vmid: requested 9001, has 9000',
      expect.stringMatching(/^cloud_init.user: requested ops, has /),
      expect.stringMatching(/^cloud_init.ipconfig0: requested ip=10.77.0.50\/24,gw=10.77.0.1, has /),
      expect.stringMatching(/^cloud_init.password: /),
      expect.stringMatching(/^cloud_init.sshkeys/),
      'status: requested running, is stopped',
    ]);
    expect(sent(before)).toEqual([]);
  });

  it('is not finished by another caller, whose answer does not name the run', async () => {
    const { before } = await leave('create_vm', CREATE, 'POST', '/config$');
    const result = await world.call('create_vm', CREATE, {}, other);
    expect(result).toMatchObject({
      kind: 'done',
      output: { created: false, unfinished: { not_done: [expect.any(String), expect.any(String)] } },
    });
    expect(JSON.stringify(result)).not.toContain('run_');
    expect(sent(before)).toEqual([]);
  });

  it('is finished once by five equal calls at the same moment', async () => {
    const { before } = await leave('create_vm', CREATE, 'POST', '/config$');
    const second = world.another();
    const calls = [0, 1, 2, 3, 4].map((i) => (i % 2 === 0 ? world.engine : second).perform('create_vm', CREATE, agent, { wait: 'end' }));
    for (const result of await Promise.all(calls))
      expect(result).toMatchObject({ kind: 'done', output: { name: 'half1', status: 'running' } });
    expect(sent(before)).toEqual(['POST /nodes/pve/qemu/N/config', 'POST /nodes/pve/qemu/N/status/start']);
  });

  it('is continued as often as it takes', async () => {
    const { details, before } = await leave('create_vm', CREATE, 'POST', '/config$');
    refuse('POST', '/start$');
    const again = await world.refused(world.call('create_vm', CREATE));
    expect(again.details).toMatchObject({ unfinished: { not_done: [`start half1 (${details.vmid})`] } });
    refuse('POST', '/start$');
    const third = await world.refused(world.call('create_vm', CREATE));
    expect(third.hint).toContain('Call again with the same arguments');
    expect(await world.done('create_vm', CREATE)).toMatchObject({ created: true, status: 'running' });
    const start = 'POST /nodes/pve/qemu/N/status/start';
    expect(sent(before)).toEqual(['POST /nodes/pve/qemu/N/config', start, start, start]);
  });

  it('is finished by the same call when it is a container', async () => {
    const container = { name: 'half-ct', disk_gb: 2, storage: 'local-lvm', start: true };
    const { details, before } = await leave('create_container', container, 'POST', '/start$');
    expect(await world.done('create_container', container)).toMatchObject({
      created: true,
      continues: details.unfinished.run_id,
      vmid: details.vmid,
      status: 'running',
    });
    expect(sent(before)).toEqual([`POST /nodes/pve/lxc/${details.vmid}/status/start`]);
  });

  it('is left alone where the state is right by now', async () => {
    const { details, before } = await leave('create_vm', CREATE, 'POST', '/start$');
    await world.done('start_vm', { vmid: details.vmid });
    expect(await world.done('create_vm', CREATE)).toMatchObject({ created: false, status: 'running', differences: [] });
    expect(sent(before)).toEqual(['POST /nodes/pve/qemu/N/status/start']);
  });

  it('is not continued while an outcome is unknown', async () => {
    world = await openWorld();
    world.cluster.simulator.faults.add({
      match: { method: 'POST', path: '/start$' },
      action: 'fail-task',
      exitstatus: 'unexpected status',
      times: 1,
    });
    expect((await world.refused(world.call('create_vm', CREATE))).code).toBe('outcome_unknown');
    const before = sent().length;
    expect(await world.done('create_vm', CREATE)).toMatchObject({
      created: false,
      unfinished: { not_done: [expect.stringMatching(/^start half1/)], next: expect.stringContaining('not known yet') },
    });
    expect(sent(before)).toEqual([]);
  });

  it('is not mistaken for a guest that was made in its place by other means', async () => {
    const { details, before } = await leave('create_vm', CREATE, 'POST', '/config$');
    const api = world.cluster.open();
    const foreign = async (method: 'POST' | 'DELETE', path: string, params = {}) => {
      const request = { stepId: 'x', method, path, params };
      const step = { kind: 'request' as const, id: 'x', method, path, params, purpose: 'x' };
      const { openGate } = await import('../../../src/proxmox/gate.ts');
      const dispatch = await api.send(
        openGate([step], () => request),
        request,
      );
      if (dispatch.kind === 'task') await api.waitTask(dispatch.upid, { timeoutSeconds: 60 });
    };
    await foreign('DELETE', `/nodes/pve/qemu/${details.vmid}`);
    await foreign('POST', '/nodes/pve/qemu', { vmid: details.vmid, name: 'half1', memory: 512 });
    const answer = await world.done('create_vm', CREATE);
    expect(answer).toMatchObject({ created: false, existing: true, vmid: details.vmid });
    expect(answer).not.toHaveProperty('unfinished');
    expect(sent(before).slice(2)).toEqual([]);
  });

  it('shows the missing requests in a dry run', async () => {
    const { details, before } = await leave('create_vm', CREATE, 'POST', '/config$');
    expect(await world.call('create_vm', CREATE, { dryRun: true })).toMatchObject({
      kind: 'dry_run',
      plan: {
        summary: `Finish half1 (${details.vmid}) on pve: tag half1 (${details.vmid}); start half1 (${details.vmid})`,
        effect: 'change',
      },
    });
    expect(sent(before)).toEqual([]);
  });

  it('is finished where only guests with a tag may be changed, when the tag is a missing step', async () => {
    const policy = { policy: { rules: [], only: { created: false, tags: ['web'], pools: [] }, perHour: {} } };
    world = await openWorld(policy);
    refuse('POST', '/config$');
    await world.refused(world.call('create_vm', CREATE));
    expect(await world.done('create_vm', CREATE)).toMatchObject({ created: true, status: 'running' });
  });

  it('needs a new approval where creating needs one', async () => {
    const rule = { match: { operation: ['create_vm'] }, never: false, method: 'relay' as const };
    world = await openWorld({ policy: { rules: [rule], perHour: {} } });
    refuse('POST', '/config$');
    const first = await world.asks('create_vm', CREATE);
    await world.refused(world.call('approve', { approval_id: first }));
    const before = sent().length;
    const second = await world.asks('create_vm', CREATE);
    expect(sent(before)).toEqual([]);
    expect(await world.done('approve', { approval_id: second })).toMatchObject({ status: 'succeeded' });
    expect(sent(before)).toEqual(['POST /nodes/pve/qemu/N/config', 'POST /nodes/pve/qemu/N/status/start']);
  });
});

describe('the same create again', () => {
  it('does not call a clone of another source, user and address the same', async () => {
    world = await openWorld();
    await world.done('clone_template', { source_vmid: 9001, name: 'app1', cloud_init: { user: 'ubuntu' }, start: true });
    const answer = await world.done('clone_template', {
      source_vmid: 9000,
      name: 'app1',
      cloud_init: { user: 'root', ipconfig0: 'ip=10.0.0.5/24,gw=10.0.0.1' },
    });
    expect(answer.differences).toEqual([
      'source_vmid: requested 9000, has 9001',
      'cloud_init.user: requested root, has ubuntu',
      'cloud_init.ipconfig0: requested ip=10.0.0.5/24,gw=10.0.0.1, has ip=dhcp',
    ]);
  });

  it('compares the image with the record of how the guest was made', async () => {
    world = await openWorld();
    await world.done('create_vm', { name: 'img1', image: IMAGE, disk_gb: 10 });
    expect((await world.done('create_vm', { name: 'img1', image: IMAGE, disk_gb: 10 })).differences).toEqual([]);
    expect((await world.done('create_vm', { name: 'img1', image: 'local:import/other.qcow2' })).differences).toEqual([
      `image: requested local:import/other.qcow2, has ${IMAGE}`,
    ]);
    expect((await world.done('create_vm', { name: 'web1', image: IMAGE })).differences).toEqual([
      `image: requested ${IMAGE}, cannot be compared: this server has no record of how this guest was created`,
    ]);
  });

  it('says first that it created nothing where the VMID belongs to a guest of another name', async () => {
    world = await openWorld();
    const answer = await world.done('create_vm', { name: 'appX', vmid: 100 });
    expect(Object.keys(answer)[0]).toBe('notice');
    expect(answer).toMatchObject({
      notice: 'Nothing was created: VMID 100 is web1, not appX; next free VMID: 108',
      created: false,
      vmid: 100,
      name: 'web1',
    });
    expect(sent()).toEqual([]);
  });

  it('is not given the VMID of a guest that was just deleted, unless it asks for it', async () => {
    world = await openWorld();
    const { vmid } = await world.done('create_vm', { name: 'old1', disk_gb: 1 });
    await world.call('approve', { approval_id: await world.asks('delete_vm', { vmid }) });
    const next = Number(vmid) + 1;
    expect(await world.call('create_vm', { name: 'new1', disk_gb: 1 }, { dryRun: true })).toMatchObject({
      plan: { after: { vmid: next } },
    });
    expect(await world.done('create_vm', { name: 'new1', disk_gb: 1 })).toMatchObject({ created: true, vmid: next });
    expect(await world.done('create_vm', { name: 'new2', disk_gb: 1, vmid })).toMatchObject({ created: true, vmid });
  });

  it('changes nothing, and its dry run says so', async () => {
    world = await openWorld();
    expect(await world.call('create_vm', { name: 'web1' }, { dryRun: true })).toMatchObject({
      kind: 'dry_run',
      plan: { effect: 'read', summary: 'Nothing will change: web1 (100) already exists', steps: [] },
    });
  });
});
