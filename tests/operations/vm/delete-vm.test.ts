import { describe, expect, test } from 'vitest';
import type { Condition, Plan } from '../../../src/core/plan/plan.ts';
import type { RunRecord } from '../../../src/core/plan/run.ts';
import type { ProxmoxApi } from '../../../src/core/proxmox.ts';
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
} from '../../helpers/described/index.ts';
import { changeOperation } from '../../helpers/operations.ts';

useWorlds();
const stopped: GuestSpec = { ...webServer, running: false };
const disk = { storage: 'local-lvm', volid: 'local-lvm:vm-105-disk-0', content: 'images', vmid: 105, sizeGib: 32 };
const world: World = { guests: [stopped, { ...container, running: false }, template], volumes: [disk] };
const remove = (args: object, w: World = world, ctx = {}) => planOf('delete_vm', { vmid: 105, ...args }, w, ctx);

test('the plan names disks, snapshots, backups, and that the deletion cannot be undone', async () => {
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
  expect(plan.warnings).toEqual(['no backup on the storages this token can see (local)']);
  expect(plan.undo).toContain('impossible');
  expect(plan.target?.disks).toEqual(['local-lvm:vm-105-disk-0']);
});

test('an inserted ISO is not destroyed with the guest', async () => {
  const { summary, before, facts } = await remove({});
  expect(summary).toContain('1 volume');
  expect(before).toEqual({ status: 'stopped', volumes: ['local-lvm:vm-105-disk-0'], untouched: ['local:iso/debian-12.iso'] });
  expect(facts?.disks).toEqual(['local-lvm:vm-105-disk-0 (32 GiB)']);
  expect(facts?.untouched).toEqual(['local:iso/debian-12.iso (600 MiB)']);
});

describe('names exactly the volumes that Proxmox destroys', () => {
  const holding = (config: Record<string, string>, pending?: GuestSpec['pending'], volumes = [disk]): World => ({
    guests: [{ ...stopped, config: { ...stopped.config, ...config }, ...(pending ? { pending } : {}) }],
    volumes,
  });
  test('a disk of the host stays, and the plan says so', async () => {
    const plan = await remove({}, holding({ scsi1: '/dev/disk/by-id/ata-X1,backup=0,size=3907018584K' }));
    expect(plan.summary).toContain('with 1 volume and');
    expect(plan.before?.volumes).toEqual(['local-lvm:vm-105-disk-0']);
    expect(plan.facts?.disks?.join()).not.toContain('/dev/');
    expect(plan.facts?.untouched).toContain('/dev/disk/by-id/ata-X1 (3726.02 GiB)');
    expect(plan.undo).toBe('impossible: 1 volume and 1 snapshot cannot be restored');
  });
  test('a volume of another guest stays, attached or detached', async () => {
    const plan = await remove({}, holding({ scsi1: 'local-lvm:vm-106-disk-0,size=5G', unused0: 'local-lvm:vm-106-disk-1' }));
    expect(plan.before).toMatchObject({
      volumes: ['local-lvm:vm-105-disk-0'],
      untouched: ['local:iso/debian-12.iso', 'local-lvm:vm-106-disk-0', 'local-lvm:vm-106-disk-1'],
    });
  });
  test('a linked clone’s disk is its own, the base is not', async () => {
    const plan = await remove({}, holding({ scsi0: 'local-lvm:base-9000-disk-0/vm-105-disk-0,size=3G' }));
    expect(plan.before?.volumes).toEqual(['local-lvm:base-9000-disk-0/vm-105-disk-0']);
  });
  test('disks with a pending removal by force, detached disks and generated disks are destroyed too', async () => {
    const more = {
      scsi1: 'local-lvm:vm-105-disk-1,size=500G',
      unused0: 'local-lvm:vm-105-disk-2',
      ide0: 'local-lvm:vm-105-cloudinit,media=cdrom',
    };
    const plan = await remove({}, holding(more, { scsi1: 'force' }, [disk, { ...disk, volid: 'local-lvm:vm-105-disk-2', sizeGib: 7 }]));
    expect(plan.facts?.disks).toEqual([
      'local-lvm:vm-105-cloudinit',
      'local-lvm:vm-105-disk-0 (32 GiB)',
      'local-lvm:vm-105-disk-1 (500 GiB)',
      'local-lvm:vm-105-disk-2 (7 GiB)',
    ]);
    expect(plan.target?.disks).toContain('local-lvm:vm-105-disk-1');
  });
  test('a disk that will be added at the next start goes too', async () => {
    expect((await remove({}, holding({}, { scsi2: 'local-lvm:vm-105-disk-4,size=2G' }))).before?.volumes).toContain(
      'local-lvm:vm-105-disk-4',
    );
  });
  test('where a storage names volumes by its own pattern, its list shows their owner', async () => {
    const plan = await remove({}, holding({ scsi0: 'san:pm-12cf742a,size=32G' }, undefined, [{ ...disk, volid: 'san:pm-12cf742a' }]));
    expect(plan.before?.volumes).toEqual(['san:pm-12cf742a']);
  });
  test('the answer afterwards tells the same', async () => {
    const plan = await remove({}, holding({ scsi1: '/dev/sdb,size=1T' }));
    const answer = await reported(plan, { guests: [] });
    expect(answer).toMatchObject({ volumes: ['local-lvm:vm-105-disk-0'], untouched: ['local:iso/debian-12.iso', '/dev/sdb'] });
  });
  test('the memory that a snapshot saved goes too; memory of no snapshot is a stray volume', async () => {
    const saved = { ...disk, volid: 'local-lvm:vm-105-state-before', sizeGib: 2.5 };
    const stray = { ...disk, volid: 'local-lvm:vm-105-state-gone', sizeGib: 1 };
    const w = { ...world, guests: [{ ...stopped, snapshots: ['before'] }] };
    const plan = await remove({}, { ...w, volumes: [disk, saved] });
    expect(plan.before?.volumes).toEqual(['local-lvm:vm-105-disk-0', 'local-lvm:vm-105-state-before']);
    expect(plan.facts?.disks).toContain('local-lvm:vm-105-state-before (2.5 GiB)');
    expect(requestsOf(plan)[0]?.params).toEqual({ purge: true });
    const kept = await remove({ purge: false }, { ...w, volumes: [disk, saved, stray] });
    expect(kept.warnings.join()).toContain('stay behind: local-lvm:vm-105-state-gone');
  });
  test('a container’s folder of the host stays', async () => {
    const config = { ...container.config, mp0: '/srv/share,mp=/share', mp1: 'local-lvm:vm-201-disk-1,mp=/data,size=20G' };
    const plan = await remove({ vmid: 201 }, { guests: [{ ...container, running: false, config }] });
    expect(plan.before).toMatchObject({ volumes: ['local-lvm:vm-201-disk-1', 'local-lvm:vm-201-disk-0'], untouched: ['/srv/share'] });
  });
});

describe('a hibernated guest', () => {
  const saved = 'local-lvm:vm-105-state-suspend-2026-11-26';
  const asleep: World = { ...world, guests: [{ ...stopped, config: { ...stopped.config, lock: 'suspended', vmstate: saved } }] };
  test('can be deleted, and the plan says that its memory is lost', async () => {
    const plan = await remove({}, asleep);
    expect(linesOf(plan)).toEqual(['DELETE /nodes/pve/qemu/105']);
    expect(plan.warnings).toContain('the guest is hibernated: its saved memory is lost');
    expect(plan.before?.volumes).toEqual(['local-lvm:vm-105-disk-0', saved]);
    expect(JSON.stringify(plan)).not.toContain('unlock');
  });
  test('cannot be backed up first, and the call is refused before an approval is requested', async () => {
    const error = await refusalOf(remove({ backup_storage: 'local' }, asleep));
    expect(error.code).toBe('not_possible');
    expect(error.hint).toContain('start_vm {"vmid": 105}');
  });
});

test('volumes that only bear its VMID are destroyed only where the plan shows them', async () => {
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

test('a guest of another requester is named as such', async () => {
  expect((await remove({}, world, { createdHere: async () => false })).warnings.join()).toContain('not created through this server');
});

test('a container', async () => {
  const plan = await remove({ vmid: 201 });
  expect(linesOf(plan)).toEqual(['DELETE /nodes/pve/lxc/201']);
  expect(requestsOf(plan)[0]?.task?.type).toBe('vzdestroy');
});

test('with backup_storage the guest is deleted only once the backup is there, and older backups stay', async () => {
  const plan = await remove({ backup_storage: 'local' });
  expect(plan.steps.map((s) => `${s.kind} ${s.id}`)).toEqual([
    'request backup',
    'wait backed-up',
    'check same',
    'check still-stopped',
    'request delete',
  ]);
  expect(requestsOf(plan)[0]).toMatchObject({
    path: '/nodes/pve/vzdump',
    params: { vmid: 105, storage: 'local', remove: false },
    task: { type: 'vzdump' },
  });
  expect(plan.steps[1]).toMatchObject({ until: { kind: 'backup', vmid: 105, storage: 'local' } });
  expect(plan.steps[2]).toMatchObject({
    that: { kind: 'guest', vmid: 105, is: 'present', key: '11111111-1111-1111-1111-111111111111' },
  });
  expect(plan.undo).toContain('restore');
  expect((await refusalOf(remove({ backup_storage: 'local-lvm' }))).code).toBe('storage_unavailable');
});

test('the plan names the nodes that keep copies of a replicated guest, whose jobs the purge forgets', async () => {
  const jobs = [
    { id: '105-0', type: 'local', guest: 105, jobnum: 0, target: 'pve2' },
    { id: '106-0', type: 'local', guest: 106, jobnum: 0, target: 'pve3' },
  ];
  const { warnings } = await planOf('delete_vm', { vmid: 105 }, { ...world, answers: { '/cluster/replication': jobs } });
  expect(warnings).toContain('replication jobs are removed: 105-0');
  expect(warnings).toContain('copies of its disks on pve2 may stay behind; delete_volume (toolset rare) removes them');
});

describe('refuses, with the next step', () => {
  const guest = (more: Partial<GuestSpec>, config: object = {}): World => ({
    ...world,
    guests: [{ ...stopped, ...more, config: { ...stopped.config, ...config } }],
  });
  test.each([
    ['a running guest', {}, guest({ running: true }), 'guest_running', 'stop_vm {"vmid": 105}'],
    ['a stopped guest that runs halted for its backup', {}, guest({ running: true }, { lock: 'backup' }), 'locked', 'Wait for the task'],
    ['a protected guest', {}, guest({}, { protection: 1 }), 'guest_protected', 'operator'],
    ['a locked guest', {}, guest({}, { lock: 'backup' }), 'locked', 'qm unlock 105'],
    ['a guest in HA without purge', { purge: false }, guest({ ha: 'stopped' }), 'not_possible', 'purge'],
    [
      'a replicated guest without purge',
      { purge: false },
      { ...world, answers: { '/cluster/replication': [{ id: '105-0', type: 'local', guest: 105, jobnum: 0, target: 'pve2' }] } },
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
    [
      'a template of containers with linked clones on ZFS',
      { vmid: 201 },
      {
        guests: [{ ...container, running: false, config: { ...container.config, rootfs: 'zfs:basevol-201-disk-0,size=4G', template: 1 } }],
        storages: { pve: [{ storage: 'zfs', type: 'zfspool', content: 'images,rootdir' }] },
        volumes: [
          {
            ...{ storage: 'zfs', volid: 'zfs:basevol-201-disk-0/subvol-202-disk-0', content: 'rootdir', vmid: 202 },
            parent: 'basevol-201-disk-0@__base__',
          },
        ],
      },
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
  const report = async (after: World) => reported(await remove({}), after);
  test('gone, with what was destroyed and the warnings of the task', async () => {
    expect(await report({ guests: [] })).toMatchObject({
      status: 'deleted',
      deleted: true,
      volumes: ['local-lvm:vm-105-disk-0'],
      run_id: expect.any(String),
      warnings: expect.arrayContaining(['WARN: volume is busy']),
    });
  });
  test('a volume that stayed is named', async () => {
    expect(await report({ guests: [], volumes: [disk] })).toMatchObject({ deleted: true, orphans: ['local-lvm:vm-105-disk-0'] });
  });
  test('a token of a pool cannot see leftovers, and the answer says so', async () => {
    const answer = await report({ guests: [], volumes: [disk], permissions: { '/storage/local-lvm': ['Datastore.AllocateSpace'] } });
    expect(answer).toMatchObject({ deleted: true, unchecked: expect.stringContaining('local-lvm') });
    expect(answer).not.toHaveProperty('orphans');
  });
  test('a token whose rights on the VMID outlive the guest can look', async () => {
    const answer = await report({
      guests: [],
      volumes: [disk],
      permissions: { '/vms/105': ['VM.Config.Disk'], '/storage/local-lvm': ['Datastore.Audit'] },
    });
    expect(answer).toMatchObject({ orphans: ['local-lvm:vm-105-disk-0'] });
  });
  test('a guest that still has its VMID is not reported as gone, even after a successful task', async () => {
    expect(await report({ guests: [stopped] })).toMatchObject({ deleted: false, status: 'unknown' });
  });
  test('the remains of a guest that Proxmox is destroying are still that guest', async () => {
    const rest = { ...stopped, config: { lock: 'destroyed' } };
    expect(await report({ guests: [rest] })).toMatchObject({ deleted: false, status: 'unknown' });
  });
  describe('a VMID that another guest got right after the delete', () => {
    const other: GuestSpec = {
      ...webServer,
      config: { ...webServer.config, name: 'new', smbios1: 'uuid=33333333-3333-3333-3333-333333333333' },
    };
    test.each([
      ['on the same node', other],
      ['on another node', { ...other, node: 'pve2' }],
      ['a container', { ...container, vmid: 105 }],
    ])('%s: deleted, and the new guest’s disk is not an orphan', async (_where, guest) => {
      const answer = await report({ guests: [guest], volumes: [disk] });
      expect(answer).toMatchObject({
        deleted: true,
        status: 'deleted',
        note: expect.stringContaining('VMID 105 now belongs to another guest'),
      });
      expect(answer).not.toHaveProperty('orphans');
    });
    test('that the token cannot see: the task that destroyed ours proves the deletion', async () => {
      expect(await report({ guests: [{ ...stopped, hidden: true }], volumes: [disk] })).toMatchObject({ deleted: true });
    });
    test('that the token cannot see, without an end of the task: the outcome is unknown', async () => {
      const lost = { id: 'delete', state: 'sent', at: '' };
      expect(await reported(await remove({}), { guests: [{ ...stopped, hidden: true }] }, lost)).toMatchObject({
        deleted: false,
        status: 'unknown',
      });
    });
    test('the expectation of the plan holds: the guest that a human saw is gone', async () => {
      const [gone] = (await remove({})).expected;
      if (!gone) throw new Error();
      const holds = async (w: World) => ((await openWorld(w)).ctx.api as ProxmoxApi).holds(gone);
      expect(await holds({ guests: [other] })).toBe(true);
      expect(await holds({ guests: [{ ...other, node: 'pve2' }] })).toBe(true);
      expect(await holds({ guests: [] })).toBe(true);
      expect(await holds({ guests: [stopped] })).toBe(false);
      expect(await holds({ guests: [{ ...stopped, node: 'pve2' }] })).toBe(false);
      expect(await holds({ guests: [{ ...stopped, config: { lock: 'destroyed' } }] })).toBe(false);
      expect(await holds({ guests: [{ ...stopped, hidden: true }] })).toBeUndefined();
      const same = async (w: World) => ((await openWorld(w)).ctx.api as ProxmoxApi).holds({ ...gone, is: 'present' } as Condition);
      expect(await same({ guests: [stopped] })).toBe(true);
      expect(await same({ guests: [other] })).toBe(false);
    });
  });
});

const ENDED = {
  id: 'delete',
  state: 'done',
  at: '',
  upid: 'UPID:1',
  exit: 'WARNINGS: 1',
  log: ['WARN: volume is busy', 'TASK WARNINGS: 1'],
};

async function reported(plan: Plan, after: World, step: object = ENDED) {
  const { ctx } = await openWorld(after);
  const operation = changeOperation('delete_vm');
  const run = { id: 'run_1', plan, steps: [step] };
  return operation.output.parse(await operation.report(ctx.api, run as unknown as RunRecord));
}
