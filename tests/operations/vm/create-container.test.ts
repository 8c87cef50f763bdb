import { afterEach, beforeEach, expect, it } from 'vitest';
import { SEED_TOKENS } from '../../../src/simulator/seed/tokens.ts';
import { planOf } from '../../helpers/plans.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE0m3b0m3b0m3b0m3b0m3b0m3b0m3b0m3b0m3b0m3b0m ops';

it('makes an unprivileged container from a template by the start of its name, and starts it', async () => {
  const args = {
    name: 'ct1',
    template: 'debian-12',
    memory_mb: 256,
    disk_gb: 2,
    ip: '10.77.0.40/24',
    gateway: '10.77.0.1',
    ssh_keys: KEY,
    start: true,
  };
  const plan = await planOf(world, 'create_container', args);
  expect(plan).toMatchObject({ effect: 'change', demand: { newGuests: 1, after: { cpu: 1, memoryMib: 256, diskGib: 2 } } });
  // Each default by the name of the parameter that changes it.
  expect(plan.choices).toContain('bridge: vmbr0');
  const done = await world.done('create_container', args);
  expect(done).toMatchObject({ created: true, name: 'ct1', status: 'running', node: 'pve' });
  const [create, start] = world.cluster.mutations();
  expect(create).toMatchObject({
    path: '/nodes/pve/lxc',
    params: {
      hostname: 'ct1',
      unprivileged: '1',
      features: 'nesting=1',
      rootfs: 'local-lvm:2',
      net0: 'name=eth0,bridge=vmbr0,gw=10.77.0.1,ip=10.77.0.40/24,type=veth',
      'ssh-public-keys': KEY,
    },
  });
  expect(start?.path).toBe(`/nodes/pve/lxc/${done.vmid}/status/start`);
  expect(await world.done('get_vm', { name: 'ct1' })).toMatchObject({ type: 'container', status: 'running' });
});

it('sends an IPv6 address and gateway by the names of Proxmox', async () => {
  await world.done('create_container', {
    name: 'six',
    disk_gb: 2,
    ip: '2001:db8::5/64',
    gateway: '2001:db8::1',
    password: 'canary-hunter2',
  });
  expect(world.cluster.mutations()[0]?.params.net0).toBe('name=eth0,bridge=vmbr0,gw6=2001:db8::1,ip6=2001:db8::5/64,type=veth');
});

it.each([
  ['10.88.0.5/24', '10.77.0.1', 'ip: the gateway 10.77.0.1 is outside of 10.88.0.5/24, so the guest may not reach it'],
  ['2001:db8::5/64', '2001:db9::1', 'ip: the gateway 2001:db9::1 is outside of 2001:db8::5/64, so the guest may not reach it'],
  ['10.88.0.1/24', '10.88.0.1', 'ip: the gateway 10.88.0.1 is the address of the guest itself'],
  ['10.88.0.0/24', undefined, 'ip: 10.88.0.0 is the network address of its /24, which no guest can have'],
])('warns about the address %s with the gateway %s', async (ip, gateway, warning) => {
  expect((await planOf(world, 'create_container', { name: 'ct1', password: 'a-password', ip, gateway })).warnings).toEqual([warning]);
});

it('warns about an address that another guest has, and about one that leads out of its network', async () => {
  await world.done('create_container', { name: 'first', disk_gb: 2, ip: '10.88.0.5/24', gateway: '10.88.0.1', password: 'a-password' });
  const { vmid } = await world.done('get_vm', { name: 'first' });
  const twice = 'two guests with one address in one network disturb each other';
  const planned = async (ip: string) => (await planOf(world, 'create_container', { name: 'ct1', password: 'a-password', ip })).warnings;
  expect(await planned('10.88.0.5/16')).toEqual([`ip: 10.88.0.5 is configured in first (${vmid}) too: ${twice}`]);
  expect(await planned('10.88.0.1/24')).toEqual([`ip: 10.88.0.1 is the gateway of first (${vmid}): it belongs to a router`]);
  expect(await planned('10.88.0.6/24')).toEqual([]);
});

it('names the VMID and the pool that the server chose', async () => {
  const { cluster } = world;
  const defaults = { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm', pool: 'agents' };
  const engine = world.another({ connection: cluster.connection(SEED_TOKENS.leastPrivilege), defaults });
  const args = { name: 'ct1', password: 'a-password', disk_gb: 2 };
  expect(await engine.perform('create_container', args, agent, { dryRun: true })).toMatchObject({
    kind: 'dry_run',
    plan: { choices: expect.arrayContaining([expect.stringMatching(/^vmid: \d+ \(free\)$/), 'pool: agents (PROXMOX_POOL)']) },
  });
});

it('may have more cores than its node has CPUs, as in Proxmox, like set_resources', async () => {
  const { vmid } = await world.done('create_container', { name: 'ct1', disk_gb: 2, cores: 16 });
  expect(world.cluster.mutations().at(-1)?.params.cores).toBe('16');
  await world.done('set_resources', { vmid, cores: 15 });
  expect(world.cluster.mutations().at(-1)?.params.cores).toBe('15');
});

it('is created once, and a second call says what differs', async () => {
  await world.done('create_container', { name: 'ct1', disk_gb: 2 });
  const again = await world.done('create_container', { name: 'CT1', disk_gb: 2, memory_mb: 1024 });
  expect(again).toMatchObject({ created: false, existing: true, differences: [expect.stringContaining('memory')] });
  expect(world.cluster.mutations()).toHaveLength(1);
});

it('compares everything that a call asks of an existing container, and names what cannot be compared', async () => {
  const asked = {
    ...{ name: 'ct1', disk_gb: 2, storage: 'local-lvm', ip: '10.88.0.5/24', gateway: '10.88.0.1', bridge: 'vmbr0', onboot: true },
    ...{ notes: 'cache', password: 'a-password', template: 'debian-12' },
  };
  await world.done('create_container', asked);
  expect((await world.done('create_container', asked)).differences).toEqual([]);
  const other = {
    ...{ name: 'ct1', storage: 'nas', ip: 'fd00::5/64', gateway: '10.88.0.2', bridge: 'vmbr1', vlan: 7, onboot: false, privileged: true },
    ...{ nesting: false, notes: 'web', password: 'b-password', ssh_keys: 'ssh-ed25519 AAAA me', template: 'alpine' },
  };
  await expect(world.done('create_container', { ...other, gateway: undefined })).resolves.toMatchObject({
    differences: [
      'storage: requested nas, has local-lvm',
      'bridge: requested vmbr1, has vmbr0',
      'vlan: requested 7, has none',
      'onboot: requested false, has true',
      'notes differ',
      'ip: requested fd00::5/64, has none',
      'privileged: requested true, has false',
      'nesting: requested false, has true',
      expect.stringMatching(/^template: requested alpine, has local:vztmpl\/debian-12/),
      'password: cannot be compared',
      'ssh_keys: cannot be compared',
    ],
  });
  const foreign = { name: 'dns1', template: 'debian-12', gateway: '10.77.0.9' };
  expect((await world.done('create_container', foreign)).differences).toEqual([
    'gateway: requested 10.77.0.9, has 10.77.0.1',
    'template: requested debian-12, cannot be compared: this server has no record of how this guest was created',
  ]);
});

it('warns where no login is possible, and hides the password', async () => {
  expect((await planOf(world, 'create_container', { name: 'ct1' })).warnings).toEqual([
    expect.stringContaining('neither a password nor a key'),
  ]);
  await world.done('create_container', { name: 'ct1', disk_gb: 2, password: 'canary-hunter2' });
  expect(JSON.stringify(world.audit())).not.toContain('canary-hunter2');
  expect(world.cluster.mutations()[0]?.params).toMatchObject({ password: 'canary-hunter2' });
});

it.each([
  [{ name: 'ct1', template: 'alpine' }, 'storage_unavailable', 'No container template alpine is visible on pve.'],
  [{ name: 'ct1', ip: '10.0.0.5' }, 'invalid_arguments', 'ip 10.0.0.5 is neither dhcp nor an address with its prefix length.'],
  [{ name: 'ct1', ip: '10.0.0.5/24', gateway: '10.0.0.1/24' }, 'invalid_arguments', 'gateway 10.0.0.1/24 needs a static ip'],
  [{ name: 'ct1', ip: '10.0.0.5/24', gateway: 'fe80::1' }, 'invalid_arguments', 'an address of the same version'],
  [{ name: 'ct1', password: 'four' }, 'invalid_arguments', 'password'],
  [{ name: 'ct1', gateway: '10.0.0.1' }, 'invalid_arguments', 'gateway 10.0.0.1 needs a static ip'],
  [{ name: 'ct1', disk_gb: 900 }, 'quota_exceeded', 'PROXMOX_MAX_DISK_GB'],
  [{ name: 'web1' }, 'conflict', 'web1 (100) is a VM.'],
])('refuses %j', async (args, code, message) => {
  const error = await world.refused(world.call('create_container', args));
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  expect(world.cluster.mutations()).toEqual([]);
});

it.each([
  ['another NIC', { nics: [{ bridge: 'vmbr1' }] }],
  ['its root volume elsewhere', { disks: [{ disk: 'rootfs', storage: 'nas' }] }],
])('stays one that was created here when it gets %s, by which Proxmox alone tells containers apart', async (_what, change) => {
  const { vmid } = await world.done('create_container', { name: 'ct1', disk_gb: 2, storage: 'local-lvm', password: 'a-password' });
  await world.done('update_vm', { vmid, ...change });
  expect(await planOf(world, 'update_vm', { vmid, add_tags: ['ci'] })).toMatchObject({ effect: 'change' });
});

it('stays one that was created here when a change of its NICs is done and a later step fails', async () => {
  const { vmid } = await world.done('create_container', { name: 'ct1', disk_gb: 2, storage: 'local-lvm', password: 'a-password' });
  world.cluster.simulator.faults.add({
    match: { method: 'POST', path: '/move_volume$' },
    action: 'fail-task',
    exitstatus: 'no space left',
  });
  const change = { vmid, nics: [{ bridge: 'vmbr1' }], disks: [{ disk: 'rootfs', storage: 'nas' }] };
  expect(await world.refused(world.call('update_vm', change))).toMatchObject({ code: 'task_failed' });
  expect(await planOf(world, 'update_vm', { vmid, add_tags: ['ci'] })).toMatchObject({ effect: 'change' });
});

it('stays one that was created here as a template, of which Proxmox renames the root volume', async () => {
  const { vmid } = await world.done('create_container', { name: 'ct1', disk_gb: 2, storage: 'local-lvm', password: 'a-password' });
  await world.done('approve', { approval_id: await world.asks('convert_to_template', { vmid }) });
  expect(await planOf(world, 'update_vm', { vmid, add_tags: ['ci'] })).toMatchObject({ effect: 'change' });
});

it('stays one that was created here when its own backup is restored over it, which renames the root volume', async () => {
  const { vmid } = await world.done('create_container', { name: 'ct1', disk_gb: 2, storage: 'local-lvm', password: 'a-password' });
  await world.done('backup_vm', { vmid, storage: 'nas' });
  const approval_id = await world.asks('restore_backup', { source_vmid: vmid, overwrite: true });
  await world.done('approve', { approval_id });
  expect(await planOf(world, 'update_vm', { vmid, add_tags: ['ci'] })).toMatchObject({ effect: 'change' });
});
