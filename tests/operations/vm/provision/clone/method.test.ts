import { describe, expect, test } from 'vitest';
import {
  contextOf,
  type GuestSpec,
  linesOf,
  planIn,
  planOf,
  refusalOf,
  requestsOf,
  template,
  useWorlds,
  type World,
  webServer,
} from '../../../../helpers/described/index.ts';

useWorlds();

const clone = (args: object, w: World) => planOf('clone_template', { source_vmid: 9000, name: 'a1', ...args }, w);
const of = (config: Record<string, string | number>, drop: string[] = []): GuestSpec => ({
  ...template,
  config: Object.fromEntries(Object.entries({ ...template.config, ...config }).filter(([key]) => !drop.includes(key))),
});
const nodes = [
  { node: 'pve', maxcpu: 8 },
  { node: 'pve2', maxcpu: 8 },
];
const thin = { storage: 'local-lvm', type: 'lvmthin', content: 'images', availGib: 100 };
const ceph = { storage: 'ceph-vm', type: 'rbd', content: 'images', shared: 1, availGib: 100 };
const fast = { storage: 'fast2', type: 'zfspool', content: 'images', availGib: 100 };
const cluster: World = { nodes, storages: { pve: [thin, ceph], pve2: [thin, ceph, fast] } };
const onCeph = of({ scsi0: 'ceph-vm:base-9000-disk-0,size=20G', ide2: 'ceph-vm:vm-9000-cloudinit,media=cdrom' });

test('copies of whole disks take turns on their storage, and those of a running source one after another', async () => {
  const turns = async (args: object, source: GuestSpec) =>
    requestsOf(await clone({ source_vmid: source.vmid, ...args }, { guests: [source] })).map(({ atMost }) => atMost);
  expect(await turns({}, template)).toEqual([{}]);
  expect(await turns({ full_clone: true }, template)).toEqual([{ 'disks to local-lvm': 2 }]);
  expect(await turns({ full_clone: true }, webServer)).toEqual([{ 'disks to local-lvm': 2, 'copies of 105': 1 }]);
});

describe('a storage that only the other node has', () => {
  test('is reached from shared storage by a clone straight there and a move of each disk: a migration would leave them', async () => {
    const plan = await clone({ target_node: 'pve2', storage: 'fast2', cores: 4, start: true }, { ...cluster, guests: [onCeph] });
    expect(linesOf(plan)).toEqual([
      'POST /nodes/pve/qemu/9000/clone',
      'POST /nodes/pve2/qemu/120/move_disk',
      'POST /nodes/pve2/qemu/120/config',
      'POST /nodes/pve2/qemu/120/status/start',
    ]);
    const [made, moved] = requestsOf(plan);
    expect(made?.params).toMatchObject({ full: true, target: 'pve2' });
    expect(made?.params).not.toHaveProperty('storage');
    expect(moved).toMatchObject({
      params: { disk: 'scsi0', storage: 'fast2', delete: true },
      task: { type: 'qmmove', id: '120', node: 'pve2' },
      proof: { kind: 'disk', disk: 'scsi0', storage: 'fast2', atLeastGib: 20 },
    });
    expect(plan.space).toEqual({ 'ceph-vm': 20, 'pve2/fast2': 20 });
  });
  test('is reached by local disks with the migration, and by shared ones with a move of each', async () => {
    const mixed = of({ scsi0: 'local-lvm:base-9000-disk-0,size=3G', scsi1: 'ceph-vm:base-9000-disk-1,size=20G' });
    const plan = await clone({ target_node: 'pve2', storage: 'fast2' }, { ...cluster, guests: [mixed] });
    expect(linesOf(plan)).toEqual([
      'POST /nodes/pve/qemu/9000/clone',
      'POST /nodes/pve/qemu/120/migrate',
      'POST /nodes/pve2/qemu/120/move_disk',
    ]);
    expect(requestsOf(plan)[1]?.params).toEqual({ target: 'pve2', targetstorage: 'fast2' });
    expect(requestsOf(plan)[2]?.params).toEqual({ disk: 'scsi1', storage: 'fast2', delete: true });
    expect(plan.space).toEqual({ 'pve/local-lvm': 3, 'ceph-vm': 20, 'pve2/fast2': 23 });
  });
  test('makes qcow2 files of disks where it keeps files', async () => {
    const files = { ...cluster, storages: { pve: [ceph], pve2: [ceph, { ...fast, type: 'dir' }] }, guests: [onCeph] };
    expect(requestsOf(await clone({ target_node: 'pve2', storage: 'fast2' }, files))[1]?.params).toMatchObject({ format: 'qcow2' });
  });
  test('is refused beforehand to a token that may not move disks', async () => {
    const world = { ...cluster, guests: [onCeph], permissions: { '/': ['VM.Audit', 'VM.Clone', 'Datastore.Audit', 'Sys.Audit'] } };
    const error = await refusalOf(clone({ target_node: 'pve2', storage: 'fast2' }, world));
    expect(error.code).toBe('permission_denied');
    expect(error.message).toContain('VM.Config.Disk');
  });
});

test('from shared onto local storage that both nodes have, the clone is made here and moved', async () => {
  const plan = await clone({ target_node: 'pve2', storage: 'local-lvm' }, { ...cluster, guests: [onCeph] });
  expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/9000/clone', 'POST /nodes/pve/qemu/120/migrate']);
  expect(requestsOf(plan)[0]?.params).toMatchObject({ storage: 'local-lvm' });
  expect(requestsOf(plan)[1]?.params).toEqual({ target: 'pve2' });
});

describe('devices of a host', () => {
  test.each([
    [{ hostpci0: '0000:01:00.0,pcie=1' }, 'hostpci0'],
    [{ usb0: 'host=1a6e:089a' }, 'usb0'],
    [{ usb1: '1-2' }, 'usb1'],
    [{ serial1: '/dev/ttyS0' }, 'serial1'],
    [{ parallel0: '/dev/parport0' }, 'parallel0'],
  ])('keep a clone from another node before anything is copied: %j', async (config, device) => {
    for (const guest of [of(config), { ...onCeph, config: { ...onCeph.config, ...config } }]) {
      const error = await refusalOf(clone({ target_node: 'pve2' }, { ...cluster, guests: [guest] }));
      expect(error.code).toBe('not_possible');
      expect(error.details?.devices).toEqual([device]);
    }
    expect(linesOf(await clone({}, { ...cluster, guests: [of(config)] }))[0]).toBe('POST /nodes/pve/qemu/9000/clone');
  });
  test.each([
    [{ hostpci0: 'mapping=gpu,pcie=1' }],
    [{ usb0: 'mapping=dongle' }],
    [{ usb0: 'spice,usb3=1' }],
    [{ usb0: 'host=spice' }],
    [{ serial0: 'socket' }],
  ])('that every node has do not: %j', async (config) => {
    expect(linesOf(await clone({ target_node: 'pve2' }, { ...cluster, guests: [of(config)] }))).toContain(
      'POST /nodes/pve/qemu/120/migrate',
    );
  });
});

describe('free space', () => {
  const two = of({ scsi0: 'ceph-vm:base-9000-disk-0,size=4G', scsi1: 'local-lvm:base-9000-disk-1,size=30G' });
  const world = (ceph2: number, lvm: number): World => ({
    guests: [two],
    storages: {
      pve: [
        { ...ceph, availGib: ceph2 },
        { ...thin, availGib: lvm },
      ],
    },
  });
  test('for a full clone is checked on each storage, for the disks that it takes', async () => {
    expect((await clone({ full_clone: true }, world(4, 30))).space).toEqual({ 'ceph-vm': 4, 'pve/local-lvm': 30 });
    for (const [full, w] of [
      ['ceph-vm', world(3, 30)],
      ['local-lvm', world(40, 29)],
    ] as const) {
      const error = await refusalOf(clone({ full_clone: true }, w));
      expect(error.code).toBe('storage_unavailable');
      expect(error.message).toContain(`Storage ${full}`);
    }
  });
  test('for the growth of the boot disk is checked on the storage of that disk', async () => {
    const plan = await clone({ full_clone: true, disk_gb: 10 }, world(10, 30));
    expect(plan.space).toEqual({ 'ceph-vm': 10, 'pve/local-lvm': 30 });
    expect((await refusalOf(clone({ full_clone: true, disk_gb: 10 }, world(9, 100)))).message).toContain('Storage ceph-vm');
    const bootsFromSecond = { ...two, config: { ...two.config, boot: 'order=scsi1' } };
    expect((await clone({ disk_gb: 40 }, { ...world(1, 10), guests: [bootsFromSecond] })).space).toEqual({ 'pve/local-lvm': 10 });
  });
});

describe('linked clones', () => {
  const san = (type: string): World => ({
    guests: [of({ scsi0: 'san:base-9000-disk-0,size=20G' })],
    storages: { pve: [{ storage: 'san', type, content: 'images', shared: 1 }] },
  });
  test('are made on ZFS over iSCSI', async () => {
    expect(requestsOf(await clone({}, san('zfs')))[0]?.params).toMatchObject({ full: false });
  });
  test('on an unknown type of storage are left to Proxmox when requested, and are full otherwise', async () => {
    const plan = await clone({ full_clone: false }, san('custom'));
    expect(requestsOf(plan)[0]?.params).toMatchObject({ full: false });
    expect(plan.warnings.join()).toContain('storage san (custom) can hold linked clones is unknown until Proxmox tries');
    expect(requestsOf(await clone({}, san('custom')))[0]?.params).toMatchObject({ full: true });
    expect((await refusalOf(clone({ full_clone: false }, san('lvm')))).code).toBe('not_possible');
  });
});

test('a static address that the agent of another guest reports is named', async () => {
  const card = { name: 'ens18', 'hardware-address': 'bc:24:11:aa:00:01', 'ip-addresses': [{ 'ip-address': '10.77.0.201' }] };
  const net0 = 'virtio=BC:24:11:AA:00:01,bridge=vmbr0';
  const world = { guests: [{ ...webServer, interfaces: [card], config: { ...webServer.config, agent: '1', net0 } }, template] };
  const args = { cloud_init: { ipconfig0: 'ip=10.77.0.201/24,gw=10.77.0.1' } };
  const warning = 'ipconfig0: web1 (105) uses 10.77.0.201 now: two guests with one address in one network disturb each other';
  expect((await clone(args, world)).warnings).toContain(warning);
  expect((await clone({ cloud_init: { ipconfig0: 'ip=10.77.0.202/24' } }, world)).warnings.join()).not.toContain('10.77.0');
});

test('another guest that does not answer in time does not cause a refusal', async () => {
  const guests = [{ ...webServer, config: { ...webServer.config, agent: '1' } }, template];
  const ctx = await contextOf({ guests });
  const get: typeof ctx.api.get = (path, ...rest) =>
    path === '/nodes/pve/qemu/105/pending' ? Promise.reject(new DOMException('too late', 'TimeoutError')) : ctx.api.get(path, ...rest);
  const cloud_init = { ipconfig0: 'ip=10.77.0.201/24,gw=10.77.0.1' };
  const plan = await planIn({ ...ctx, api: { ...ctx.api, get } }, 'clone_template', { source_vmid: 9000, name: 'a2', cloud_init });
  expect(requestsOf(plan)[0]?.path).toBe('/nodes/pve/qemu/9000/clone');
});

test('a static address that another guest is configured with is named', async () => {
  const other = { ...webServer, config: { ...webServer.config, ipconfig0: 'ip=10.77.0.201/24,gw=10.77.0.1' } };
  const args = { cloud_init: { ipconfig0: 'ip=10.77.0.201/24,gw=10.77.0.1' } };
  const world = { guests: [other, template] };
  const warning = 'ipconfig0: 10.77.0.201 is configured in web1 (105) too: two guests with one address in one network disturb each other';
  expect((await clone(args, world)).warnings).toContain(warning);
  expect((await planOf('create_vm', { name: 'a2', ...args }, world)).warnings).toContain(warning);
  expect((await clone({ cloud_init: { ipconfig0: 'ip=10.77.0.202/24' } }, world)).warnings.join()).not.toContain('10.77.0');
});
