import { describe, expect, test } from 'vitest';
import type { ZodError } from 'zod';
import {
  container,
  linesOf,
  openWorld,
  planIn,
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
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG3YpeIBaTTlhi2POGbzN2E6csNN4Ye62MDV7ctb9jDv me@host';
const volumes = [
  { storage: 'local', volid: 'local:iso/debian-12.iso', content: 'iso' },
  { storage: 'local', volid: 'local:import/debian-12.qcow2', content: 'import', sizeGib: 3 },
  { storage: 'local', volid: 'local:import/huge.qcow2', content: 'import', sizeGib: 40.5 },
];
const world: World = { guests: [webServer, container, template], pools: ['agents'], volumes };
const create = (args: object, w: World = world, ctx = {}, settings = {}) => planOf('create_vm', { name: 'db1', ...args }, w, ctx, settings);
const params = async (args: object, w: World = world, settings = {}) => requestsOf(await create(args, w, {}, settings))[0]?.params;
const pve = (storages: object[]) => ({ ...world, storages: { pve: storages } }) as World;
const local = { storage: 'local', type: 'dir', content: 'iso,import' };

describe('what is sent', () => {
  test('a call with a name alone uses defaults, and the plan shows each of them', async () => {
    const plan = await create({});
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu']);
    expect(requestsOf(plan)[0]?.params).toEqual({
      vmid: 120,
      name: 'db1',
      cores: 2,
      sockets: 1,
      cpu: 'x86-64-v2-AES',
      memory: 2048,
      ostype: 'l26',
      scsihw: 'virtio-scsi-single',
      scsi0: 'local-lvm:32,iothread=1,discard=on',
      net0: 'virtio,bridge=vmbr0',
      agent: '1',
      boot: 'order=scsi0;net0',
    });
    for (const choice of [
      'vmid: 120',
      'node: pve',
      'storage: local-lvm (the only one',
      'net_bridge: vmbr0',
      'cores: 2',
      'memory: 2048',
      'disk_gb: 32',
      'cpu: x86-64-v2-AES',
      'scsihw',
      'ostype',
    ])
      expect(plan.choices.join('\n')).toContain(choice);
    expect(plan.demand).toEqual({
      newGuests: 1,
      vmid: 120,
      before: { cpu: 0, memoryMib: 0, diskGib: 0 },
      after: { cpu: 2, memoryMib: 2048, diskGib: 32 },
    });
    expect(plan.space).toEqual({ 'pve/local-lvm': 32 });
    expect(plan.cleanup).toBe('delete_vm {"vmid": 120}');
  });

  test('a VM without image and ISO is warned about, with the images, ISOs and templates that exist', async () => {
    const { warnings } = await create({});
    expect(warnings[0]).toContain('nothing to boot');
    for (const thing of ['local:import/debian-12.qcow2', 'local:iso/debian-12.iso', 'debian-12-template (9000)'])
      expect(warnings[0]).toContain(thing);
  });

  test('an image is imported, then grown; tags and start come after', async () => {
    const plan = await create({
      image: 'local:import/debian-12.qcow2',
      disk_gb: 20,
      tags: ['Web', 'a', 'web'],
      start_on_create: true,
      cloud_init: { user: 'ops', sshkeys: KEY },
    });
    expect(linesOf(plan)).toEqual([
      'POST /nodes/pve/qemu',
      'PUT /nodes/pve/qemu/120/resize',
      'POST /nodes/pve/qemu/120/config',
      'POST /nodes/pve/qemu/120/status/start',
    ]);
    const [made, resize, tags] = requestsOf(plan);
    expect(made?.params).toMatchObject({
      scsi0: 'local-lvm:0,import-from=local:import/debian-12.qcow2,iothread=1,discard=on',
      boot: 'order=scsi0',
      ide2: 'local-lvm:cloudinit',
      serial0: 'socket',
      ciuser: 'ops',
      sshkeys: encodeURIComponent(KEY),
      ipconfig0: 'ip=dhcp',
    });
    expect(made?.params).not.toHaveProperty('tags');
    expect(resize?.params).toEqual({ disk: 'scsi0', size: '20G', digest: { $from: 'create.digest' } });
    expect(tags?.params).toEqual({ tags: 'Web;a;web', digest: { $from: 'resize.digest' } });
    expect(plan.expected).toContainEqual(expect.objectContaining({ is: 'running' }));
    expect(plan.warnings).toEqual([]);
  });

  test('an image and an ISO may be given by their file names; the plan shows which volumes they are', async () => {
    const image = await create({ image: 'debian-12.qcow2' });
    expect(requestsOf(image)[0]?.params?.scsi0).toContain('import-from=local:import/debian-12.qcow2');
    expect(image.choices).toContain('image: local:import/debian-12.qcow2');
    const iso = await create({ iso: 'debian-12.iso' });
    expect(requestsOf(iso)[0]?.params?.ide2).toBe('local:iso/debian-12.iso,media=cdrom');
    expect(iso.choices).toContain('iso: local:iso/debian-12.iso');
  });

  test('a file name that two storages have is refused', async () => {
    const nas = { storage: 'nas', type: 'nfs', content: 'iso' };
    const twice: World = {
      ...pve([{ storage: 'local-lvm', type: 'lvmthin', content: 'images' }, local, nas]),
      volumes: [...volumes, { storage: 'nas', volid: 'nas:iso/debian-12.iso', content: 'iso' }],
    };
    const error = await refusalOf(create({ iso: 'debian-12.iso' }, twice));
    expect(error).toMatchObject({ code: 'ambiguous', hint: 'Choose one of: local:iso/debian-12.iso, nas:iso/debian-12.iso.' });
    expect(await params({ iso: 'nas:iso/debian-12.iso' }, twice)).toMatchObject({ ide2: 'nas:iso/debian-12.iso,media=cdrom' });
  });

  test('the disk is at least as big as its image', async () => {
    expect((await create({ image: 'local:import/huge.qcow2' })).demand?.after.diskGib).toBe(41);
    expect((await refusalOf(create({ image: 'local:import/huge.qcow2', disk_gb: 40 }))).code).toBe('not_possible');
  });

  test('an ISO and cloud-init have a drive each', async () => {
    expect(await params({ iso: 'local:iso/debian-12.iso', cloud_init: {} })).toMatchObject({
      ide2: 'local:iso/debian-12.iso,media=cdrom',
      ide0: 'local-lvm:cloudinit',
      boot: 'order=scsi0;ide2',
    });
  });

  test('a password is sent as a reference, and without one a warning says that no user can log in', async () => {
    // The engine has put references in the place of secrets before it plans, which the schema does not know.
    const { ctx } = await openWorld(world);
    const args = { name: 'db1', start_on_create: false, cloud_init: { password: { $secret: 'ab12' } } };
    const plan = await changeOperation('create_vm').plan(ctx, args as never);
    expect(requestsOf(plan)[0]?.params.cipassword).toEqual({ $secret: 'ab12' });
    expect(plan.warnings.join()).not.toContain('log in');
    expect((await create({ cloud_init: { user: 'ops' } })).warnings.join()).toContain('no user can log in');
  });

  test('an image without cloud_init is warned about; an ISO is not, because its installer makes the user', async () => {
    const warning = 'no cloud_init was given: a cloud image then has no user who can log in';
    expect((await create({ image: 'local:import/debian-12.qcow2' })).warnings).toContain(warning);
    expect((await create({ iso: 'local:iso/debian-12.iso' })).warnings).not.toContain(warning);
  });

  test('the other options', async () => {
    const args = {
      bios: 'ovmf',
      scsihw: 'virtio-scsi-pci',
      vlan: 30,
      cpu: 'host',
      pool: 'agents',
      description: 'mine',
      onboot: true,
      protection: true,
      vmid: 444,
      sockets: 2,
    };
    expect(await params(args)).toMatchObject({
      vmid: 444,
      scsi0: 'local-lvm:32,discard=on',
      efidisk0: 'local-lvm:1,efitype=4m,pre-enrolled-keys=1',
      net0: 'virtio,bridge=vmbr0,tag=30',
      cpu: 'host',
      pool: 'agents',
      description: 'mine',
      onboot: true,
      protection: true,
      sockets: 2,
    });
  });

  test('a file storage gets qcow2 disks, because raw files cannot be snapshotted', async () => {
    expect((await params({ storage: 'nas' }, pve([{ storage: 'nas', type: 'nfs', content: 'images' }])))?.scsi0).toBe(
      'nas:32,format=qcow2,iothread=1,discard=on',
    );
  });

  test('PROXMOX_POOL is the default pool; 7.x gets the CPU type that it knows', async () => {
    expect(await params({}, world, { defaults: { node: 'pve', nodeIsExplicit: false, pool: 'agents' } })).toMatchObject({ pool: 'agents' });
    expect(await params({}, { ...world, version: '7.4-17' })).toMatchObject({ cpu: 'kvm64' });
  });
});

describe('node, storage and bridge', () => {
  const big = { storage: 'big', type: 'lvmthin', content: 'images' };
  const other = { storage: 'other', type: 'lvmthin', content: 'images' };
  const on = async (args: object, w: World, settings = {}) => (await create(args, w, {}, settings)).after?.storage;

  test('the storage is that of the caller, of PROXMOX_STORAGE, of the image, or the only one; else the call is refused', async () => {
    const usual = { defaults: { node: 'pve', nodeIsExplicit: false, storage: 'other' } };
    const two = pve([big, other, local]);
    expect(await on({ storage: 'big' }, two, usual)).toBe('big');
    expect(await on({}, two, usual)).toBe('other');
    const withImage = {
      ...pve([big, { ...other, content: 'images,import' }]),
      volumes: [{ storage: 'other', volid: 'other:import/x.qcow2', content: 'import' }],
    };
    expect(await on({ image: 'other:import/x.qcow2' }, withImage)).toBe('other');
    const error = await refusalOf(create({}, two));
    expect(error.code).toBe('ambiguous');
    expect(error.hint).toContain('big (100 GiB free), other (100 GiB free)');
  });
  test.each([
    ['missing', { storage: 'nope' }, 'does not exist'],
    ['without images', { storage: 'local' }, 'does not take disk images'],
    ['offline', { storage: 'off' }, 'offline'],
    ['too full', { storage: 'big', disk_gb: 101 }, '100 GiB free'],
  ])('a storage that is %s is refused with the candidates', async (_what, args, message) => {
    const error = await refusalOf(create(args, pve([big, local, { ...other, storage: 'off', active: 0 }])));
    expect(error.code).toBe('storage_unavailable');
    expect(error.message).toContain(message);
    expect(error.details?.candidates).toEqual(['big (100 GiB free)']);
  });
  test('where the only storage is offline, the hint asks to bring it back, not for a privilege', async () => {
    const error = await refusalOf(create({ storage: 'off' }, pve([{ ...other, storage: 'off', active: 0 }])));
    expect(error.hint).toBe('Ask the operator to enable off or to bring it back.');
  });
  test('work in flight counts', async () => {
    const taken = (place: string) => ({ reservedGib: (asked: string) => (asked === place ? 50 : 0) });
    const plan = create({ disk_gb: 60 }, pve([big]), taken('pve/big'));
    expect((await refusalOf(plan)).message).toContain('50 GiB more are reserved');
    // A storage that nodes share is one place, whichever node the other work is on.
    const shared = create({ disk_gb: 60 }, pve([{ ...big, shared: 1 }]), taken('big'));
    expect((await refusalOf(shared)).message).toContain('50 GiB more are reserved');
  });
  test('a thin pool that is overcommitted is warned about', async () => {
    const w = {
      ...pve([{ ...big, totalGib: 500, availGib: 400 }]),
      volumes: [{ storage: 'big', volid: 'big:vm-1-disk-0', content: 'images', sizeGib: 480 }],
    };
    expect((await create({}, w)).warnings.join()).toContain('may grow to 512 GiB, it has 500 GiB');
    // Proxmox lists the disks of containers as another kind of content.
    const volumes = [{ storage: 'big', volid: 'big:vm-201-disk-0', content: 'rootdir', vmid: 201, sizeGib: 480 }];
    expect((await create({}, { ...w, volumes })).warnings.join()).toContain('may grow to 512 GiB, it has 500 GiB');
  });

  const nodes = (...list: object[]) => ({ ...world, nodes: list }) as World;
  const node = async (args: object, w: World, settings = {}) => (await create(args, w, {}, settings)).node;
  test('the node is the requested one, PROXMOX_NODE, the one with the usual name, or the only one', async () => {
    const cluster = nodes({ node: 'pve' }, { node: 'pve2' });
    expect(await node({ node: 'pve2' }, cluster)).toBe('pve2');
    expect(await node({}, cluster, { defaults: { node: 'pve2', nodeIsExplicit: true } })).toBe('pve2');
    expect(await node({}, cluster)).toBe('pve');
    expect(await node({}, nodes({ node: 'alpha' }, { node: 'beta', status: 'offline' }))).toBe('alpha');
  });
  test('a cluster without a usual node is ambiguous, and the error shows free memory; an unknown or offline node is refused', async () => {
    const error = await refusalOf(create({}, nodes({ node: 'alpha', maxcpu: 8, maxmem: 2 ** 33 }, { node: 'beta', hidden: true })));
    expect(error.code).toBe('ambiguous');
    expect(error.details?.candidates).toEqual(['alpha (8 CPUs, 7700 MiB free)', 'beta']);
    expect((await refusalOf(create({ node: 'beta' }, nodes({ node: 'pve' }, { node: 'beta', status: 'offline' })))).message).toContain(
      'offline',
    );
    expect((await refusalOf(create({}, world, {}, { defaults: { node: 'gone', nodeIsExplicit: true } }))).message).toContain(
      'PROXMOX_NODE',
    );
  });

  test('a bridge that does not exist is refused, because Proxmox accepts it and the start fails', async () => {
    const bridges = (...list: string[]) => ({ ...world, bridges: { pve: list } }) as World;
    expect((await refusalOf(create({ net_bridge: 'vmbr7' }))).hint).toContain('vmbr0');
    expect((await create({}, bridges('vmbr4'))).after?.bridge).toBe('vmbr4');
    expect((await refusalOf(create({}, bridges('vmbr4', 'vmbr5')))).code).toBe('ambiguous');
    expect(await refusalOf(create({}, bridges()))).toMatchObject({ code: 'not_possible', message: 'No bridge exists on pve.' });
    expect(await refusalOf(create({}, { ...bridges(), permissions: {} }))).toMatchObject({
      code: 'permission_denied',
      details: { missing: [{ path: '/sdn/zones/localnetwork/vmbr0', privileges: ['SDN.Use'] }] },
    });
  });
});

describe('refused before anything is sent', () => {
  test.each([
    ['a disk image as an ISO', { iso: 'local:import/debian-12.qcow2' }, 'invalid_arguments', 'Pass it as image.'],
    ['an ISO as a disk image', { image: 'local:iso/debian-12.iso' }, 'invalid_arguments', 'Pass it as iso.'],
    ['a template of containers as a disk image', { image: 'local:vztmpl/alpine.tar.xz' }, 'invalid_arguments', 'a disk image such as'],
    ['a missing ISO', { iso: 'local:iso/none.iso' }, 'storage_unavailable', 'local:iso/debian-12.iso'],
    ['a missing image', { image: 'local:import/none.qcow2' }, 'storage_unavailable', 'debian-12.qcow2'],
    ['a file name that no storage has', { iso: 'none.iso' }, 'storage_unavailable', 'local:iso/debian-12.iso'],
    ['the file name of a disk image as an ISO', { iso: 'huge.qcow2' }, 'storage_unavailable', 'local:iso/debian-12.iso'],
    ['an ISO on a storage that is not there', { iso: 'nas:iso/x.iso' }, 'storage_unavailable', 'local:iso'],
    ['more vCPUs than the node has', { cores: 5, sockets: 2 }, 'not_possible', 'at most 8'],
    ['a bad key', { cloud_init: { sshkeys: 'nonsense' } }, 'invalid_arguments', 'OpenSSH'],
  ])('%s', async (_what, args, code, hint) => {
    const error = await refusalOf(create(args));
    expect(error.code).toBe(code);
    expect(error.hint).toContain(hint);
  });
  test.each([
    { name: 'under_score' },
    { name: '-x' },
    { vmid: 99 },
    { cores: 0 },
    { memory: 15 },
    { iso: 'a/b' },
    { vlan: 4095 },
    { colour: 'red' },
    { storage: 'a,b=c' },
    { tags: ['a;b'] },
    { cpu: 'host,\n' },
  ])('arguments like %j', async (args) => {
    const error: ZodError = await create(args).then(
      () => expect.unreachable(),
      (thrown) => thrown,
    );
    const named = error.issues.map((issue) => (issue.code === 'unrecognized_keys' ? issue.keys[0] : issue.path[0]));
    expect(named).toEqual(Object.keys(args));
  });
});

describe('the same call again', () => {
  test('returns the VM of the same name in any case, and changes nothing', async () => {
    const plan = await create({
      name: 'WEB1',
      cores: 8,
      memory: 2048,
      disk_gb: 64,
      start_on_create: true,
      tags: ['web', 'prod'],
      vlan: 20,
    });
    expect(plan.steps).toEqual([]);
    expect(plan.existing).toEqual({
      created: false,
      existing: true,
      vmid: 105,
      name: 'web1',
      node: 'pve',
      status: 'running',
      differences: ['cores: requested 8, has 2', 'disk_gb: requested 64, has 32'],
    });
  });
  test('returns the VM of the same VMID', async () => {
    expect((await create({ name: 'shop', vmid: 105 })).existing).toMatchObject({
      vmid: 105,
      differences: ['name: requested shop, has web1'],
    });
  });
  test('finds a fresh guest that the list shows without a name', async () => {
    expect((await create({ name: 'web1' }, { ...world, guests: [{ ...webServer, fresh: true }] })).existing).toMatchObject({
      vmid: 105,
      differences: [],
    });
  });
  test('finds a fresh guest of this server that the list does not show', async () => {
    const fresh = [{ vmid: 105, name: 'web1', node: 'pve', type: 'qemu' as const }];
    const hidden = await create({ name: 'web1' }, { ...world, guests: [{ ...webServer, hidden: true }] }, { fresh });
    expect(hidden.existing).toMatchObject({ existing: true, vmid: 105, note: expect.stringContaining('being created') });
    const deletedMeanwhile = await create({ name: 'web1' }, { ...world, guests: [] }, { fresh });
    expect(deletedMeanwhile.existing).toBeUndefined();
  });
  test('reads the nodes, not every guest, when no guest has a name because the status daemon is down', async () => {
    const guests = Array.from({ length: 30 }, (_, i) => ({ ...webServer, vmid: 300 + i, fresh: true }));
    const { ctx, requests } = await openWorld({ ...world, guests });
    await planIn(ctx, 'create_vm', { name: 'db1' });
    expect(requests().filter((url) => url.includes('/pending'))).toEqual([]);
    expect(requests()).toContain('/nodes/pve/qemu');
  });

  test.each([
    ['a container has the name', { name: 'dns1' }, 'container'],
    ['a template has it', { name: 'debian-12-template' }, 'template'],
    ['name and VMID mean different guests', { name: 'web1', vmid: 201 }, 'belongs to guest 105'],
    ['the VMID is a container', { vmid: 201 }, 'container'],
  ])('is a conflict where %s', async (_what, args, message) => {
    const error = await refusalOf(create(args));
    expect(error.code).toBe('conflict');
    expect(error.message).toContain(message);
  });
  test('is a conflict for several guests of the name, and for a VMID that the token cannot see', async () => {
    const twins = { ...world, guests: [webServer, { ...webServer, vmid: 106 }] };
    expect((await refusalOf(create({ name: 'web1' }, twins))).details?.candidates).toEqual([105, 106]);
    const hidden = { ...world, guests: [{ ...webServer, hidden: true }] };
    expect((await refusalOf(create({ vmid: 105 }, hidden))).message).toContain('cannot see');
  });
});

test('more than the node and the limits allow is refused with all of it at once, before a storage is looked at', async () => {
  const limits = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' as const } };
  const overTotals = async () => [{ size: 'guests' as const, requested: 1, used: 50, limit: 50, variable: 'PROXMOX_MAX_VMS' }];
  const tooMuch = (args: object, context = {}) => refusalOf(create(args, world, context, { limits }));
  const all = await tooMuch({ cores: 64, memory: 524_288, disk_gb: 4000 });
  expect(all).toMatchObject({
    code: 'quota_exceeded',
    message:
      'Too much: cores 64 > 8 (node pve); cores 64 > 16 (PROXMOX_MAX_CPU); memory 524288 > 32768 MiB (PROXMOX_MAX_RAM_MB); disk 4000 > 500 GiB (PROXMOX_MAX_DISK_GB). Fits: 8 cores, 32768 MiB, 500 GiB.',
    details: { fits: { cpu: 8, memoryMib: 32_768, diskGib: 500 } },
  });
  expect((await tooMuch({ cores: 64 }, { overTotals })).message).toContain('guests 50 + 1 > 50 (PROXMOX_MAX_VMS)');
  expect(await tooMuch({ cores: 12 })).toMatchObject({ code: 'not_possible', hint: expect.stringContaining('at most 8') });
});
