import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../src/core/run.ts';
import { findOperation } from '../../src/operations/index.ts';
import {
  container,
  type GuestSpec,
  linesOf,
  openWorld,
  planOf,
  refusalOf,
  requestsOf,
  template,
  useWorlds,
  type World,
  webServer,
} from './world.ts';

useWorlds();
const stopped: GuestSpec = { ...webServer, running: false };
const disk = { storage: 'local-lvm', volid: 'local-lvm:vm-105-disk-0', content: 'images', vmid: 105, sizeGib: 32 };
const world: World = { guests: [stopped, { ...container, running: false }, template], volumes: [disk] };
const remove = (args: object, w: World = world, ctx = {}) => planOf('delete_vm', { vmid: 105, ...args }, w, ctx);

test('what a human reads before: disks, snapshots, backups, and that there is no way back', async () => {
  const plan = await remove({});
  expect(linesOf(plan)).toEqual(['DELETE /nodes/pve/qemu/105']);
  expect(requestsOf(plan)[0]?.params).toEqual({ purge: true });
  expect(plan.steps[0]).toMatchObject({ kind: 'check', that: { is: 'stopped' } });
  expect(plan.effect).toBe('destroy');
  expect(plan.summary).toBe('Delete web1 (105) on pve with 1 volume and 1 snapshot');
  expect(plan.facts).toMatchObject({
    disks: ['local-lvm:vm-105-disk-0 (32 GiB)'],
    snapshots: ['before-upgrade'],
    lastBackup: null,
    tags: ['prod', 'web'],
  });
  expect(plan.warnings).toEqual(['there is no backup of this guest']);
  expect(plan.undo).toContain('impossible');
  expect(plan.target?.disks).toEqual(['local-lvm:vm-105-disk-0']);
});

test('an ISO that is inserted is not the guest’s to destroy', async () => {
  expect(JSON.stringify(await remove({}))).not.toContain('debian-12.iso');
});

test('volumes that only bear its VMID are shown, and destroyed only then', async () => {
  const stray = { ...disk, volid: 'local-lvm:vm-105-disk-7', sizeGib: 4 };
  const w = { ...world, volumes: [disk, stray] };
  const plan = await remove({}, w);
  expect(requestsOf(plan)[0]?.params).toEqual({ purge: true, 'destroy-unreferenced-disks': true });
  expect(plan.warnings.join()).toContain('vm-105-disk-7');
  const kept = await remove({ purge: false }, w);
  expect(requestsOf(kept)[0]?.params).toEqual({});
  expect(kept.warnings.join()).toContain('stay behind: local-lvm:vm-105-disk-7');
});

test('a token that may not see backups says nothing about them', async () => {
  const plan = await remove({}, { ...world, permissions: { '/vms/105': ['VM.Audit', 'VM.Allocate'] } });
  expect(plan.facts).not.toHaveProperty('lastBackup');
  const known = await remove(
    {},
    { ...world, volumes: [disk, { storage: 'local', volid: 'local:backup/x', content: 'backup', vmid: 105, ctime: 1_700_000_000 }] },
  );
  expect(known.facts?.lastBackup).toBe('2023-11-14T22:13:20.000Z');
});

test('a guest of somebody else is named as such', async () => {
  expect((await remove({}, world, { createdHere: async () => false })).warnings.join()).toContain('not created through this server');
});

test('a container', async () => {
  const plan = await remove({ vmid: 201 });
  expect(linesOf(plan)).toEqual(['DELETE /nodes/pve/lxc/201']);
  expect(requestsOf(plan)[0]?.task?.type).toBe('vzdestroy');
});

test('a backup first, and the guest goes only once the volume is there; older backups stay', async () => {
  const plan = await remove({ backup_storage: 'local' });
  expect(plan.steps.map((s) => `${s.kind} ${s.id}`)).toEqual(['request backup', 'wait backed-up', 'check still-stopped', 'request delete']);
  expect(requestsOf(plan)[0]).toMatchObject({
    path: '/nodes/pve/vzdump',
    params: { vmid: 105, storage: 'local', remove: false },
    task: { type: 'vzdump' },
  });
  expect(plan.steps[1]).toMatchObject({ until: { kind: 'backup', vmid: 105, storage: 'local' } });
  expect(plan.undo).toContain('restore');
  expect((await refusalOf(remove({ backup_storage: 'local-lvm' }))).code).toBe('storage_unavailable');
});

describe('refuses, with the way out', () => {
  const guest = (more: Partial<GuestSpec>, config: object = {}): World => ({
    ...world,
    guests: [{ ...stopped, ...more, config: { ...stopped.config, ...config } }],
  });
  test.each([
    ['a running guest', {}, guest({ running: true }), 'guest_running', 'stop_vm {"vmid": 105}'],
    ['a protected guest', {}, guest({}, { protection: 1 }), 'guest_protected', 'operator'],
    ['a locked guest', {}, guest({}, { lock: 'backup' }), 'locked', 'qm unlock 105'],
    ['a guest in HA without purge', { purge: false }, guest({ ha: 'stopped' }), 'not_possible', 'purge'],
    [
      'a replicated guest without purge',
      { purge: false },
      { ...world, replication: [{ id: '105-0', guest: 105 }] },
      'not_possible',
      'purge',
    ],
    [
      'a template with linked clones',
      { vmid: 9000 },
      { ...world, volumes: [{ ...disk, parent: 'base-9000-disk-0' }] },
      'guest_state',
      'first',
    ],
    [
      'a template with linked clones in files',
      { vmid: 9000 },
      { ...world, volumes: [{ ...disk, storage: 'local', volid: 'local:9000/base-9000-disk-0.qcow2/105/vm-105-disk-0.qcow2' }] },
      'guest_state',
      'first',
    ],
    ['an unknown guest', { vmid: 777 }, world, 'guest_not_found', 'list_vms'],
  ])('%s', async (_what, args, w, code, hint) => {
    const error = await refusalOf(remove(args, w));
    expect(error.code).toBe(code);
    expect(error.hint).toContain(hint);
  });
});

describe('the report tells gone from unknown', () => {
  async function report(after: World) {
    const plan = await remove({});
    const { ctx } = await openWorld(after);
    const operation = findOperation('delete_vm');
    if (!operation || !('report' in operation)) throw new Error();
    const run = {
      plan,
      steps: [
        { id: 'delete', state: 'done', at: '', upid: 'UPID:1', exit: 'WARNINGS: 1', log: ['WARN: volume is busy', 'TASK WARNINGS: 1'] },
      ],
    };
    return operation.output.parse(await operation.report(ctx, { vmid: 105, purge: true } as never, run as unknown as RunRecord));
  }
  test('gone, with what was destroyed and the warnings of the task', async () => {
    expect(await report({ guests: [] })).toMatchObject({
      status: 'deleted',
      deleted: true,
      volumes: ['local-lvm:vm-105-disk-0'],
      upids: ['UPID:1'],
      warnings: expect.arrayContaining(['WARN: volume is busy']),
    });
  });
  test('a volume that stayed is named', async () => {
    expect(await report({ guests: [], volumes: [disk] })).toMatchObject({ deleted: true, orphans: ['local-lvm:vm-105-disk-0'] });
  });
  test('a token of a pool cannot see leftovers, and the answer does not pretend otherwise', async () => {
    const answer = await report({ guests: [], volumes: [disk], permissions: { '/storage/local-lvm': ['Datastore.AllocateSpace'] } });
    expect(answer).toMatchObject({ deleted: true, unchecked: expect.stringContaining('local-lvm') });
    expect(answer).not.toHaveProperty('orphans');
  });
  test('a token whose rights on the VMID outlive the guest can look', async () => {
    const answer = await report({ guests: [], volumes: [disk], permissions: { '/vms/105': ['VM.Config.Disk'] } });
    expect(answer).toMatchObject({ orphans: ['local-lvm:vm-105-disk-0'] });
  });
  test('a VMID that is taken proves nothing', async () => {
    expect(await report({ guests: [{ ...stopped, hidden: true }] })).toMatchObject({ deleted: false, status: 'unknown' });
  });
});
