import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_POLICY } from '../../../src/core/settings/policy.ts';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { planOf } from '../../helpers/plans.ts';
import { asRoot } from '../../helpers/rights.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const sent = () => world.cluster.mutations().map(({ method, path }) => `${method} ${path}`);
const lastParams = () => world.cluster.mutations().at(-1)?.params ?? {};
const look = (vmid: number, fields: string[] = []) => world.done('get_vm', { vmid, fields });
const approved = async (operation: string, args: object) =>
  (await world.done('approve', { approval_id: await world.asks(operation, args) })).result as JsonObject;
const create = () => world.done('create_vm', { name: 'mine', disk_gb: 4, storage: 'local-lvm' });

describe('options', () => {
  it('of a guest made here are changed at once, in one request with the digest, and only where they differ', async () => {
    const { vmid } = await create();
    const done = await world.done('update_vm', {
      vmid,
      new_name: 'yours',
      notes: 'for the demo',
      onboot: true,
      add_tags: ['ci'],
      protection: false,
    });
    expect(done).toMatchObject({ name: 'yours', applied: [`name mine → yours`, 'notes', 'onboot unset → 1', 'tags none → ci'] });
    const { digest, ...params } = lastParams();
    expect(params).toEqual({ name: 'yours', description: 'for the demo', onboot: '1', tags: 'ci' });
    expect(digest).toMatch(/^[0-9a-f]{40}$/);
    expect(await world.done('update_vm', { vmid, new_name: 'yours', onboot: true })).toMatchObject({ already: true });
  });

  it('each request of several names the digest: the first that of what was read, the others that of the step before', async () => {
    const plan = await planOf(world, 'update_vm', {
      vmid: 105,
      notes: 'x',
      disks: [
        { disk: 'scsi0', size_gb: 30 },
        { size_gb: 3, storage: 'local-lvm' },
      ],
      nics: [{ bridge: 'vmbr0' }],
    });
    const requests = plan.steps.filter((step) => step.kind === 'request');
    expect(requests).toHaveLength(3);
    const ids = requests.map(({ id }) => id);
    const digests = requests.map(({ params }) => params.digest);
    expect(digests).toEqual([expect.stringMatching(/^[0-9a-f]{40}$/), ...ids.slice(0, -1).map((id) => ({ $from: `${id}.digest` }))]);
  });

  it('of notes: the line break that Proxmox ends them with makes no difference', async () => {
    await asRoot(world.cluster, 'PUT', '/nodes/pve/qemu/104/config', { description: 'builds\nnightly\n' });
    expect(await world.done('update_vm', { vmid: 104, notes: 'builds\nnightly' })).toMatchObject({ already: true });
    expect(await planOf(world, 'update_vm', { vmid: 104, notes: 'builds' })).toMatchObject({ effect: 'change' });
  });

  it('tags are a set: the others stay', async () => {
    const plan = await planOf(world, 'update_vm', { vmid: 101, add_tags: ['canary'], remove_tags: ['WEB'] });
    expect(plan.summary).toContain('tags prod;web → canary;prod');
  });

  it('tags that are there in another case are there', async () => {
    const { vmid } = await create();
    await world.done('update_vm', { vmid, add_tags: ['Team-A', 'b'] });
    const before = sent().length;
    expect(await world.done('update_vm', { vmid, add_tags: ['Team-A', 'TEAM-a', 'B'] })).toMatchObject({ already: true });
    expect(sent().length).toBe(before);
  });

  it('of a guest that this server did not create need an approval where they decide who may act on it', async () => {
    expect(await planOf(world, 'update_vm', { vmid: 101, new_name: 'other' })).toMatchObject({ effect: 'disrupt' });
    expect(await planOf(world, 'update_vm', { vmid: 101, add_tags: ['x'] })).toMatchObject({ effect: 'disrupt' });
    expect(await planOf(world, 'update_vm', { vmid: 101, notes: 'x' })).toMatchObject({ effect: 'change' });
  });

  it('clearing the protection counts as destroying', async () => {
    expect(await planOf(world, 'update_vm', { vmid: 106, protection: false })).toMatchObject({
      effect: 'destroy',
      raisedBecause: 'the guest loses its protection against deletion',
    });
  });

  it('a tag that a rule of the policy names counts as destroying', async () => {
    const { vmid } = await create();
    const rules = [{ match: { tag: ['prod'] }, never: false, method: 'human' as const }];
    const strict = world.another({ policy: { ...NO_POLICY, rules } });
    const result = await strict.perform('update_vm', { vmid, add_tags: ['prod'] }, agent, { dryRun: true });
    expect(result).toMatchObject({ plan: { effect: 'destroy', raisedBecause: expect.stringContaining('prod') } });
  });

  it('a pool or tag in which run_in_guest may do more counts as destroying', async () => {
    const { vmid } = await create();
    const run = [
      { match: { tag: ['ops'] }, files: ['/etc/hosts'] },
      { match: { pool: ['Agents'] }, argv: [['uptime']] },
    ];
    const strict = world.another({ policy: { ...NO_POLICY, run } });
    for (const args of [{ add_tags: ['ops'] }, { pool: 'agents' }]) {
      const result = await strict.perform('update_vm', { vmid, ...args }, agent, { dryRun: true });
      expect(result).toMatchObject({ plan: { effect: 'destroy', raisedBecause: expect.stringContaining('run_in_guest') } });
    }
  });

  it('warns of a name that another guest has, and refuses a tag that is added and removed', async () => {
    expect((await planOf(world, 'update_vm', { vmid: 105, new_name: 'WEB1' })).warnings).toEqual([
      'guest 100 is called WEB1 too: only a VMID tells them apart',
    ]);
    const both = world.call('update_vm', { vmid: 105, add_tags: ['ci'], remove_tags: ['CI'] });
    expect(await world.refused(both)).toMatchObject({
      code: 'invalid_arguments',
      message: 'The tag ci is in add_tags and in remove_tags.',
    });
  });

  it('moves a locked guest to another pool, which leaves its configuration alone', async () => {
    const { vmid } = await create();
    world.cluster.simulator.faults.lock(Number(vmid), 'backup');
    expect(await world.done('update_vm', { vmid, pool: 'agents' })).toMatchObject({ applied: ['pool none → agents'] });
    const both = await world.refused(world.call('update_vm', { vmid, pool: 'none', notes: 'x' }));
    expect(both.code).toBe('locked');
  });

  it('moves a guest to another pool', async () => {
    const plan = await planOf(world, 'update_vm', { vmid: 104, pool: 'none' });
    expect(plan).toMatchObject({ effect: 'disrupt', summary: 'Change build1 (104): pool agents → none' });
    await approved('update_vm', { vmid: 104, pool: 'none' });
    expect(lastParams()).toEqual({ poolid: 'agents', vms: '104', delete: '1' });
  });
});

describe('disks', () => {
  it('grow to an absolute size, and the answer says what to do inside', async () => {
    const done = await world.done('update_vm', { vmid: 105, disks: [{ disk: 'scsi0', size_gb: 20 }] });
    expect(done.warnings).toEqual([expect.stringContaining('growpart')]);
    expect(lastParams()).toMatchObject({ disk: 'scsi0', size: '20G' });
    expect((await look(105)).disks).toMatchObject(expect.arrayContaining([expect.objectContaining({ slot: 'scsi0', size_gb: 20 })]));
    expect((await world.refused(world.call('update_vm', { vmid: 105, disks: [{ disk: 'scsi0', size_gb: 4 }] }))).message).toBe(
      'scsi0 of dev1 (105) has 20 GiB. Disks only grow.',
    );
  });

  it('count against the quota', async () => {
    const error = await world.refused(world.call('update_vm', { vmid: 105, disks: [{ disk: 'scsi0', size_gb: 900 }] }));
    expect(error).toMatchObject({ code: 'quota_exceeded', message: expect.stringContaining('PROXMOX_MAX_DISK_GB') });
  });

  it('count again when they are attached again', async () => {
    await world.done('update_vm', { vmid: 105, disks: [{ size_gb: 3, storage: 'local-lvm' }] });
    await approved('update_vm', { vmid: 105, disks: [{ disk: 'scsi1', action: 'detach' }] });
    const limits = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 10, maxVms: 50, scope: { kind: 'visible' as const } };
    const attach = { vmid: 105, disks: [{ disk: 'unused0', action: 'attach' }] };
    expect(await world.refused(world.another({ limits }).perform('update_vm', attach, agent))).toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringContaining('disk 11 > 10 GiB (PROXMOX_MAX_DISK_GB)'),
    });
    const enough = world.another({ limits: { ...limits, maxDiskGib: 11 } });
    expect(await enough.perform('update_vm', attach, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
  });

  it('are added, detached, attached again and deleted, each with the approval of its effect', async () => {
    await world.done('update_vm', { vmid: 105, disks: [{ size_gb: 3, storage: 'local-lvm' }] });
    expect(await planOf(world, 'update_vm', { vmid: 105, disks: [{ disk: 'scsi1', action: 'detach' }] })).toMatchObject({
      effect: 'destroy',
    });
    await approved('update_vm', { vmid: 105, disks: [{ disk: 'scsi1', action: 'detach' }] });
    const slots = async () => ((await look(105)).disks as JsonObject[]).map(({ slot }) => slot);
    expect(await slots()).toContain('unused0');
    await world.done('update_vm', { vmid: 105, disks: [{ disk: 'unused0', action: 'attach' }] });
    expect(await slots()).toContain('scsi1');
    const plan = await planOf(world, 'update_vm', { vmid: 105, disks: [{ disk: 'scsi1', action: 'delete' }] });
    expect(plan).toMatchObject({ effect: 'destroy', undo: expect.stringMatching(/^impossible: .*vm-105-disk/) });
    await approved('update_vm', { vmid: 105, disks: [{ disk: 'scsi1', action: 'delete' }] });
    expect(lastParams()).toMatchObject({ delete: 'scsi1', force: '1' });
    expect(await slots()).not.toContain('unused0');
  });

  it('take the next free place of the bus that is named', async () => {
    const disks = [{ disk: 'virtio', size_gb: 2 }, { disk: 'virtio', size_gb: 3 }, { size_gb: 1 }];
    await world.done('update_vm', { vmid: 105, disks });
    expect((await look(105)).disks).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ slot: 'virtio0', size_gb: 2 }),
        expect.objectContaining({ slot: 'virtio1', size_gb: 3 }),
        expect.objectContaining({ slot: 'scsi1', size_gb: 1 }),
      ]),
    );
    const full = Array.from({ length: 5 }, () => ({ disk: 'ide', size_gb: 1 }));
    expect((await world.refused(world.call('update_vm', { vmid: 105, disks: full }))).message).toBe('All 4 places of ide are taken.');
    const acted = world.call('update_vm', { vmid: 105, disks: [{ disk: 'virtio', size_gb: 1, action: 'delete' }] });
    expect((await world.refused(acted)).code).toBe('invalid_arguments');
  });

  it('of a protected guest stay, and no approval is requested', async () => {
    await world.done('update_vm', { vmid: 105, protection: true, disks: [{ size_gb: 3, storage: 'local-lvm' }] });
    for (const action of ['detach', 'delete']) {
      const refused = await world.refused(world.call('update_vm', { vmid: 105, disks: [{ disk: 'scsi1', action }] }));
      expect(refused).toMatchObject({ code: 'guest_protected', message: expect.stringContaining('dev1 (105) is protected') });
    }
    await approved('update_vm', { vmid: 105, protection: false, disks: [{ disk: 'scsi1', action: 'detach' }] });
    expect((await look(105)).protection).toBe(false);
    const both = world.call('update_vm', { vmid: 105, protection: true, disks: [{ disk: 'unused0', action: 'delete' }] });
    expect((await world.refused(both)).code).toBe('guest_protected');
  });

  it('move to another storage, and the source goes', async () => {
    await world.done('update_vm', { vmid: 105, disks: [{ disk: 'scsi0', storage: 'nas' }] });
    expect(lastParams()).toMatchObject({ disk: 'scsi0', storage: 'nas', delete: '1' });
    expect((await look(105)).disks).toMatchObject(
      expect.arrayContaining([expect.objectContaining({ slot: 'scsi0', volume: expect.stringMatching(/^nas:/) })]),
    );
  });

  it('refuses impossible changes, and sends nothing', async () => {
    for (const [disks, message] of [
      [[{ disk: 'scsi7', size_gb: 9 }], 'dev1 (105) has no disk scsi7.'],
      [
        [
          { disk: 'scsi0', size_gb: 9 },
          { disk: 'scsi0', storage: 'nas' },
        ],
        'Disk scsi0 is named twice.',
      ],
      [[{ storage: 'nas' }], 'A new disk in disks needs size_gb.'],
    ] as const)
      expect((await world.refused(world.call('update_vm', { vmid: 105, disks }))).message).toBe(message);
    const booting = world.call('update_vm', { vmid: 105, boot: ['scsi0'], disks: [{ disk: 'scsi0', action: 'detach' }] });
    expect((await world.refused(booting)).message).toBe('scsi0 is in boot, and the same call takes it from the guest.');
    expect(sent()).toEqual([]);
  });

  it('that a snapshot holds are neither moved nor deleted, also when detached; others of the guest are', async () => {
    await world.done('update_vm', { vmid: 104, disks: [{ size_gb: 2 }] });
    const refusal = async (one: object) => world.refused(world.call('update_vm', { vmid: 104, disks: [one] }));
    const held = 'scsi0 of build1 (104) is part of the snapshots clean, before-upgrade.';
    expect(await refusal({ disk: 'scsi0', storage: 'local-lvm' })).toMatchObject({ code: 'not_possible', message: held });
    expect(await refusal({ disk: 'scsi0', action: 'delete' })).toMatchObject({ code: 'not_possible', message: held });
    await world.done('update_vm', { vmid: 104, disks: [{ disk: 'scsi1', storage: 'local-lvm' }] });
    await approved('update_vm', { vmid: 104, disks: [{ disk: 'scsi1', action: 'delete' }] });
    await approved('update_vm', { vmid: 104, disks: [{ disk: 'scsi0', action: 'detach' }] });
    const before = sent().length;
    expect((await refusal({ disk: 'unused0', action: 'delete' })).message).toBe(held.replace('scsi0', 'unused0'));
    expect(sent().length).toBe(before);
  });

  it('of a template on which linked clones depend are neither moved nor deleted', async () => {
    const { vmid } = await world.done('clone_template', { source_vmid: 9000, name: 'linked' });
    const before = sent().length;
    for (const one of [
      { disk: 'scsi0', action: 'delete' },
      { disk: 'scsi0', storage: 'nas' },
    ]) {
      expect(await world.refused(world.call('update_vm', { vmid: 9000, disks: [one] }))).toMatchObject({
        code: 'guest_state',
        message: `debian-12-template (9000) is the base of linked clones: ${vmid}.`,
      });
    }
    expect(sent().length).toBe(before);
    // Its other disks are nothing to them.
    await asRoot(world.cluster, 'PUT', '/nodes/pve/qemu/9000/config', { scsi1: 'local-lvm:1' });
    await asRoot(world.cluster, 'PUT', '/nodes/pve/qemu/9000/config', { delete: 'scsi1' });
    await approved('update_vm', { vmid: 9000, disks: [{ disk: 'unused0', action: 'delete' }] });
    expect(lastParams()).toMatchObject({ delete: 'unused0' });
  });

  it('of containers move only to storages that take them', async () => {
    await asRoot(world.cluster, 'PUT', '/storage/nas', { content: 'images,iso,backup' });
    const move = { vmid: 201, disks: [{ disk: 'rootfs', storage: 'nas' }] };
    expect(await world.refused(world.call('update_vm', move))).toMatchObject({
      code: 'storage_unavailable',
      message: 'Storage nas on pve2 does not take disks of containers.',
    });
    await asRoot(world.cluster, 'PUT', '/storage/nas', { content: 'rootdir' });
    expect(await world.done('update_vm', move)).toMatchObject({ applied: ['move rootfs local-lvm → nas'] });
  });

  it('that move to files become qcow2 files, so that the guest can still be snapshotted', async () => {
    const plan = await planOf(world, 'update_vm', { vmid: 105, disks: [{ disk: 'scsi0', storage: 'nas' }] });
    expect(plan.warnings).toEqual(['8 GiB are copied into a qcow2 file; the source goes when the copy is complete']);
    await world.done('update_vm', { vmid: 105, disks: [{ disk: 'scsi0', storage: 'nas' }] });
    expect(lastParams()).toMatchObject({ format: 'qcow2' });
    expect(await world.done('snapshot_vm', { vmid: 105, snapshot: 'after' })).toMatchObject({ snapshot: 'after' });
  });

  it('and NICs that are added never take the place of one whose removal is pending', async () => {
    const config = '/nodes/pve/qemu/103/config';
    await asRoot(world.cluster, 'PUT', config, { scsi1: 'local-lvm:2', net1: 'virtio,bridge=vmbr0' });
    await asRoot(world.cluster, 'PUT', config, { hotplug: '0' });
    await asRoot(world.cluster, 'PUT', config, { delete: 'scsi1,net1', force: '1' });
    const added = { vmid: 103, disks: [{ size_gb: 3, storage: 'local-lvm' }], nics: [{}] };
    expect(await planOf(world, 'update_vm', added)).toMatchObject({
      changes: [{ keys: ['net2'] }, { keys: ['scsi2'] }],
    });
  });

  it('the state of a TPM is moved and copied only while its VM is stopped', async () => {
    await asRoot(world.cluster, 'PUT', '/nodes/pve/qemu/105/config', { tpmstate0: 'local-lvm:1,version=v2.0' });
    const move = { vmid: 105, disks: [{ disk: 'tpmstate0', storage: 'nas' }] };
    const copy = { source_vmid: 105, name: 'twin', storage: 'local-lvm' };
    await planOf(world, 'update_vm', move);
    await planOf(world, 'clone_template', copy);
    await world.done('start_vm', { vmid: 105 });
    expect(await world.refused(world.call('update_vm', move))).toMatchObject({ code: 'guest_running' });
    expect(await world.refused(world.call('clone_template', copy))).toMatchObject({ code: 'guest_running' });
  });
});

describe('NICs and media', () => {
  it('a second NIC with a VLAN is added, changed with its MAC address, and removed', async () => {
    const added = await world.done('update_vm', { vmid: 105, nics: [{ bridge: 'vmbr0', vlan: 20 }] });
    const nic = async () => ((await look(105)).networks as JsonObject[]).find(({ slot }) => slot === 'net1');
    const first = await nic();
    expect(first).toMatchObject({ bridge: 'vmbr0', vlan: 20, mac: expect.stringMatching(/^BC:24:11/) });
    expect(added.applied).toEqual([`add net1 (bridge=vmbr0,tag=20), MAC ${first?.mac}`]);
    await world.done('update_vm', { vmid: 105, nics: [{ nic: 'net1', vlan: 30, firewall: true }] });
    expect(await nic()).toMatchObject({ vlan: 30, mac: first?.mac });
    await world.done('update_vm', { vmid: 105, nics: [{ nic: 'net1', remove: true }] });
    expect(await nic()).toBeUndefined();
  });

  it('of a running guest need an approval, except a new one', async () => {
    expect(await planOf(world, 'update_vm', { vmid: 101, nics: [{ nic: 'net0', link: false }] })).toMatchObject({ effect: 'disrupt' });
    expect(await planOf(world, 'update_vm', { vmid: 101, nics: [{ bridge: 'vmbr0' }] })).toMatchObject({ effect: 'change' });
  });

  it('an ISO goes in and out of the CD drive', async () => {
    const iso =
      (await world.cluster.open().get<{ volid: string }[]>('/nodes/pve/storage/local/content', { content: 'iso' }))[0]?.volid ?? '';
    await world.done('update_vm', { vmid: 104, iso });
    expect(lastParams()).toMatchObject({ ide2: `${iso},media=cdrom` });
    await world.done('update_vm', { vmid: 104, iso: 'none' });
    expect(lastParams()).toMatchObject({ ide2: 'none,media=cdrom' });
    // By its file name; the same again changes nothing.
    await world.done('update_vm', { vmid: 104, iso: 'debian-12.iso' });
    expect(lastParams()).toMatchObject({ ide2: `${iso},media=cdrom` });
    const sent = world.cluster.mutations().length;
    await world.done('update_vm', { vmid: 104, iso: 'debian-12.iso' });
    expect(world.cluster.mutations()).toHaveLength(sent);
    await world.done('update_vm', { vmid: 104, iso: 'none' });
    expect((await world.refused(world.call('update_vm', { vmid: 104, iso: 'local:iso/missing.iso' }))).code).toBe('storage_unavailable');
  });

  it('cloud-init is compared as Proxmox stores it, so a repeated call changes nothing', async () => {
    const values = { ciupgrade: false, searchdomain: ' example.org ', nameserver: '192.0.2.1, 192.0.2.2' };
    const first = { ...values, ipconfig0: 'gw=10.9.0.1,ip=10.9.0.5/24' };
    const done = await world.done('update_vm', { vmid: 105, cloud_init: first });
    expect(done.warnings).toEqual(['cloud-init has neither a password nor SSH keys, so no user can log in']);
    expect(lastParams()).toMatchObject({ ciupgrade: '0', searchdomain: 'example.org' });
    const again = { ...values, ipconfig0: 'ip=10.9.0.5/24,gw=10.9.0.1' };
    expect(await world.done('update_vm', { vmid: 105, cloud_init: again })).toMatchObject({ already: true });
    await world.done('update_vm', { vmid: 105, cloud_init: { ciupgrade: true } });
    expect(await world.done('update_vm', { vmid: 105, cloud_init: { ciupgrade: true } })).toMatchObject({ already: true });
  });

  it('cloud-init of a running guest is generated again, and the password appears nowhere', async () => {
    await world.done('start_vm', { vmid: 105 });
    const done = await world.done('update_vm', {
      vmid: 105,
      cloud_init: { user: 'ops', password: 'canary-hunter2', ipconfig0: 'ip=10.77.0.9/24' },
    });
    expect(sent().slice(-2)).toEqual(['POST /nodes/pve/qemu/105/config', 'PUT /nodes/pve/qemu/105/cloudinit']);
    expect(JSON.stringify([done, world.audit()])).not.toContain('canary-hunter2');
  });

  it('a container takes a name, tags and another bridge or address', async () => {
    await approved('update_vm', { vmid: 201, new_name: 'cache2', nics: [{ nic: 'net0', ip: '10.77.0.21/24' }] });
    expect(sent()).toEqual(['PUT /nodes/pve2/lxc/201/config']);
    expect(lastParams()).toMatchObject({ hostname: 'cache2', net0: expect.stringContaining('ip=10.77.0.21/24') });
  });

  it('a NIC that is so already is not written again, in whatever order Proxmox keeps its parts', async () => {
    const nic = { vmid: 201, nics: [{ nic: 'net0', ip: 'fd00::5/64' }] };
    await world.done('update_vm', nic);
    expect(await world.done('update_vm', nic)).toMatchObject({ already: true });
    expect(await world.done('update_vm', { vmid: 201, nics: [{ nic: 'net0', ip: 'FD00::5/64' }] })).toMatchObject({ already: true });
  });

  it('a container takes an IPv6 address as Proxmox names it, and dhcp leaves no gateway behind', async () => {
    await world.done('update_vm', { vmid: 201, nics: [{ nic: 'net0', ip: '2001:db8::21/64' }] });
    expect(lastParams()).toMatchObject({ net0: expect.stringContaining(',ip6=2001:db8::21/64') });
    await world.done('create_container', { name: 'routed', disk_gb: 2, ip: '10.88.0.5/24', gateway: '10.88.0.1', password: 'a-password' });
    await world.done('update_vm', { name: 'routed', nics: [{ nic: 'net0', ip: 'dhcp' }] });
    expect(lastParams()).toMatchObject({ net0: expect.stringContaining(',ip=dhcp') });
    expect(String(lastParams()?.net0)).not.toContain('gw=');
    expect((await world.refused(world.call('update_vm', { name: 'routed', nics: [{ nic: 'net0', ip: '10.88.0.5' }] }))).message).toContain(
      'neither dhcp nor an address',
    );
  });

  it('an address that another guest has, or that its gateway cannot reach, is warned about; its own is not', async () => {
    const address = { ip: '10.88.0.5/24', gateway: '10.88.0.1', password: 'a-password' };
    const { vmid } = await world.done('create_container', { name: 'first', disk_gb: 2, ...address });
    const { vmid: second } = await world.done('create_container', { name: 'second', disk_gb: 2, ...address, ip: '10.88.0.6/24' });
    const twice = `10.88.0.5 is configured in first (${vmid}) too: two guests with one address in one network disturb each other`;
    const warnings = async (args: JsonObject) => (await planOf(world, 'update_vm', args)).warnings;
    expect(await warnings({ vmid: second as number, nics: [{ nic: 'net0', ip: '10.88.0.5/24' }] })).toEqual([`net0: ${twice}`]);
    expect(await warnings({ vmid: second as number, nics: [{ nic: 'net0', ip: '10.99.0.5/24' }] })).toEqual([
      'net0: the gateway 10.88.0.1 is outside of 10.99.0.5/24, so the guest may not reach it',
    ]);
    expect(await warnings({ vmid: vmid as number, nics: [{ nic: 'net0', ip: '10.88.0.5/25' }] })).toEqual([]);
    expect(await warnings({ vmid: 105, cloud_init: { ipconfig0: 'ip=10.88.0.5/24' } })).toContain(`ipconfig0: ${twice}`);
    // An earlier call decided about values that stay.
    await world.done('update_vm', { vmid: 105, cloud_init: { ipconfig0: 'ip=10.88.0.5/24' } });
    expect((await warnings({ vmid: 105, cloud_init: { ipconfig0: 'ip=10.88.0.5/24', user: 'ops' } })).join()).not.toContain('disturb');
  });
});
