import { describe, expect, test } from 'vitest';
import { findOperation } from '../../src/operations/index.ts';
import { container, type GuestSpec, openWorld, refusalOf, template, useWorlds, type World, webServer } from './world.ts';

useWorlds();

async function opened(world: World, settings = {}) {
  const { ctx, requests, server } = await openWorld(world, {}, settings);
  const read = async (name: string, args: object) => {
    const operation = findOperation(name);
    if (operation?.effect !== 'read') throw new Error(name);
    // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
    return operation.output.parse(await operation.read(ctx, operation.input.parse(args))) as any;
  };
  return { read, requests, server };
}
const many: GuestSpec[] = Array.from({ length: 120 }, (_, i) => ({
  ...webServer,
  vmid: 300 + i,
  running: i % 2 === 0,
  config: { name: `node-${i}`, tags: i < 3 ? 'Special' : 'x' },
}));

describe('list_vms', () => {
  test('one request; templates last; compact rows', async () => {
    const { read, requests } = await opened({
      guests: [{ ...template, vmid: 100 }, webServer, { ...container, pool: 'infra', ha: 'started' }],
    });
    const list = await read('list_vms', {});
    expect(requests()).toEqual(['/cluster/resources?type=vm']);
    expect(list.vms.map((g: { vmid: number }) => g.vmid)).toEqual([105, 201, 100]);
    expect(list.vms[0]).toEqual({
      vmid: 105,
      name: 'web1',
      type: 'vm',
      status: 'running',
      node: 'pve',
      cpus: 2,
      memory_mb: 2048,
      tags: ['prod', 'web'],
    });
    expect(list.vms[1]).toMatchObject({ type: 'container', pool: 'infra', ha: 'started' });
    expect(list.vms[2].template).toBe(true);
    expect(list.total).toBe(3);
  });
  test('pages go on where the last one ended, even when that guest is gone', async () => {
    const { read } = await opened({ guests: [...many, { ...template }] });
    const seen: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await read('list_vms', { limit: 50, ...(cursor ? { cursor } : {}) });
      expect(page.total).toBe(121);
      seen.push(...page.vms.map((g: { vmid: number }) => g.vmid));
      cursor = page.next_cursor;
    } while (cursor);
    expect(seen).toEqual([...many.map((g) => g.vmid), 9000]);
    const { read: later } = await opened({ guests: many.filter((g) => g.vmid !== 349) });
    expect((await later('list_vms', { limit: 1, cursor: 'g000000349' })).vms[0].vmid).toBe(350);
    expect((await refusalOf(read('list_vms', { cursor: 'nonsense' }))).code).toBe('invalid_arguments');
  });
  test.each([
    [{ name: 'NODE-1*' }, 31],
    [{ status: 'running' }, 61],
    [{ type: 'container' }, 1],
    [{ tag: 'special' }, 3],
    [{ pool: 'infra' }, 1],
    [{ node: 'pve2' }, 0],
    [{ name: 'node-*', status: 'stopped', tag: 'special' }, 1],
  ])('filters combine: %j', async (filter, total) => {
    const { read } = await opened({ guests: [...many, { ...container, pool: 'infra' }] });
    expect((await read('list_vms', filter)).total).toBe(total);
  });
  test('a hostile name is data', async () => {
    const { read } = await opened({ guests: [{ vmid: 100, config: { name: `evil\u202e\u001b[2J${'x'.repeat(300)}` } }] });
    const [row] = (await read('list_vms', {})).vms;
    expect(row.name).toMatch(/^evil\[2Jx+… \(\d+ more characters\)$/);
  });
  test('an empty list from a token without rights says so, with the lines that help', async () => {
    const { read } = await opened({ permissions: {} });
    const { notice } = await read('list_vms', {});
    expect(notice).toContain("pveum acl modify /vms --tokens 'mcp@pve!agent'");
    const { read: empty, requests } = await opened({ permissions: { '/pool/agents': ['VM.Audit'] } });
    expect((await empty('list_vms', {})).notice).toBeUndefined();
    expect(requests()).toHaveLength(2);
  });
});

describe('get_vm', () => {
  test('a stopped VM costs three requests, and two once its place is known', async () => {
    const { read, requests } = await opened({ guests: [{ ...webServer, running: false, pool: 'shop', ha: 'stopped' }] });
    const vm = await read('get_vm', { vmid: 105 });
    expect(requests()).toHaveLength(3);
    expect(vm).toEqual({
      vmid: 105,
      name: 'web1',
      type: 'vm',
      node: 'pve',
      status: 'stopped',
      config: { cores: 2, sockets: 1, memory_mb: 2048, agent: true, boot: 'order=scsi0;net0' },
      disks: [
        { slot: 'ide2', volume: 'local:iso/debian-12.iso', size_gb: 0.586, media: 'cdrom' },
        { slot: 'scsi0', volume: 'local-lvm:vm-105-disk-0', size_gb: 32, media: 'disk' },
      ],
      networks: [{ slot: 'net0', model: 'virtio', mac: 'BC:24:11:00:00:01', bridge: 'vmbr0', vlan: 20 }],
      snapshots: 1,
      protection: false,
      ha: 'stopped',
      tags: ['prod', 'web'],
      pool: 'shop',
    });
    await read('get_vm', { vmid: 105 });
    expect(requests()).toHaveLength(5);
  });
  test('a running VM tells its addresses, without those that lead nowhere', async () => {
    const { read } = await opened({ guests: [{ ...webServer, addresses: ['10.0.0.5', 'fe80::1', '2001:db8::5'] }] });
    const vm = await read('get_vm', { vmid: 105 });
    expect(vm).toMatchObject({ status: 'running', uptime_seconds: 3600, ip_addresses: ['10.0.0.5', '2001:db8::5'] });
  });
  test('an agent that does not answer is no failure', async () => {
    const { read } = await opened({ guests: [webServer] });
    expect((await read('get_vm', { vmid: 105 })).ip_note).toContain('not known');
  });
  test('a container', async () => {
    const { read } = await opened({ guests: [{ ...container, addresses: ['10.0.0.9'] }] });
    expect(await read('get_vm', { vmid: 201 })).toMatchObject({
      type: 'container',
      ip_addresses: ['10.0.0.9'],
      disks: [{ slot: 'rootfs', size_gb: 8, media: 'disk' }],
      networks: [{ slot: 'net0', model: 'eth0', mac: 'BC:24:11:00:00:02', bridge: 'vmbr0' }],
    });
  });
  test('pending changes and cloud-init without its secrets', async () => {
    const config = { ...template.config, template: 0, cipassword: '**********' };
    const { read } = await opened({ guests: [{ ...template, config, pending: { cores: 4, balloon: null } }] });
    const vm = await read('get_vm', { vmid: 9000, fields: ['raw_config'] });
    expect(vm.pending).toEqual([{ key: 'cores', now: '2', next: '4' }, { key: 'balloon' }]);
    expect(vm.config).toMatchObject({ cores: 4, cloud_init: { user: 'debian', ipconfig0: 'ip=dhcp', ssh_keys: 1, password: 'set' } });
    expect(vm.raw_config).not.toHaveProperty('cipassword');
  });
  test('notes only when asked for, fenced and masked', async () => {
    const { read } = await opened({ guests: [webServer] });
    expect(JSON.stringify(await read('get_vm', { vmid: 105 }))).not.toContain('the shop');
    const { description, snapshot_names } = await read('get_vm', { vmid: 105, fields: ['description', 'snapshots'] });
    expect(description).toContain('the shop\npassword: [masked]');
    expect(description).not.toContain('hunter2');
    expect(snapshot_names).toEqual(['before-upgrade']);
  });
  test('a guest that moved is found again', async () => {
    const world: World = { guests: [{ ...webServer, running: false }] };
    const { read, requests } = await opened(world);
    await read('get_vm', { vmid: 105 });
    world.guests = [{ ...webServer, running: false, node: 'pve2' }];
    expect((await read('get_vm', { vmid: 105 })).node).toBe('pve2');
    expect(requests().filter((url) => url.startsWith('/cluster/resources'))).toHaveLength(2);
    world.guests = [];
    expect((await refusalOf(read('get_vm', { vmid: 105 }))).code).toBe('guest_not_found');
  });
});
