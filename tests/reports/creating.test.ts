import { describe, expect, test } from 'vitest';
import { openWorld, planOf, requestsOf, useWorlds, type World } from '../helpers/described/index.ts';
import { readOperation } from '../helpers/operations.ts';
import { withEngine } from '../helpers/with-engine.ts';
import { agent } from '../helpers/world.ts';

useWorlds();
const create = (args: object, world: World = {}) => planOf('create_vm', { name: 'new1', storage: 'local-lvm', ...args }, world);
const params = async (args: object) => Object.assign({}, ...requestsOf(await create(args)).map((step) => step.params));

describe('bpg/terraform-provider-proxmox#1521, #1610, Telmate/terraform-provider-proxmox#23, #1136, packer-plugin-proxmox#42, #315, community.general#8330, community.proxmox#58: creates side by side', () => {
  const world = withEngine();
  test('each gets a VMID of its own', async () => {
    const names = ['a1', 'a2', 'a3', 'a4', 'a5'];
    const made = await Promise.all(names.map((name) => world().another().perform('create_vm', { name }, agent, { wait: 'end' })));
    const vmids = made.map((result) => (result.kind === 'done' ? result.output.vmid : result.kind));
    expect(new Set(vmids).size).toBe(names.length);
    expect(vmids.every((vmid) => typeof vmid === 'number')).toBe(true);
  });
  test('the same name twice at once is one guest', async () => {
    const twice = await Promise.all([1, 2].map(() => world().another().perform('create_vm', { name: 'once' }, agent, { wait: 'end' })));
    const vmids = twice.map((result) => (result.kind === 'done' ? result.output.vmid : result.kind));
    expect(vmids[0]).toBe(vmids[1]);
    const posts = world()
      .cluster.mutations()
      .filter(({ path }) => path.endsWith('/qemu'));
    expect(posts).toHaveLength(1);
  });
});

describe('addresses of cloud-init', () => {
  test('capmox (ionos-cloud/cluster-api-provider-proxmox)#39, #41: IPv6 alone, with a link-local gateway', async () => {
    const ipconfig0 = 'ip6=2001:db8:1::5/64,gw6=fe80::1';
    expect(await params({ cloud_init: { ipconfig0 } })).toMatchObject({ ipconfig0 });
  });
  test('bpg/terraform-provider-proxmox#842: DNS servers of both families', async () => {
    expect(await params({ cloud_init: { nameserver: '192.0.2.53,2001:db8::53' } })).toMatchObject({
      nameserver: '192.0.2.53 2001:db8::53',
    });
  });
  test('an address without prefix, manual and slaac are refused with examples', async () => {
    for (const ipconfig0 of ['ip=10.0.0.5', 'ip=manual', 'ip6=slaac']) {
      await expect(create({ cloud_init: { ipconfig0 } })).rejects.toMatchObject({
        code: 'invalid_arguments',
        hint: expect.stringContaining('ip=dhcp'),
      });
    }
  });
});

describe('names that Proxmox refuses', () => {
  test.each(['my_vm', 'my vm', 'gr\u00fcn', '-web', 'web.', 'web.-a'])('%s: refused with the rule, nothing is sent', async (name) => {
    await expect(create({ name })).rejects.toThrow('a DNS name: letters, digits and hyphens');
  });
});

describe('bpg/terraform-provider-proxmox#1577: a filter by tags written as one text', () => {
  test('the tags that exist are named', async () => {
    const { ctx } = await openWorld({ guests: [{ vmid: 700, config: { name: 'a', tags: 'abc;def' } }] });
    const operation = readOperation('list_vms');
    const answer = (await operation.read(ctx, operation.input.parse({ tag: 'ABC,DEF' }))) as { notice?: string };
    expect(answer.notice).toMatch(/abc/);
    expect(answer.notice).toMatch(/def/);
  });
});

test('a filter by pool finds the guests of the pools in it, as quotas count them', async () => {
  const { ctx } = await openWorld({ guests: [{ vmid: 701, pool: 'team/a', config: { name: 'nested' } }] });
  const operation = readOperation('list_vms');
  expect(await operation.read(ctx, operation.input.parse({ pool: 'team' }))).toMatchObject({ vms: [{ vmid: 701 }], total: 1 });
});

describe('Windows 11', () => {
  const world = withEngine();
  test('is made with UEFI and a TPM 2.0, which its setup asks for', async () => {
    const windows = { name: 'win11', ostype: 'win11', iso: 'virtio-win.iso', storage: 'local-lvm' };
    expect(await world().done('create_vm', windows)).toMatchObject({
      created: true,
      choices: expect.arrayContaining(['machine: q35, with a TPM 2.0 and bios: ovmf (for Windows 11)']),
    });
    const { raw_config: config } = await world().done('get_vm', { name: 'win11', fields: ['raw_config'] });
    expect(config).toMatchObject({
      bios: 'ovmf',
      machine: 'q35',
      efidisk0: expect.stringContaining('efitype=4m'),
      tpmstate0: expect.stringContaining('version=v2.0'),
    });
  });
  test('keeps the firmware that the caller names, and says what its setup asks for', async () => {
    const plan = await create({ ostype: 'win11', bios: 'seabios' });
    expect(plan.warnings).toContain('the setup of Windows 11 asks for UEFI (bios: ovmf)');
    expect(plan.steps[0]).toMatchObject({ params: { bios: 'seabios', tpmstate0: expect.any(String) } });
    expect(plan.steps[0]).not.toMatchObject({ params: { efidisk0: expect.anything() } });
  });
  test('alone: an earlier Windows gets neither', async () => {
    const { steps } = await create({ ostype: 'win10' });
    expect(Object.keys(steps[0]?.kind === 'request' ? steps[0].params : {})).not.toEqual(expect.arrayContaining(['tpmstate0']));
  });
});

describe('kasmtech/workspaces-issues#858, theforeman/foreman_fog_proxmox#368: one node is down', () => {
  const world = withEngine();
  test('new guests are made on the others', async () => {
    world().cluster.simulator.faults.add({ action: 'node-down', node: 'pve2' });
    expect(await world().done('create_vm', { name: 'still', node: 'pve' })).toMatchObject({ created: true, node: 'pve' });
    expect(await world().done('clone_template', { name: 'stillclone', source_vmid: 9000 })).toMatchObject({ created: true });
  });
});
