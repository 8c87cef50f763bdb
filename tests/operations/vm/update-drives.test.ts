import { describe, expect, test } from 'vitest';
import { contextOf, type GuestSpec, planIn, refusalOf, requestsOf, useWorlds, type World } from '../../helpers/described/index.ts';

useWorlds();
const guest: GuestSpec = {
  vmid: 410,
  config: {
    name: 'drives',
    scsi0: 'local-lvm:vm-410-disk-0,size=8G',
    scsi1: '/dev/disk/by-id/ata-X1,size=100G',
    scsi2: 'local-lvm:vm-410-disk-2',
    ide0: 'local:iso/a.iso,media=cdrom',
    ide2: 'local-lvm:vm-410-cloudinit,media=cdrom',
    virtio1: 'local-lvm:vm-410-disk-3,discard=on,iothread=1,size=4G',
    boot: 'order=virtio1',
    tpmstate0: 'local-lvm:vm-410-disk-4,size=4M,version=v2.0',
    unused0: 'local-lvm:vm-410-disk-9',
  },
};
const world: World = { guests: [guest] };
const plan = async (one: object) => planIn(await contextOf(world), 'update_vm', { vmid: 410, disks: [one] });

describe('a drive that holds no data of the guest', () => {
  test.each([
    [{ disk: 'ide0', size_gb: 9 }, 'ide0 of drives (410) is a CD drive.'],
    [{ disk: 'ide0', storage: 'local-lvm' }, 'ide0 of drives (410) is a CD drive.'],
    [{ disk: 'ide0', action: 'detach' }, 'ide0 of drives (410) is a CD drive.'],
    [{ disk: 'ide2', size_gb: 9 }, 'ide2 of drives (410) is its cloud-init drive, which Proxmox makes itself.'],
    [{ disk: 'ide2', action: 'attach' }, 'ide2 of drives (410) is its cloud-init drive, which Proxmox makes itself.'],
    [{ disk: 'unused0', size_gb: 9 }, 'unused0 of drives (410) is detached, and only attached disks grow.'],
    [{ disk: 'scsi1', size_gb: 200 }, 'scsi1 of drives (410) is /dev/disk/by-id/ata-X1, which is not a volume of the guest.'],
    [{ disk: 'scsi1', storage: 'local-lvm' }, 'scsi1 of drives (410) is /dev/disk/by-id/ata-X1, which is not a volume of the guest.'],
    [{ disk: 'scsi1', action: 'delete' }, 'scsi1 of drives (410) is /dev/disk/by-id/ata-X1, which is not a volume of the guest.'],
  ])('%j is refused before it is sent', async (one, message) => {
    expect(await refusalOf(plan(one))).toMatchObject({ code: 'not_possible', message });
  });
  test('a cloud-init drive that is detached is destroyed, and the plan says so', async () => {
    expect(await plan({ disk: 'ide2', action: 'detach' })).toMatchObject({
      effect: 'destroy',
      raisedBecause: 'local-lvm:vm-410-cloudinit is destroyed',
      after: { ide2: 'destroyed' },
      warnings: ['without its cloud-init drive the guest gets no more values of cloud-init'],
      undo: 'the operator adds a cloud-init drive',
    });
  });
  test('a disk of the host that is detached stays as it is, and is not among the unused disks', async () => {
    const detached = await plan({ disk: 'scsi1', action: 'detach' });
    expect(detached).toMatchObject({
      warnings: ['/dev/disk/by-id/ata-X1 stays as it is'],
      undo: expect.stringMatching(/^the operator adds \/dev\/disk\/by-id\/ata-X1/),
    });
    expect(requestsOf(detached)[0]?.params).toMatchObject({ delete: 'scsi1' });
    expect(requestsOf(detached)[0]?.params).not.toHaveProperty('force');
  });
});

test('the way back of a detached disk names its new place and what it loses', async () => {
  const detached = await plan({ disk: 'virtio1', action: 'detach' });
  expect(detached.warnings).toContain('virtio1 leaves the boot order too');
  expect(detached.undo).toBe('attach the unused disk again, as scsi3, without discard=on,iothread=1, then put it into boot again');
  expect((await plan({ disk: 'scsi0', action: 'detach' })).undo).toBe('attach the unused disk again, as scsi0');
});

test('firmware keeps its size, and comes back to its own place alone', async () => {
  expect(await refusalOf(plan({ disk: 'tpmstate0', size_gb: 1 }))).toMatchObject({
    code: 'not_possible',
    message: 'tpmstate0 of drives (410) is a part of its firmware. A VM whose tpmstate0 has another size does not start.',
  });
  expect((await plan({ disk: 'tpmstate0', action: 'detach' })).undo).toBe(
    'the operator attaches the unused disk as tpmstate0 again: it was local-lvm:vm-410-disk-4,size=4M,version=v2.0',
  );
});

test('a disk without a size in the configuration is shown as of unknown size', async () => {
  expect(await plan({ disk: 'scsi2', size_gb: 9 })).toMatchObject({
    summary: 'Change drives (410): grow scsi2 an unknown size → 9 GiB',
    before: { scsi2_gb: null },
  });
});
