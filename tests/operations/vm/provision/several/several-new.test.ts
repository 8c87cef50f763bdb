import { afterEach, describe, expect, it } from 'vitest';
import { NO_POLICY } from '../../../../../src/core/settings/policy.ts';
import type { Settings } from '../../../../../src/core/settings/settings.ts';
import type { JsonObject } from '../../../../../src/core/text/json.ts';
import type { Progress } from '../../../../../src/engine/types.ts';
import { tokenWith } from '../../../../helpers/rights.ts';
import { agent, openWorld, type World } from '../../../../helpers/world.ts';
import { until } from '../../../../simulator/client.ts';

/** Several new guests of one call: one plan, one run, and each its own outcome. */
let world: World;
afterEach(() => world.close());

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG3YpeIBaTTlhi2POGbzN2E6csNN4Ye62MDV7ctb9jDv me@host';
const NAMES = ['node1', 'node2', 'node3'];
const CLONE = {
  source_vmid: 9000,
  names: NAMES,
  ips: ['10.77.0.51/24', '10.77.0.52/24', '10.77.0.53/24'],
  cloud_init: { user: 'ops', sshkeys: KEY, ipconfig0: 'gw=10.77.0.1' },
  wait_for: 'ip',
};
const IMAGE = 'local:import/debian-12-genericcloud-amd64.qcow2';
const faults = () => world.cluster.simulator.faults;
const sent = () => world.cluster.mutations().map(({ method, path }) => `${method} ${path.replace(/^\/nodes\/pve/, '')}`);
const guestsIn = (answer: JsonObject) => answer.guests as JsonObject[];
const listed = async () =>
  ((await world.done('list_vms', { name: 'node' })).vms as JsonObject[]).map(({ name, status }) => `${name} ${status}`);

describe('from a template to three reachable guests in one call', () => {
  it('with progress: each answers with the address of its card', async () => {
    world = await openWorld();
    const seen: Progress[] = [];
    const answer = await world.done('clone_template', CLONE, { onProgress: (progress) => void seen.push(progress) });
    const vmids = guestsIn(answer).map(({ vmid }) => vmid);
    expect(answer).toMatchObject({ created: true, run_id: expect.stringMatching(/^run_/) });
    expect(guestsIn(answer)).toMatchObject(
      NAMES.map((name, index) => ({
        ...{ name, status: 'running', mac: expect.stringMatching(/^BC:24:11:/i) },
        ip_addresses: expect.arrayContaining([`10.77.0.5${index + 1}`]),
      })),
    );
    expect(new Set(vmids).size).toBe(3);
    // The gateway that is given for all, and the address of each.
    const configs = world.cluster.mutations().filter(({ path }) => path.endsWith('/config'));
    expect(configs.map(({ params }) => params.ipconfig0).sort()).toEqual([1, 2, 3].map((last) => `gw=10.77.0.1,ip=10.77.0.5${last}/24`));
    expect(seen.at(-1)).toEqual({ done: 12, total: 12, message: 'done' });
    expect(seen.map(({ done }) => done)).toEqual([...seen.map(({ done }) => done)].sort((a, b) => a - b));
    for (const name of NAMES) expect(seen.some(({ message }) => message.includes(`start ${name}`))).toBe(true);
    // Again, it finds all of them and sends nothing.
    const before = sent().length;
    const again = await world.done('clone_template', CLONE);
    expect(guestsIn(again)).toMatchObject(
      NAMES.map((name, index) => ({ name, existing: true, status: 'running', ip_addresses: [`10.77.0.5${index + 1}`] })),
    );
    expect(sent()).toHaveLength(before);
  });

  it('a guest that exists already answers with its address too; one that is stopped is a difference', async () => {
    world = await openWorld();
    const args = { source_vmid: 9000, name: 'node1', cloud_init: { user: 'ops', sshkeys: KEY, ipconfig0: 'ip=10.77.0.51/24' } };
    await world.done('clone_template', args);
    const stopped = await world.done('clone_template', { ...args, wait_for: 'ip' });
    expect(stopped).toMatchObject({
      ...{ existing: true, differences: ['status: requested running, is stopped'] },
      ip_note: expect.stringContaining('Look for the MAC'),
    });
    await world.done('start_vm', { name: 'node1' });
    await until(async () => {
      const again = await world.done('clone_template', { ...args, wait_for: 'ip' });
      return again.ip_note === undefined && (again.ip_addresses as string[])[0] === '10.77.0.51';
    });
  });

  it.each([
    ['POST', '/clone$'],
    ['POST', '/config$'],
    ['POST', '/status/start$'],
  ])('whose %s %s failed once: the error names the guests that exist, and the same call finishes the rest', async (method, path) => {
    world = await openWorld();
    faults().add({ match: { method, path }, action: 'status', status: 403, reason: 'Permission check failed', times: 1 });
    const error = await world.refused(world.call('clone_template', CLONE));
    expect(error.message).toContain('1 of 3 guests did not finish');
    const ends = error.details?.guests as JsonObject[];
    expect(ends.map(({ status }) => status).sort()).toEqual(['done', 'done', 'failed']);
    const failed = ends.find(({ status }) => status === 'failed');
    const made = !path.includes('clone');
    if (made) {
      expect(failed).toMatchObject({ hint: expect.stringContaining('Call again with the same arguments') });
      expect(failed?.details).toMatchObject({ cleanup: `delete_vm {"vmid": ${failed?.vmid}}` });
    }
    expect(await listed()).toHaveLength(made ? 3 : 2);
    const before = sent();
    const answer = await world.done('clone_template', CLONE);
    expect(guestsIn(answer)).toMatchObject([{ name: failed?.name, status: 'running', ip_addresses: expect.arrayContaining([]) }]);
    expect((answer.choices as string[]).join()).toContain('already exists');
    expect(await listed()).toEqual(NAMES.map((name) => `${name} running`));
    // Nothing is sent twice: of the failed guest what was refused and what came after, of the others nothing.
    const rest = sent().slice(before.length);
    const steps = ['/clone', '/config', '/status/start'];
    const from = steps.findIndex((one) => path.startsWith(one));
    expect(rest.map((line) => steps.findIndex((one) => line.endsWith(one)))).toEqual([0, 1, 2].slice(from));
    if (made) expect(rest.every((line) => line.includes(`/${failed?.vmid}/`))).toBe(true);
  });
});

describe('several new guests', () => {
  it('are created from an image in one plan, each with its own VMID, and counted together by the limits', async () => {
    world = await openWorld();
    const args = { names: ['data1', 'data2'], image: IMAGE, disk_gb: 5, memory: 1024 };
    const plan = await world.call('create_vm', args, { dryRun: true });
    if (plan.kind !== 'dry_run') throw new Error('no plan');
    expect(plan.plan.summary).toMatch(/^Create 2 VMs: data1 \(\d+\), data2 \(\d+\)$/);
    const [first, second] = plan.plan.summary.match(/\d{3,}/g) ?? [];
    expect(plan.plan.undo).toBe(`delete_vm {"vmid": ${first}}, the same for ${second}`);
    expect(sent()).toEqual([]);
    const limits = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'created' } } as const;
    const tight = world.another({ limits: { ...limits, maxTotalRamMib: 2047 } });
    expect(await world.refused(tight.perform('create_vm', args, agent, { wait: 'end' }))).toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringContaining('2048 > 2047'),
    });
    expect(sent()).toEqual([]);
    const answer = await world.another({ limits: { ...limits, maxTotalRamMib: 2048 } }).perform('create_vm', args, agent, { wait: 'end' });
    expect(answer).toMatchObject({ kind: 'done', output: { guests: [{ name: 'data1' }, { name: 'data2' }] } });
    expect(sent().filter((line) => line === 'POST /qemu')).toHaveLength(2);
  });

  it('of two equal calls at once are made once', async () => {
    world = await openWorld();
    const args = { names: ['data1', 'data2'], disk_gb: 1 };
    const answers = await Promise.all([
      world.done('create_vm', args),
      world.another().perform('create_vm', { ...args, names: ['data2', 'data1'] }, agent, { wait: 'end' }),
    ]);
    expect(answers).toHaveLength(2);
    expect(sent()).toEqual(['POST /qemu', 'POST /qemu']);
  });

  it('are only those that do not exist yet', async () => {
    world = await openWorld();
    await world.done('create_vm', { name: 'data2', disk_gb: 1 });
    const answer = await world.done('create_vm', { names: ['data1', 'DATA2', 'data3'], disk_gb: 1 });
    expect(guestsIn(answer).map(({ name }) => name)).toEqual(['data1', 'data3']);
    expect((answer.choices as string[])[0]).toMatch(/^Nothing will change: data2 \(\d+\) already exists/);
    expect(sent()).toHaveLength(3);
  });

  it.each([
    [{ names: ['a', 'A'] }, 'names has A twice.'],
    [{ names: ['a', 'b'], ips: ['10.0.0.1/24'] }, 'ips has 1 addresses for 2 names.'],
    [{ names: ['a', 'b'], ips: ['10.0.0.1/24', '10.0.0.1/24'] }, 'ips has the address 10.0.0.1 twice.'],
    [{ names: ['a'], name: 'b' }, 'Give either names'],
    [{ names: ['a'], vmid: 300 }, 'Give either names'],
    [{ name: 'a', ips: ['10.0.0.1/24'] }, 'ips needs names.'],
    [{}, 'create_vm needs name'],
    [{ names: ['a'], ips: ['nowhere'] }, 'ip must be dhcp or an address with its prefix length'],
  ])('%j are refused before anything is sent', async (args, message) => {
    world = await openWorld();
    expect(await world.refused(world.call('create_vm', args))).toMatchObject({
      code: 'invalid_arguments',
      message: expect.stringContaining(message),
    });
    expect(sent()).toEqual([]);
  });
});

describe('several new guests that need an approval', () => {
  const decided: Partial<Settings> = {
    policy: { ...NO_POLICY, rules: [{ match: { operation: ['create_vm'] }, never: false, method: 'relay' }] },
  };
  const args = { names: ['data1', 'data2'], disk_gb: 1, start_on_create: true };
  const shown = async () => {
    const result = await world.call('create_vm', args);
    if (result.kind !== 'approval_required') throw new Error(`not asked but ${result.kind}`);
    return { approve: { approval_id: result.approval.id }, vmids: result.approval.plan.makes?.map(({ demand }) => demand.vmid) ?? [] };
  };

  it('are made under one approval, with the VMIDs that were shown', async () => {
    world = await openWorld(decided);
    const { approve, vmids } = await shown();
    expect(sent()).toEqual([]);
    const { result } = await world.done('approve', approve);
    expect(guestsIn(result as JsonObject).map(({ vmid }) => vmid)).toEqual(vmids);
  });

  it('are not made when one of the VMIDs that were shown is taken by then', async () => {
    world = await openWorld(decided);
    const { approve, vmids } = await shown();
    await world
      .another({ policy: NO_POLICY })
      .perform('create_vm', { name: 'quicker', vmid: vmids[1], disk_gb: 1 }, agent, { wait: 'end' });
    const before = sent().length;
    expect(await world.refused(world.call('approve', approve))).toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining(`VMID ${vmids[1]} now belongs to another guest`),
    });
    expect(sent()).toHaveLength(before);
  });

  it('of which one is half-made are finished under a new approval for that one alone', async () => {
    world = await openWorld(decided);
    faults().add({
      match: { method: 'POST', path: '/status/start$' },
      action: 'status',
      status: 403,
      reason: 'Permission check failed',
      times: 1,
    });
    expect(await world.refused(world.call('approve', (await shown()).approve))).toMatchObject({ code: 'permission_denied' });
    const before = sent().length;
    const again = await shown();
    expect(again.vmids).toHaveLength(1);
    expect(await world.done('approve', again.approve)).toMatchObject({ status: 'succeeded' });
    expect(sent().slice(before)).toEqual([`POST /qemu/${again.vmids[0]}/status/start`]);
  });
});

it('several new guests count each for the limit of an hour', async () => {
  world = await openWorld();
  const limited = world.another({ policy: { ...NO_POLICY, perHour: { creates: 2 } } });
  const create = (...names: string[]) => limited.perform('create_vm', { names, disk_gb: 1 }, agent, { wait: 'end' });
  expect(await world.refused(create('data1', 'data2', 'data3'))).toMatchObject({ code: 'rate_limited' });
  expect(sent()).toEqual([]);
  await create('data1', 'data2');
  expect(await world.refused(create('data3'))).toMatchObject({
    code: 'rate_limited',
    message: expect.stringContaining('2 guests were created'),
  });
});

describe('an address that is waited for', () => {
  it('and does not come within the time of the call: the answer names the run and what it waits for', async () => {
    world = await openWorld();
    faults().add({
      match: { method: 'GET', path: '/agent/network-get-interfaces$' },
      action: 'status',
      status: 500,
      reason: 'QEMU guest agent is not running',
    });
    const result = await world.call('clone_template', { source_vmid: 9000, name: 'quiet', wait_for: 'ip' }, { wait: 4 });
    if (result.kind !== 'running') throw new Error(`not running but ${result.kind}`);
    faults().clear();
    const done = await world.done('get_task', { run_id: result.run.id, wait_seconds: 50 });
    expect(done).toMatchObject({ status: 'succeeded', result: { name: 'quiet', status: 'running', ip_addresses: [expect.any(String)] } });
  });

  it('is not waited for where the token may not ask agents: the plan says what it lacks', async () => {
    world = await openWorld();
    const privileges = ['VM.Allocate', 'VM.Audit', 'VM.Clone', 'VM.Config.Disk', 'VM.Config.Network', 'VM.PowerMgmt'];
    const token = await tokenWith(world.cluster, {
      '/vms': privileges,
      '/storage': ['Datastore.Audit', 'Datastore.AllocateSpace'],
      '/sdn/zones/localnetwork': ['SDN.Use'],
      '/nodes': ['Sys.Audit'],
    });
    const engine = world.another({ connection: world.cluster.connection(token) }, { token });
    const result = await engine.perform('clone_template', { source_vmid: 9000, name: 'blind', wait_for: 'ip' }, agent, { dryRun: true });
    if (result.kind !== 'dry_run') throw new Error('no plan');
    expect(result.plan.steps.map(({ id }) => id)).not.toContain('address');
    expect(result.plan.warnings.join()).toContain('the token lacks VM.GuestAgent.Audit');
  });

  it('of a guest without an agent is not waited for: the plan says so, and the answer has the MAC and what to do', async () => {
    world = await openWorld();
    await world.done('create_vm', { name: 'plain', disk_gb: 1 });
    await world.done('update_vm', { name: 'plain', agent: false });
    const answer = await world.done('clone_template', { source_name: 'plain', name: 'copy', wait_for: 'ip' });
    expect(answer).toMatchObject({
      ...{ name: 'copy', status: 'running', mac: expect.stringMatching(/^BC:24:11:/i) },
      ip_note: expect.stringContaining('the guest agent is not enabled'),
      warnings: expect.arrayContaining([expect.stringContaining('cannot be waited for')]),
    });
    expect(answer.ip_note).toContain('DHCP leases');
  });
});

it('a VMID that the caller chose and that was deleted a moment ago is mentioned', async () => {
  world = await openWorld();
  const { vmid } = await world.done('create_vm', { name: 'former', disk_gb: 1 });
  await world.done('approve', { approval_id: await world.asks('delete_vm', { vmid }) });
  const answer = await world.done('create_vm', { name: 'heir', vmid, disk_gb: 1 });
  expect((answer.warnings as string[]).join()).toContain(`VMID ${vmid} belonged to a guest that was deleted within the last 24 h`);
});
