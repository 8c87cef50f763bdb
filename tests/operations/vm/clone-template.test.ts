import { describe, expect, test } from 'vitest';
import {
  container,
  type GuestSpec,
  linesOf,
  planOf,
  refusalOf,
  requestsOf,
  template,
  useWorlds,
  type World,
  webServer,
} from '../../helpers/described/index.ts';

useWorlds();
const world: World = { guests: [webServer, container, template], pools: ['agents'] };
const clone = (args: object, w: World = world, settings = {}) =>
  planOf('clone_template', { source_vmid: 9000, name: 'db1', ...args }, w, {}, settings);
const params = async (args: object, w: World = world, settings = {}) => requestsOf(await clone(args, w, settings))[0]?.params;
const withConfig = (guest: GuestSpec, config: Record<string, string | number>): GuestSpec => ({
  ...guest,
  config: { ...guest.config, ...config },
});
const thin = { storage: 'local-lvm', type: 'lvmthin', content: 'images' };
const nas = { storage: 'nas', type: 'nfs', content: 'images', shared: 1 };

describe('linked or full', () => {
  test('a template is cloned linked where its storage can, and the plan says so', async () => {
    const plan = await clone({});
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/9000/clone']);
    expect(requestsOf(plan)[0]).toMatchObject({
      params: { newid: 120, name: 'db1', full: false },
      task: { type: 'qmclone', id: '9000' },
      proof: { vmid: 120 },
    });
    expect(plan.choices.join('\n')).toContain('linked clone');
    expect(plan.demand).toEqual({
      newGuests: 1,
      vmid: 120,
      before: { cpu: 0, memoryMib: 0, diskGib: 0 },
      after: { cpu: 2, memoryMib: 1024, diskGib: 3 },
    });
  });
  test.each([
    ['asked for', { full_clone: true }, world, { full: true }],
    ['a storage was given', { storage: 'local-lvm' }, world, { full: true, storage: 'local-lvm' }],
    ['no template', { source_vmid: 105 }, world, { full: true }],
    ['its storage cannot link', {}, { ...world, storages: { pve: [{ ...thin, type: 'lvm' }] } }, { full: true }],
    [
      'files become qcow2',
      { storage: 'nas' },
      { ...world, storages: { pve: [thin, nas] } },
      { full: true, storage: 'nas', format: 'qcow2' },
    ],
  ])('full: %s', async (_what, args, w, expected) => {
    expect(await params(args, w)).toMatchObject(expected);
  });
  test('a plan to clone a running guest names the state of the copy; one to clone a stopped guest does not', async () => {
    const told = async (running: boolean) =>
      (await clone({ source_vmid: 105 }, { ...world, guests: [{ ...webServer, running }] })).warnings;
    expect((await told(true)).join()).toContain('state of one after a power failure');
    expect(await told(false)).toContain('the source is not a template');
  });
  test('PROXMOX_STORAGE chooses the storage of a full clone, and keeps a linked clone linked', async () => {
    const settings = { defaults: { node: 'pve', nodeIsExplicit: false, storage: 'nas' } };
    const w = { ...world, storages: { pve: [thin, nas] } };
    expect(await params({}, w, settings)).not.toHaveProperty('storage');
    expect(await params({ full_clone: true }, w, settings)).toMatchObject({ storage: 'nas' });
  });
  test.each([
    ['a storage was given', { full_clone: false, storage: 'local-lvm' }, world],
    ['the source is not a template', { full_clone: false, source_vmid: 105 }, world],
    ['the storage cannot', { full_clone: false }, { ...world, storages: { pve: [{ ...thin, type: 'lvm' }] } }],
  ])('a linked clone is refused when %s', async (_what, args, w) => {
    expect((await refusalOf(clone(args, w))).code).toBe('not_possible');
  });
  test('a full clone needs the space', async () => {
    expect((await refusalOf(clone({ full_clone: true }, { ...world, storages: { pve: [{ ...thin, availGib: 2 }] } }))).code).toBe(
      'storage_unavailable',
    );
  });
});

describe('configured in the same call', () => {
  test('clone, config, resize, start', async () => {
    const plan = await clone({
      cores: 4,
      memory: 4096,
      disk_gb: 20,
      tags: ['db'],
      description: 'orders',
      pool: 'agents',
      start: true,
      cloud_init: { user: 'ops', ipconfig0: 'ip=10.0.0.9/24,gw=10.0.0.1' },
    });
    expect(linesOf(plan)).toEqual([
      'POST /nodes/pve/qemu/9000/clone',
      'POST /nodes/pve/qemu/120/config',
      'PUT /nodes/pve/qemu/120/resize',
      'POST /nodes/pve/qemu/120/status/start',
    ]);
    const [first, config, resize] = requestsOf(plan);
    expect(first?.params).toMatchObject({ pool: 'agents', description: 'orders' });
    expect(config?.params).toEqual({
      cores: 4,
      memory: 4096,
      tags: 'db',
      ciuser: 'ops',
      ipconfig0: 'ip=10.0.0.9/24,gw=10.0.0.1',
      digest: { $from: 'clone.digest' },
    });
    expect(resize?.params).toEqual({ disk: 'scsi0', size: '20G', digest: { $from: 'config.digest' } });
    expect(plan.demand?.after).toEqual({ cpu: 4, memoryMib: 4096, diskGib: 20 });
    expect(plan.cleanup).toBe('delete_vm {"vmid": 120}');
  });
  test('the plan names the values that the clone inherits; protection and onboot are switched off', async () => {
    const source = withConfig(template, {
      protection: 1,
      onboot: 1,
      tags: 'golden',
      cipassword: '**********',
      ipconfig0: 'ip=10.0.0.5/24,gw=10.0.0.1',
    });
    const plan = await clone({}, { guests: [source] });
    expect(requestsOf(plan)[1]?.params).toEqual({ onboot: false, protection: false, digest: { $from: 'clone.digest' } });
    const warnings = plan.warnings.join('\n');
    for (const inherited of ['password', 'SSH keys', 'ip=10.0.0.5/24', 'golden']) expect(warnings).toContain(inherited);
  });
  test('a clone without settings has no config request, and a disk of the same size is not grown', async () => {
    expect(linesOf(await clone({ disk_gb: 3, cores: 2 }))).toHaveLength(1);
  });
  test.each([
    ['a smaller disk', { disk_gb: 2 }, 'not_possible'],
    ['cloud_init without a cloud-init drive', { source_vmid: 105, cloud_init: {} }, 'not_possible'],
    ['more vCPUs than the node has', { cores: 16 }, 'not_possible'],
    ['a container', { source_vmid: 201 }, 'not_possible'],
    ['a source that is not there', { source_vmid: 999 }, 'guest_not_found'],
    ['its own source', { vmid: 9000, name: undefined }, 'conflict'],
    ['the name of its source', { source_vmid: 105, name: 'WEB1' }, 'conflict'],
    ['a node that is not there', { target_node: 'mars' }, 'not_possible'],
  ])('refuses %s', async (_what, args, code) => {
    expect((await refusalOf(clone(args))).code).toBe(code);
  });
  test('a locked source is refused', async () => {
    expect((await refusalOf(clone({}, { guests: [withConfig(template, { lock: 'clone' })] }))).code).toBe('locked');
  });
});

describe('onto another node', () => {
  const nodes = [
    { node: 'pve', maxcpu: 8 },
    { node: 'pve2', maxcpu: 8 },
  ];
  const cluster: World = { ...world, nodes, storages: { pve: [thin, nas], pve2: [thin, nas, { ...thin, storage: 'fast' }] } };
  const shared = withConfig(template, {
    scsi0: 'nas:9000/base-9000-disk-0.qcow2,size=3G',
    ide2: 'nas:9000/vm-9000-cloudinit.qcow2,media=cdrom',
  });

  test('a clone goes there directly when all its storage is shared, and a linked clone stays linked', async () => {
    const plan = await clone({ target_node: 'pve2', start: true }, { ...cluster, guests: [shared] });
    expect(requestsOf(plan)[0]?.params).toMatchObject({ target: 'pve2', full: false });
    expect(linesOf(plan)[1]).toBe('POST /nodes/pve2/qemu/120/status/start');
    expect(plan.node).toBe('pve2');
  });
  test('a VM with local disks is cloned in full on its node, then moved offline; later steps run on the other node', async () => {
    const plan = await clone({ target_node: 'pve2', memory: 2048 }, cluster);
    expect(linesOf(plan)).toEqual([
      'POST /nodes/pve/qemu/9000/clone',
      'POST /nodes/pve/qemu/120/migrate',
      'POST /nodes/pve2/qemu/120/config',
    ]);
    expect(requestsOf(plan)[0]?.params).toMatchObject({ full: true });
    expect(requestsOf(plan)[0]?.params).not.toHaveProperty('target');
    expect(requestsOf(plan)[1]).toMatchObject({
      params: { target: 'pve2' },
      task: { type: 'qmigrate' },
      proof: { kind: 'location', node: 'pve2' },
    });
    expect(plan.expected[0]).toMatchObject({ node: 'pve2' });
  });
  test('an inserted ISO that both nodes see does not hold it', async () => {
    const inserted = withConfig(template, { ide0: 'nas:iso/virtio-win.iso,media=cdrom' });
    const plan = await clone({ target_node: 'pve2' }, { ...cluster, guests: [inserted] });
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/9000/clone', 'POST /nodes/pve/qemu/120/migrate']);
  });
  test('a storage that only the other node has is reached by the move', async () => {
    const [made, moved] = requestsOf(await clone({ target_node: 'pve2', storage: 'fast' }, cluster));
    expect(made?.params).not.toHaveProperty('storage');
    expect(moved?.params).toEqual({ target: 'pve2', targetstorage: 'fast' });
  });
  test.each([
    ['linked', { full_clone: false }, cluster, 'not_possible'],
    [
      'without VM.Migrate',
      {},
      { ...cluster, permissions: { '/': ['VM.Audit', 'VM.Clone', 'Datastore.Audit', 'Sys.Audit'] } },
      'permission_denied',
    ],
    ['with an ISO inserted', { source_vmid: 105 }, cluster, 'not_possible'],
    ['to a node without the storage', {}, { ...cluster, storages: { pve: [thin], pve2: [nas, { ...nas, storage: 'nas2' }] } }, 'ambiguous'],
  ])('refuses it %s', async (_what, args, w, code) => {
    expect((await refusalOf(clone({ target_node: 'pve2', ...args }, w))).code).toBe(code);
  });
});

test('a second call with the same name returns the clone that exists', async () => {
  const plan = await clone({ name: 'web1', cores: 8 });
  expect(plan.existing).toMatchObject({
    existing: true,
    vmid: 105,
    differences: [
      'cores: requested 8, has 2',
      'source_vmid: requested 9000, cannot be compared: this server has no record of how this guest was created',
    ],
  });
});

test('a clone without a name gets the name that Proxmox would give', async () => {
  expect((await clone({ name: undefined })).after?.name).toBe('Copy-of-VM-debian-12-template');
});

test('memory below the balloon of the source lowers the balloon, which Proxmox would otherwise refuse once the clone exists', async () => {
  const ballooned = { guests: [webServer, withConfig(template, { balloon: 1024, memory: '2048' })] };
  const plan = await clone({ memory: 512 }, ballooned);
  expect(requestsOf(plan)[1]?.params).toMatchObject({ memory: 512, balloon: 512 });
  expect(plan.choices).toContain('balloon: 512 (the 1024 of the source are more than the memory)');
  expect(requestsOf(await clone({ memory: 2048 }, ballooned))[1]?.params ?? {}).not.toHaveProperty('balloon');
});
