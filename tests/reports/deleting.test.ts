import { describe, expect, test } from 'vitest';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { RunRecord, StepRecord } from '../../src/core/plan/run.ts';
import { type GuestSpec, openWorld, planOf, refusalOf, requestsOf, useWorlds, type World } from '../helpers/described/index.ts';
import { changeOperation } from '../helpers/operations.ts';
import { withEngine } from '../helpers/with-engine.ts';
import { clientOf } from '../simulator/client.ts';

useWorlds();

const old: GuestSpec = {
  vmid: 129,
  config: {
    name: 'old',
    scsi0: 'local-lvm:vm-129-disk-0,size=32G',
    smbios1: 'uuid=00000000-0000-4000-8000-000000000129',
  },
};
const volume = { storage: 'local-lvm', volid: 'local-lvm:vm-129-disk-0', content: 'images', vmid: 129, sizeGib: 32 };
const remove = (guest: GuestSpec, args: object = {}, world: World = {}) =>
  planOf('delete_vm', { vmid: guest.vmid, ...args }, { guests: [guest], ...world });

async function answerAfter(plan: Plan, after: World, step: Partial<StepRecord> = { exit: 'OK' }) {
  const { ctx } = await openWorld(after);
  const operation = changeOperation('delete_vm');
  const steps = [{ id: 'delete', state: 'done', at: '', upid: 'UPID:1', ...step }];
  return operation.output.parse(await operation.report(ctx.api, { plan, steps } as unknown as RunRecord));
}

describe('bpg/terraform-provider-proxmox#1709: the VMID is given to another guest the moment it is free', () => {
  const next: GuestSpec = {
    vmid: 129,
    running: true,
    config: { ...old.config, name: 'new', smbios1: 'uuid=00000000-0000-4000-8000-00000000beef' },
  };
  test('the delete succeeded, and the running disk of the new guest is not a leftover', async () => {
    const answer = await answerAfter(await remove(old), { guests: [next], volumes: [volume] });
    expect(answer).toMatchObject({ deleted: true, status: 'deleted' });
    expect(answer).not.toHaveProperty('orphans');
    expect(JSON.stringify(answer)).toContain('VMID 129 now belongs to another guest');
  });
  test('the same where it is given away while the storages are looked at', async () => {
    const plan = await remove(old);
    const { ctx, become } = await openWorld({ guests: [], volumes: [volume] });
    const get: typeof ctx.api.get = async (...asked) => {
      const answer = await ctx.api.get<never>(...asked);
      if (/\/content$/.test(asked[0])) become([next]);
      return answer;
    };
    const operation = changeOperation('delete_vm');
    const steps = [{ id: 'delete', state: 'done', at: '', upid: 'UPID:1', exit: 'OK' }];
    const answer = await operation.report({ ...ctx.api, get }, { plan, steps } as unknown as RunRecord);
    expect(answer).toMatchObject({ deleted: true, note: expect.stringContaining('VMID 129 now belongs to another guest') });
    expect(answer).not.toHaveProperty('orphans');
  });
  test('a volume that stays although the VMID is free is a leftover', async () => {
    expect(await answerAfter(await remove(old), { guests: [], volumes: [volume] })).toMatchObject({
      deleted: true,
      orphans: [volume.volid],
    });
  });
});

describe('bpg/terraform-provider-proxmox#2118: membership in backup jobs survives on request', () => {
  test('purge: false sends no purge', async () => {
    expect(requestsOf(await remove(old, { purge: false }))[0]?.params).toEqual({});
  });
  test('the default does', async () => {
    expect(requestsOf(await remove(old))[0]?.params).toEqual({ purge: true });
  });
});

describe('theforeman/foreman_fog_proxmox#427: delete of a guest that HA manages', () => {
  const managed: GuestSpec = { ...old, ha: 'stopped' };
  test('it goes from HA too, and a human reads so', async () => {
    const plan = await remove(managed);
    expect(requestsOf(plan)[0]?.params).toMatchObject({ purge: true });
    expect(plan.warnings).toContain('HA manages the guest: it is removed there too');
  });
  test('without purge it is refused with the next step', async () => {
    expect((await refusalOf(remove(managed, { purge: false }))).hint).toContain('purge');
  });
});

test('Zakkaus/gentoo-install#303: qmdestroy ends with WARNINGS: 2 and leaves a disk', async () => {
  const warnings = { exit: 'WARNINGS: 2', log: ['WARN: lvremove failed - device busy', 'TASK WARNINGS: 2'] };
  const answer = await answerAfter(await remove(old), { guests: [], volumes: [volume] }, warnings);
  expect(answer).toMatchObject({ deleted: true, orphans: [volume.volid] });
  expect(answer.warnings).toContain('WARN: lvremove failed - device busy');
});

describe('bpg/terraform-provider-proxmox#167, ansible-collections/community.proxmox#422: disks that the configuration does not name', () => {
  const stray = { ...volume, volid: 'local-lvm:vm-129-disk-7', sizeGib: 4 };
  test('they are listed before, and destroyed only then', async () => {
    const plan = await remove(old, {}, { volumes: [volume, stray] });
    expect(requestsOf(plan)[0]?.params).toMatchObject({ 'destroy-unreferenced-disks': true });
    expect(plan.facts?.disks).toEqual(['local-lvm:vm-129-disk-0 (32 GiB)', 'local-lvm:vm-129-disk-7 (4 GiB)']);
  });
  test('without such disks nothing of the kind is asked of Proxmox', async () => {
    expect(requestsOf(await remove(old, {}, { volumes: [volume] }))[0]?.params).not.toHaveProperty('destroy-unreferenced-disks');
  });
});

test('a NAS guest with disks of the host: the plan names its own volume alone as destroyed', async () => {
  const nas: GuestSpec = {
    vmid: 107,
    config: {
      name: 'nas',
      scsi0: 'local-lvm:vm-107-disk-0,iothread=1,size=32G',
      scsi1: '/dev/disk/by-id/ata-X1,backup=0,size=3907018584K',
      scsi2: '/dev/disk/by-id/ata-X2,backup=0,size=3907018584K',
    },
  };
  const plan = await remove(nas);
  expect(plan.summary).toBe('Delete nas (107) on pve with 1 volume');
  expect(plan.before?.volumes).toEqual(['local-lvm:vm-107-disk-0']);
  expect(plan.facts?.untouched).toEqual(['/dev/disk/by-id/ata-X1 (3726.02 GiB)', '/dev/disk/by-id/ata-X2 (3726.02 GiB)']);
  expect(plan.undo).toContain('1 volume');
});

test('a disk whose removal by force is pending is destroyed with its guest, and a human reads so', async () => {
  const doomed: GuestSpec = {
    ...old,
    config: { ...old.config, sata1: 'local-lvm:vm-129-disk-1,size=500G' },
    pending: { sata1: 'force' },
  };
  const plan = await remove(doomed, {}, { volumes: [volume, { ...volume, volid: 'local-lvm:vm-129-disk-1', sizeGib: 500 }] });
  expect(plan.summary).toBe('Delete old (129) on pve with 2 volumes');
  expect(new Set(plan.facts?.disks)).toEqual(new Set(['local-lvm:vm-129-disk-0 (32 GiB)', 'local-lvm:vm-129-disk-1 (500 GiB)']));
});

test('Proxmox VE 9.2: a hibernated guest can be deleted, and unlocking it is never advised', async () => {
  const plan = await remove({ ...old, config: { ...old.config, lock: 'suspended', vmstate: 'local-lvm:vm-129-state-suspend-2026-11-26' } });
  expect(requestsOf(plan)).toHaveLength(1);
  expect(plan.warnings.join()).toContain('its saved memory is lost');
  expect(JSON.stringify(plan)).not.toContain('unlock');
});

describe('on the embedded cluster, through approval', () => {
  const world = withEngine();
  const raw = () => clientOf(world().cluster.simulator);
  test('a hibernated guest is deleted with its memory, and the human reads both', async () => {
    const admin = raw();
    expect(await admin.task('POST', '/nodes/pve/qemu/100/status/suspend', { todisk: '1' })).toBe('OK');
    const asked = await world().call('delete_vm', { vmid: 100 });
    if (asked.kind !== 'approval_required') throw new Error(asked.kind);
    const { plan, id } = asked.approval;
    expect(plan.warnings.join()).toContain('its saved memory is lost');
    expect(plan.facts?.disks?.join()).toMatch(/vm-100-state-suspend/);
    expect(await world().done('approve', { approval_id: id })).toMatchObject({ result: { deleted: true } });
    const left = (await admin.get('/nodes/pve/storage/local-lvm/content?vmid=100')).data;
    expect(left).toEqual([]);
    admin.close();
  });
  test('a stop destroys exactly what its plan names', async () => {
    const admin = raw();
    await admin.task('POST', '/nodes/pve/qemu/100/config', { sata1: 'local-lvm:2' });
    // The disk comes with a start: its bus knows no hot-plug.
    await admin.task('POST', '/nodes/pve/qemu/100/status/stop');
    await admin.task('POST', '/nodes/pve/qemu/100/status/start');
    await admin.task('POST', '/nodes/pve/qemu/100/config', { delete: 'sata1', force: '1' });
    const before = (await admin.get('/nodes/pve/storage/local-lvm/content?vmid=100')).data.map((v: { volid: string }) => v.volid);
    const asked = await world().call('stop_vm', { vmid: 100, force: true });
    if (asked.kind !== 'approval_required') throw new Error(asked.kind);
    const { plan, id } = asked.approval;
    expect(plan.effect).toBe('destroy');
    const named = String(plan.before?.sata1).split(' ')[0];
    await world().done('approve', { approval_id: id });
    const after = (await admin.get('/nodes/pve/storage/local-lvm/content?vmid=100')).data.map((v: { volid: string }) => v.volid);
    expect(before.filter((volid: string) => !after.includes(volid))).toEqual([named]);
    admin.close();
  });
});
