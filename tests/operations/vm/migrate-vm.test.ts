import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { planOf } from '../../helpers/plans.ts';
import { asRoot, tokenWith } from '../../helpers/rights.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
/** Requests that the test itself sent before. */
let before = 0;
beforeEach(async () => {
  world = await openWorld();
  before = 0;
});
afterEach(() => world.close());

const sent = () =>
  world.cluster
    .mutations()
    .slice(before)
    .map(({ method, path, params }) => [`${method} ${path}`, params]);
const asOperator = async (method: string, path: string, params: Record<string, string> = {}) => {
  const upid = await asRoot(world.cluster, method, path, params);
  // A guest that a task has locked takes no request.
  if (typeof upid === 'string' && upid.startsWith('UPID:')) {
    const status = `/nodes/${upid.split(':')[1]}/tasks/${encodeURIComponent(upid)}/status`;
    await expect
      .poll(async () => ((await asRoot(world.cluster, 'GET', status)) as { status: string }).status, { timeout: 20_000 })
      .toBe('stopped');
  }
  before = world.cluster.mutations().length;
};
const withRights = async (rights: Record<string, string[]>) => {
  const token = await tokenWith(world.cluster, rights);
  before = world.cluster.mutations().length;
  return world.another({}, { token });
};
const approved = async (args: object) =>
  (await world.done('approve', { approval_id: await world.asks('migrate_vm', args) })).result as JsonObject;
const refusal = async (args: object) => {
  const error = await world.refused(world.call('migrate_vm', args));
  expect(sent()).toEqual([]);
  return error;
};
const nodeOf = async (vmid: number) => (await world.done('get_vm', { vmid })).node;

describe('one guest', () => {
  it('moves live with its local disks, without an approval, and is read back on the other node', async () => {
    const plan = await planOf(world, 'migrate_vm', { name: 'web1' });
    expect(plan).toMatchObject({
      effect: 'change',
      summary: 'Move web1 (100) from pve to pve2 (live)',
      choices: ['target_node: pve2 (the least of its memory is assigned to guests)'],
      after: { node: 'pve2', move: 'live', local_disks: ['scsi0 16 GiB to local-lvm'], 'free memory of pve2 (MiB)': expect.any(String) },
      undo: 'migrate_vm {"vmid": 100, "target_node": "pve"}',
    });
    expect(sent()).toEqual([]);
    const done = await world.done('migrate_vm', { name: 'web1' });
    expect(done).toMatchObject({ vmid: 100, from: 'pve', node: 'pve2', status: 'running', move: 'live' });
    expect(sent()).toEqual([['POST /nodes/pve/qemu/100/migrate', { target: 'pve2', online: '1', 'with-local-disks': '1' }]]);
    expect(await nodeOf(100)).toBe('pve2');
  });

  it('counts the memory that it takes there', async () => {
    const { before = {}, after = {} } = await planOf(world, 'migrate_vm', { vmid: 100 });
    const [was, is] = [before, after].map((side) => Number(String(side['free memory of pve2 (MiB)']).split(' ')[0]));
    expect((was ?? 0) - (is ?? 0)).toBe(1024);
  });

  it('stopped asks first, and moves its local disks to the named storage', async () => {
    const plan = await planOf(world, 'migrate_vm', { vmid: 105, target_node: 'pve2', storage: 'nas' });
    expect(plan).toMatchObject({
      effect: 'disrupt',
      raisedBecause: 'a stopped guest cannot be started while it moves',
      after: { move: 'offline', local_disks: expect.arrayContaining(['scsi0 8 GiB to nas']) },
      undo: 'migrate_vm {"vmid": 105, "target_node": "pve", "storage": "local-lvm"}',
    });
    expect(await approved({ vmid: 105, target_node: 'pve2', storage: 'nas' })).toMatchObject({ node: 'pve2', status: 'stopped' });
    expect(sent()).toEqual([['POST /nodes/pve/qemu/105/migrate', { target: 'pve2', targetstorage: 'nas' }]]);
    expect((await world.done('get_vm', { vmid: 105 })).disks).toMatchObject([{ volume: expect.stringMatching(/^nas:105\//) }, {}]);
  });

  it('that is a running container is restarted, and the plan says so', async () => {
    expect((await planOf(world, 'migrate_vm', { vmid: 200 })).raisedBecause).toBe(
      'a container that runs is shut down (killed after 180 s), moved and started again',
    );
    expect(await approved({ vmid: 200 })).toMatchObject({ node: 'pve2', status: 'running', move: 'restart' });
    expect(sent()).toEqual([['POST /nodes/pve/lxc/200/migrate', { target: 'pve2', restart: '1', timeout: '180' }]]);
  });

  it('under HA has moved only when it is there, not when the request is queued', async () => {
    const { steps } = await planOf(world, 'migrate_vm', { vmid: 102 });
    expect(steps).toMatchObject([{ task: { type: 'hamigrate' } }, { kind: 'wait', until: { kind: 'location', node: 'pve2' } }]);
    expect(await world.done('migrate_vm', { vmid: 102 })).toMatchObject({ from: 'pve', node: 'pve2', status: 'running' });
    expect(await nodeOf(102)).toBe('pve2');
  });

  it('that is a container under HA has moved only when it runs there', async () => {
    await asOperator('POST', '/cluster/ha/resources', { sid: 'ct:200' });
    const { steps } = await planOf(world, 'migrate_vm', { vmid: 200 });
    expect(steps.at(-1)).toMatchObject({ kind: 'wait', until: { kind: 'guest', node: 'pve2', is: 'running' } });
    expect(await approved({ vmid: 200 })).toMatchObject({ node: 'pve2', status: 'running' });
  });

  it('that is there already is left alone', async () => {
    expect(await world.done('migrate_vm', { vmid: 101, target_node: 'pve2' })).toMatchObject({ already: true, node: 'pve2' });
    expect(sent()).toEqual([]);
  });

  it('moves back by the undo text', async () => {
    await world.done('migrate_vm', { vmid: 100 });
    const [, args = ''] = /^migrate_vm (.*)$/.exec('migrate_vm {"vmid": 100, "target_node": "pve"}') ?? [];
    expect(await world.done('migrate_vm', JSON.parse(args))).toMatchObject({ from: 'pve2', node: 'pve' });
  });

  it('is reconciled by where the guest is when the answer gets lost', async () => {
    world.cluster.simulator.faults.add({ match: { method: 'POST', path: '/qemu/100/migrate$' }, action: 'reset-after', times: 1 });
    expect(await world.done('migrate_vm', { vmid: 100 })).toMatchObject({ node: 'pve2', status: 'running' });
    expect(sent().map(([line]) => line)).toEqual(['POST /nodes/pve/qemu/100/migrate']);
  });

  it('whose task fails stays where it is, and the error has the reason from the log', async () => {
    const match = { method: 'POST', path: '/qemu/100/migrate$' };
    world.cluster.simulator.faults.add({ match, action: 'fail-task', exitstatus: 'migration aborted' });
    const error = await world.refused(world.call('migrate_vm', { vmid: 100 }));
    expect(error).toMatchObject({ code: 'task_failed', hint: expect.stringContaining('get_vm {"vmid": 100}') });
    expect(error.details?.log).toEqual(expect.arrayContaining([expect.stringContaining("starting migration of VM 100 to node 'pve2'")]));
    expect(await nodeOf(100)).toBe('pve');
  });

  it('makes an approval stale when another client moved it meanwhile', async () => {
    const id = await world.asks('migrate_vm', { vmid: 104 });
    await asOperator('POST', '/nodes/pve/qemu/104/migrate', { target: 'pve2' });
    await expect.poll(() => nodeOf(104)).toBe('pve2');
    expect((await world.refused(world.call('approve', { approval_id: id }))).code).toBe('approval_stale');
  });
});

describe('a blocker of a move is reported before anything is sent', () => {
  it('an ISO of the node', async () => {
    const error = await refusal({ vmid: 106 });
    expect(error).toMatchObject({
      code: 'not_possible',
      message: 'vault (106) cannot leave pve, because ide2 holds local:iso/debian-12.iso of pve.',
      hint: 'Eject it with iso none of update_vm.',
    });
    await world.done('update_vm', { vmid: 106, iso: 'none' });
    expect(await world.done('migrate_vm', { vmid: 106 })).toMatchObject({ node: 'pve2' });
  });

  it('a device of the node', async () => {
    await asOperator('PUT', '/nodes/pve/qemu/104/config', { serial1: '/dev/ttyS0', serial0: 'socket' });
    expect((await refusal({ vmid: 104 })).message).toBe('build1 (104) cannot leave pve, because it uses serial1 of pve.');
  });

  it('a mapped device, while the VM runs', async () => {
    await asOperator('PUT', '/nodes/pve/qemu/104/config', { hostpci0: 'mapping=gpu' });
    expect(await planOf(world, 'migrate_vm', { vmid: 104 })).toMatchObject({ after: { move: 'offline' } });
    await asOperator('POST', '/nodes/pve/qemu/104/status/start');
    await expect.poll(async () => (await world.done('get_vm', { vmid: 104 })).status).toBe('running');
    expect((await refusal({ vmid: 104 })).message).toContain('its mapped devices hostpci0 cannot move while it runs');
  });

  it('snapshots that the storage cannot copy', async () => {
    const error = await refusal({ vmid: 107, target_node: 'pve' });
    expect(error.message).toBe(
      'monitor (107) cannot leave pve2, because local-lvm:vm-107-disk-0 has snapshots (before-move) that cannot be copied.',
    );
    expect(error.hint).toBe('Delete them with delete_snapshot.');
  });

  it('a guest that HA would move along and that cannot move', async () => {
    await asOperator('POST', '/cluster/ha/resources', { sid: 'vm:106' });
    const rule = { type: 'resource-affinity', affinity: 'positive', resources: 'vm:106,vm:102' };
    await asOperator('POST', '/cluster/ha/rules', { rule: 'together', ...rule });
    const error = await refusal({ vmids: [102, 106] });
    expect(error.details?.refused).toMatchObject([{ vmid: 102, hint: 'First follow the hint for 106.' }, { vmid: 106 }]);
  });

  it('an HA rule, and the guests that one would move along', async () => {
    for (const sid of ['vm:100', 'vm:101']) await asOperator('POST', '/cluster/ha/resources', { sid });
    const rule = { type: 'resource-affinity', affinity: 'negative', resources: 'vm:101,vm:102' };
    await asOperator('POST', '/cluster/ha/rules', { rule: 'apart', ...rule });
    expect((await refusal({ vmid: 102 })).message).toBe(
      'No node can take db1 (102). On pve2: an HA rule (resource-affinity) about vm:101.',
    );
    await asOperator('DELETE', '/cluster/ha/rules/apart');
    await asOperator('POST', '/cluster/ha/rules', {
      ...rule,
      rule: 'together',
      affinity: 'positive',
      resources: 'vm:100,vm:102',
    });
    expect(await refusal({ vmid: 102 })).toMatchObject({
      message: 'db1 (102) cannot leave pve, because an HA rule moves 100 along with it.',
      hint: 'Name 100 in vmids too.',
    });
    const done = await world.done('migrate_vm', { vmids: [100, 102] });
    expect(done.guests).toMatchObject([
      { vmid: 100, node: 'pve2', move: 'live' },
      { vmid: 102, node: 'pve2', move: 'with HA' },
    ]);
    expect(sent().map(([line]) => line)).toEqual(['POST /nodes/pve/qemu/100/migrate']);
  });

  it('a replication that goes elsewhere', async () => {
    await asOperator('POST', '/nodes/pve2/qemu', { vmid: '150', name: 'copied' });
    await asOperator('POST', '/cluster/replication', { id: '150-0', type: 'local', target: 'pve' });
    await asOperator('POST', '/nodes/pve2/qemu/150/migrate', { target: 'pve' });
    await expect.poll(() => nodeOf(150)).toBe('pve');
    await asOperator('POST', '/nodes/pve/qemu/150/status/start');
    await expect.poll(async () => (await world.done('get_vm', { vmid: 150 })).status).toBe('running');
    expect((await refusal({ vmid: 150 })).message).toBe(
      'No node can take copied (150). On pve2: its replication goes to pve, and a running guest moves only there.',
    );
  });

  it('a lock, an unknown node, and no guest at all', async () => {
    expect((await refusal({ vmid: 100, target_node: 'pve9' })).message).toBe('Node pve9 does not exist.');
    expect((await refusal({})).code).toBe('invalid_arguments');
    expect((await refusal({ vmid: 100, from_node: 'pve' })).code).toBe('invalid_arguments');
    world.cluster.simulator.faults.lock(104, 'backup');
    expect((await refusal({ vmid: 104 })).code).toBe('locked');
  });

  it('a storage that is too small, missing or of another kind', async () => {
    const storage = async (name: string) => (await refusal({ vmid: 105, target_node: 'pve2', storage: name })).message;
    expect(await storage('tank')).toMatch(/^No node can take dev1 \(105\)\. On pve2: storage tank has 1 GiB free, 8 GiB are needed\.$/);
    expect(await storage('local')).toContain('storage local does not take disk images');
    expect(await storage('nope')).toContain('storage nope is missing or offline');
  });

  it('a token without VM.Migrate, before a human is asked', async () => {
    const other = await withRights({ '/vms': ['VM.Audit'], '/storage': ['Datastore.Audit'], '/nodes': ['Sys.Audit'] });
    const error = await world.refused(other.perform('migrate_vm', { vmid: 104 }, agent));
    expect(error.code).toBe('permission_denied');
    expect(`${error.message} ${error.hint}`).toContain('VM.Migrate');
    expect((await world.done('list_approvals', { status: 'pending' })).approvals).toEqual([]);
    expect(sent()).toEqual([]);
  });

  it('a token that may not change disks, where they go to another storage', async () => {
    const other = await withRights({
      '/vms': ['VM.Audit', 'VM.Migrate'],
      '/storage': ['Datastore.AllocateSpace'],
      '/nodes': ['Sys.Audit'],
    });
    const error = await world.refused(other.perform('migrate_vm', { vmid: 105, storage: 'nas' }, agent));
    expect(error.code).toBe('permission_denied');
    expect(`${error.message} ${error.hint}`).toContain('VM.Config.Disk');
    expect(sent()).toEqual([]);
  });
});

describe('several guests', () => {
  it('move one after another under one approval, each with its outcome', async () => {
    const done = await approved({ vmids: [104, 200] });
    expect(done.guests).toMatchObject([
      { vmid: 104, from: 'pve', node: 'pve2', move: 'offline' },
      { vmid: 200, from: 'pve', node: 'pve2', move: 'restart' },
    ]);
    expect(sent().map(([line]) => line)).toEqual(['POST /nodes/pve/qemu/104/migrate', 'POST /nodes/pve/lxc/200/migrate']);
  });

  it('none moves when one cannot', async () => {
    expect(await refusal({ vmids: [100, 106] })).toMatchObject({ code: 'not_possible', message: expect.stringContaining('vault (106)') });
  });

  it('the first failure stops the rest, and says what moved and what did not', async () => {
    const match = { method: 'POST', path: '/lxc/200/migrate$' };
    world.cluster.simulator.faults.add({ match, action: 'fail-task', exitstatus: 'migration aborted' });
    const id = await world.asks('migrate_vm', { vmids: [104, 200, 9001] });
    const error = await world.refused(world.call('approve', { approval_id: id }));
    expect(error).toMatchObject({
      code: 'task_failed',
      details: {
        done: ['move build1 (104) to pve2'],
        not_done: ['move dns1 (200) to pve2', 'move ubuntu-24-template (9001) to pve2'],
      },
    });
    expect(sent().map(([line]) => line)).toEqual(['POST /nodes/pve/qemu/104/migrate', 'POST /nodes/pve/lxc/200/migrate']);
    expect([await nodeOf(104), await nodeOf(200), await nodeOf(9001)]).toEqual(['pve2', 'pve', 'pve']);
  });
});

describe('a whole node', () => {
  it('is emptied in two calls: the plan names each guest with its target, and those that stay with the reason', async () => {
    const id = await world.asks('migrate_vm', { from_node: 'pve' });
    const plan = await planOf(world, 'migrate_vm', { from_node: 'pve' });
    expect(plan).toMatchObject({
      effect: 'disrupt',
      summary: 'Empty pve: move 8 of 9 visible guests',
      warnings: expect.arrayContaining([expect.stringMatching(/^106 stays: vault \(106\) cannot leave pve, because ide2 holds/)]),
      before: { 'web1 (100)': 'on pve', 'dns1 (200)': 'on pve' },
      after: {
        'web1 (100)': 'on pve2 (live), copies scsi0 16 GiB to local-lvm',
        'db1 (102)': 'on pve2 (live)',
        'dns1 (200)': expect.stringMatching(/^on pve2 \(restart\), copies rootfs 4 GiB/),
        'build1 (104)': 'on pve2 (offline)',
      },
    });
    const { result } = await world.done('approve', { approval_id: id });
    expect((result as JsonObject).guests).toHaveLength(8);
    const left = (await world.done('list_vms', { node: 'pve' })).vms as JsonObject[];
    expect(left.map(({ vmid }) => vmid)).toEqual([106]);
  });

  it('of a caller with a scope means the guests of the scope', async () => {
    const caller = { ...agent, scope: { pools: ['agents'] } };
    const result = await world.call('migrate_vm', { from_node: 'pve' }, { dryRun: true }, caller);
    if (result.kind !== 'dry_run') throw new Error(result.kind);
    expect(result.plan.summary).toBe('Empty pve: move all 2 visible guests');
    expect(result.plan.targets?.map(({ vmid }) => vmid)).toEqual([104, 105]);
  });

  it('asks also where all could move live: a whole node is more than one guest', async () => {
    await world.done('migrate_vm', { vmid: 101, target_node: 'pve' });
    expect(await planOf(world, 'migrate_vm', { from_node: 'pve' })).toMatchObject({
      effect: 'disrupt',
      raisedBecause: expect.stringMatching(/^it moves all guests of pve/),
    });
  });

  it('that does not exist is refused, and one without visible guests needs nothing', async () => {
    expect((await refusal({ from_node: 'pve3' })).message).toBe('Node pve3 does not exist.');
    const blind = await withRights({ '/nodes': ['Sys.Audit'] });
    const result = await blind.perform('migrate_vm', { from_node: 'pve' }, agent);
    expect(result).toMatchObject({
      kind: 'done',
      output: { notice: expect.stringMatching(/^no guest that this token can see is on pve; guests: shown only with VM\.Audit/) },
    });
  });

  it('without a guest that can move is refused with each reason', async () => {
    await asOperator('DELETE', '/nodes/pve2/lxc/201');
    await asOperator('POST', '/nodes/pve2/qemu/101/migrate', { target: 'pve', online: '1', 'with-local-disks': '1' });
    await expect.poll(async () => ((await world.done('list_vms', { node: 'pve2' })).vms as unknown[]).length).toBe(1);
    const error = await refusal({ from_node: 'pve2' });
    expect(error.message).toBe('None of the guests of pve2 can move.');
    expect(error.details?.refused).toMatchObject([{ vmid: 107, code: 'not_possible', hint: expect.stringContaining('delete_snapshot') }]);
  });
});
