import { describe, expect, test } from 'vitest';
import {
  type GuestSpec,
  linesOf,
  planOf,
  refusalOf,
  requestsOf,
  type StorageSpec,
  useWorlds,
  type World,
} from '../helpers/described/index.ts';

useWorlds();

const local: StorageSpec = { storage: 'local-lvm', type: 'lvmthin', content: 'images,rootdir' };
const ceph: StorageSpec = { storage: 'ceph-vm', type: 'rbd', content: 'images', shared: 1, availGib: 500, totalGib: 900 };
const fast: StorageSpec = { storage: 'fast2', type: 'zfspool', content: 'images' };
const template = (config: Record<string, string | number>, node = 'pve1'): GuestSpec => ({
  vmid: 9000,
  node,
  config: {
    name: 'tpl',
    template: 1,
    scsi0: 'ceph-vm:base-9000-disk-0,size=20G',
    smbios1: 'uuid=00000000-0000-4000-8000-000000009000',
    ...config,
  },
});
const cluster = (source: GuestSpec, pve1: StorageSpec[], pve2: StorageSpec[], more: GuestSpec[] = []): World => ({
  nodes: [
    { node: 'pve1', maxcpu: 8, maxmem: 2 ** 35 },
    { node: 'pve2', maxcpu: 8, maxmem: 2 ** 35 },
  ],
  storages: { pve1, pve2 },
  guests: [source, ...more],
});
const clone = (args: object, world: World) => planOf('clone_template', { source_vmid: 9000, name: 'a1', ...args }, world);
const cloneStep = async (args: object, world: World) => requestsOf(await clone(args, world)).find((step) => step.path.endsWith('/clone'));

describe('Telmate/terraform-provider-proxmox#536, ionos-cloud/cluster-api-provider-proxmox#107, bpg/terraform-provider-proxmox#178: from shared storage to a storage of another node', () => {
  const world = cluster(template({}), [ceph, local], [ceph, local, fast]);
  test('the clone is made there, and then its disk is moved', async () => {
    const plan = await clone({ target_node: 'pve2', storage: 'fast2' }, world);
    expect(requestsOf(plan)[0]).toMatchObject({ path: '/nodes/pve1/qemu/9000/clone', params: { target: 'pve2', full: true } });
    expect(linesOf(plan).filter((line) => line.endsWith('/migrate'))).toEqual([]);
    const move = requestsOf(plan).find((step) => step.path.endsWith('/move_disk'));
    expect(move).toMatchObject({ path: '/nodes/pve2/qemu/120/move_disk', params: { disk: 'scsi0', storage: 'fast2', delete: true } });
  });
  test('beside a disk on local storage, only the shared one is moved afterwards', async () => {
    const mixed = template({ scsi1: 'local-lvm:base-9000-disk-1,size=3G' });
    const plan = await clone({ target_node: 'pve2', storage: 'fast2' }, cluster(mixed, [ceph, local], [ceph, local, fast]));
    expect(requestsOf(plan).map(({ path, params }) => [path, params.targetstorage ?? params.disk])).toEqual([
      ['/nodes/pve1/qemu/9000/clone', undefined],
      ['/nodes/pve1/qemu/120/migrate', 'fast2'],
      ['/nodes/pve2/qemu/120/move_disk', 'scsi0'],
    ]);
  });
  test('a storage of the same name on both nodes is kept', async () => {
    const same = cluster(template({ scsi0: 'local-lvm:base-9000-disk-0,size=20G' }), [local], [local]);
    const plan = await clone({ target_node: 'pve2' }, same);
    expect(linesOf(plan)).toEqual(['POST /nodes/pve1/qemu/9000/clone', 'POST /nodes/pve1/qemu/120/migrate']);
    expect(requestsOf(plan)[1]?.params).toMatchObject({ target: 'pve2' });
  });
});

test('Telmate/terraform-provider-proxmox#788: storages named after their node', async () => {
  const [kvm1, kvm2] = ['kvm01-storage', 'kvm02-storage'].map((storage) => ({ ...local, storage })) as [StorageSpec, StorageSpec];
  const world = cluster(template({ scsi0: 'kvm01-storage:base-9000-disk-0,size=20G' }), [kvm1], [kvm2]);
  const plan = await clone({ target_node: 'pve2', storage: 'kvm02-storage' }, world);
  expect(requestsOf(plan).find((step) => step.path.endsWith('/migrate'))?.params).toMatchObject({
    target: 'pve2',
    targetstorage: 'kvm02-storage',
  });
});

describe('bpg/terraform-provider-proxmox#1387, ansible/ansible#57075, #58947: a shared template for every node', () => {
  test.each([
    ['linked', {}, false],
    ['full', { full_clone: true }, true],
  ])('%s: the source’s node is asked, with the target', async (_what, args, full) => {
    const step = await cloneStep({ target_node: 'pve2', ...args }, cluster(template({}), [ceph], [ceph]));
    expect(step).toMatchObject({ path: '/nodes/pve1/qemu/9000/clone', params: { target: 'pve2', full } });
  });
});

test('Telmate/terraform-provider-proxmox#774: a node given by its address is refused before anything is sent', async () => {
  await expect(clone({ target_node: '192.0.2.3' }, cluster(template({}), [ceph], [ceph]))).rejects.toThrow(/name of a node/);
});

test('Telmate/terraform-provider-proxmox#8, #1375: of two templates of one name the one that was meant is cloned', async () => {
  const twin: GuestSpec = { ...template({ scsi0: 'local-lvm:base-9001-disk-0,size=9G' }, 'pve2'), vmid: 9001 };
  const world = cluster(template({}), [ceph], [ceph, local], [twin]);
  expect((await cloneStep({ source_vmid: 9001 }, world))?.path).toBe('/nodes/pve2/qemu/9001/clone');
});

describe('bpg/terraform-provider-proxmox#2803, #969: devices of the host', () => {
  const to = { target_node: 'pve2' };
  const onLocal = (config: Record<string, string>) =>
    cluster(template({ scsi0: 'local-lvm:base-9000-disk-0,size=20G', ...config }), [local], [local]);
  test.each([
    ['a PCI device', { hostpci0: '0000:01:00.0,pcie=1' }],
    ['a USB device', { usb0: 'host=1a6e:089a' }],
  ])('%s: refused before the copy is made', async (_what, config) => {
    expect((await refusalOf(clone(to, onLocal(config)))).code).toBe('not_possible');
  });
  test.each([
    ['a mapped device', { hostpci0: 'mapping=gpu' }],
    ['a USB port of SPICE', { usb0: 'spice' }],
  ])('%s moves along', async (_what, config) => {
    expect(linesOf(await clone(to, onLocal(config)))).toContain('POST /nodes/pve1/qemu/120/migrate');
  });
});

describe('LINBIT/linstor-proxmox#16: linked clones on ZFS over iSCSI and on storages of plugins', () => {
  const san = (type: string) =>
    cluster(template({ scsi0: 'san:base-9000-disk-0' }), [{ storage: 'san', type, content: 'images', shared: 1 }], []);
  test('ZFS over iSCSI links', async () => {
    expect((await cloneStep({}, san('zfs')))?.params).toMatchObject({ full: false });
  });
  test('of a type that is not known here, Proxmox decides', async () => {
    expect((await cloneStep({ full_clone: false }, san('drbd')))?.params).toMatchObject({ full: false });
  });
});

test('bpg/terraform-provider-proxmox#759, Telmate/terraform-provider-proxmox#1483: beside an EFI disk only the boot disk grows', async () => {
  const efi = template({ efidisk0: 'ceph-vm:base-9000-disk-1,efitype=4m,size=528K', boot: 'order=scsi0' });
  const resizes = requestsOf(await clone({ disk_gb: 40 }, cluster(efi, [ceph], [ceph]))).filter((step) => step.path.endsWith('/resize'));
  expect(resizes.map((step) => step.params)).toEqual([expect.objectContaining({ disk: 'scsi0', size: '40G' })]);
});

test('bpg/terraform-provider-proxmox#1599: the resize waits for the end of the copy', async () => {
  const nfs: StorageSpec = { storage: 'nas', type: 'nfs', content: 'images', shared: 1 };
  const world = cluster(template({ scsi0: 'nas:9000/base-9000-disk-0.qcow2,size=20G' }), [nfs], [nfs]);
  const steps = requestsOf(await clone({ full_clone: true, disk_gb: 30 }, world));
  expect(steps.map((step) => step.path.split('/').at(-1))).toEqual(['clone', 'resize']);
  expect(steps[0]?.task).toMatchObject({ type: 'qmclone' });
});

test('ansible-collections/community.proxmox#97: a guest of the requested name is returned, and two of them are a conflict', async () => {
  const there = (vmid: number): GuestSpec => ({ vmid, node: 'pve2', config: { name: 'a1', scsi0: `ceph-vm:vm-${vmid}-disk-0,size=20G` } });
  const one = await clone({}, cluster(template({}), [ceph], [ceph], [there(101)]));
  expect(one.existing).toMatchObject({ existing: true, vmid: 101 });
  expect((await refusalOf(clone({}, cluster(template({}), [ceph], [ceph], [there(101), there(102)])))).code).toBe('conflict');
});

test('a hibernated source is woken, never unlocked: that would lose its memory', async () => {
  const { config = {} } = template({ lock: 'suspended', vmstate: 'ceph-vm:vm-9000-state-suspend-2026-11-26' });
  const { template: _, ...asleep } = config;
  const error = await refusalOf(clone({}, cluster({ vmid: 9000, node: 'pve1', config: asleep }, [ceph], [ceph])));
  expect(error.hint).toContain('start_vm {"vmid": 9000}');
  expect(`${error.message} ${error.hint}`).not.toContain('unlock');
});

test('Telmate/terraform-provider-proxmox#405: cloud-init for a template without the drive is refused with the reason', async () => {
  const error = await refusalOf(clone({ cloud_init: { user: 'ops' } }, cluster(template({}), [ceph], [ceph])));
  expect(`${error.message} ${error.hint}`).toContain('cloud-init');
});

test('Telmate/terraform-provider-proxmox#935, sdhibit/terraform-proxmox-cloud-init-vm#8: cicustom makes Proxmox ignore user, password and keys', async () => {
  const custom = template({
    cicustom: 'user=local:snippets/base.yaml',
    ciuser: 'ubuntu',
    ide2: 'ceph-vm:vm-9000-cloudinit,media=cdrom,size=4M',
  });
  const plan = await clone({ cloud_init: { user: 'ops' } }, cluster(custom, [ceph], [ceph]));
  expect(plan.warnings.join()).toMatch(/cicustom/);
});

test('Telmate/terraform-provider-proxmox#95, #97: an address for a network device that the guest does not have', async () => {
  const cloud_init = { ipconfig0: 'ip=dhcp', ipconfig1: 'ip=10.0.0.9/24' };
  const plan = await planOf('create_vm', { name: 'a1', storage: 'local-lvm', cloud_init }, {});
  expect(plan.warnings.join()).toMatch(/ipconfig1/);
});
