import { describe, expect, test } from 'vitest';
import { findOperation } from '../../../src/operations/index.ts';
import { container, type GuestSpec, openWorld, refusalOf, template, useWorlds, type World, webServer } from '../world.ts';

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
  test.each([
    [{ node: 'pve9' }, 'Node pve9 does not exist. Nodes: pve, pve2.'],
    [{ node: 'pve2' }, 'No guest is visible on node pve2; guests are on: pve (4).'],
    [{ tag: 'production' }, 'No guest has the tag production; tags: prod (2), web (2), infra (1).'],
    [{ tag: 'ABC,DEF' }, 'No guest has the tag ABC,DEF; tags: prod (2), web (2), infra (1). Give one tag; * matches anything.'],
    [{ pool: 'nope' }, 'No guest is in pool nope; pools: shop/front (2), infra (1).'],
    [{ name: 'wbe1' }, 'No guest is called wbe1. Similar: web1.'],
    [{ name: 'web' }, 'No guest is called web. * matches anything: *web* fits 2. Similar: web1, web2.'],
    [{ status: 'paused' }, 'No guest is paused; states: running (3), stopped (1).'],
    [{ name: 'dns1', tag: 'prod' }, 'No guest fits all filters at once; each alone: name 1, tag 2.'],
  ])('a filter that nothing fits is answered with what exists: %j', async (filter, notice) => {
    const { read } = await opened({
      nodes: [{ node: 'pve' }, { node: 'pve2' }],
      guests: [
        { ...webServer, pool: 'shop/front' },
        { ...webServer, vmid: 106, pool: 'shop/front', config: { ...webServer.config, name: 'web2' } },
        { ...container, pool: 'infra', config: { ...container.config, tags: 'infra' } },
        template,
      ],
    });
    expect(await read('list_vms', filter)).toMatchObject({ vms: [], total: 0, notice });
  });
  test('a pool includes the pools nested in it, as quotas count them', async () => {
    const guests = [
      { ...webServer, pool: 'shop/front' },
      { ...container, pool: 'shopping' },
    ];
    const { read } = await opened({ guests });
    expect((await read('list_vms', { pool: 'shop' })).vms.map((g: { vmid: number }) => g.vmid)).toEqual([105]);
    expect((await read('list_vms', { pool: 'shop' })).notice).toBeUndefined();
  });
  test('a hostile name is data', async () => {
    const { read } = await opened({ guests: [{ vmid: 100, config: { name: `evil\u202e\u001b[2J${'x'.repeat(300)}` } }] });
    const [row] = (await read('list_vms', {})).vms;
    expect(row.name).toMatch(/^evil\[2Jx+… \(\d+ more characters\)$/);
  });
  test('an empty list from a token without rights says so, with the lines that help', async () => {
    const { read } = await opened({ permissions: {} });
    const { notice } = await read('list_vms', {});
    expect(notice).toContain("pveum acl modify /vms --users mcp@pve --tokens 'mcp@pve!agent'");
    const { read: empty } = await opened({ permissions: { '/vms': ['VM.Audit'] } });
    expect((await empty('list_vms', {})).notice).toBeUndefined();
  });
  test('an empty list from a token of a pool says nothing about the cluster', async () => {
    const { read, requests } = await opened({ permissions: { '/pool/agents': ['VM.Audit'] } });
    const { notice } = await read('list_vms', {});
    expect(notice).toBe('No guest is visible. This token sees guests on /pool/agents only; others may exist.');
    expect(requests()).toHaveLength(2);
  });
  test('a list by pool says nothing about the pool without Pool.Audit', async () => {
    const { read } = await opened({ guests: [webServer], permissions: { '/pool/agents': ['VM.Audit'] } });
    const { notice } = await read('list_vms', { pool: 'agents' });
    expect(notice).toContain('which the token lacks on /pool/agents');
    expect(notice).toContain("pveum role modify ROLE --append --privs 'Pool.Audit'");
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
  test('an agent that does not answer is not a failure', async () => {
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
    expect(vm.pending).toEqual([
      { key: 'cores', now: '2', next: '4' },
      { key: 'balloon', removed: true },
    ]);
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
  test('a removal that is pending says so, and which volume it destroys', async () => {
    const config = { ...webServer.config, sata1: 'local-lvm:vm-105-disk-1,size=500G', scsi2: 'local-lvm:vm-105-disk-2,size=1G' };
    const { read } = await opened({ guests: [{ ...webServer, config, pending: { sata1: 'force', scsi2: null } }] });
    expect((await read('get_vm', { vmid: 105 })).pending).toEqual([
      {
        key: 'sata1',
        now: 'local-lvm:vm-105-disk-1,size=500G',
        removed: true,
        destroys: 'local-lvm:vm-105-disk-1 (500 GiB)',
      },
      { key: 'scsi2', now: 'local-lvm:vm-105-disk-2,size=1G', removed: true },
    ]);
  });
  test('a guest without notes answers none', async () => {
    const { read } = await opened({ guests: [{ ...template }] });
    expect(await read('get_vm', { vmid: 9000, fields: ['description'] })).not.toHaveProperty('description');
  });
  test('a disk that is not the guest’s own says whose it is', async () => {
    const config = { ...webServer.config, scsi1: '/dev/sdb,size=1T', scsi2: 'local-lvm:vm-106-disk-0,size=1G' };
    const { read } = await opened({ guests: [{ ...webServer, running: false, config }] });
    const owners = (await read('get_vm', { vmid: 105 })).disks.map((d: { slot: string; owner?: unknown }) => [d.slot, d.owner]);
    expect(owners).toEqual([
      ['ide2', undefined],
      ['scsi0', undefined],
      ['scsi1', 'host'],
      ['scsi2', '106'],
    ]);
  });
  test('a container shows the addresses that its configuration gives it', async () => {
    const net0 = 'name=eth0,bridge=vmbr0,hwaddr=BC:24:11:D3:77:16,ip=192.0.2.11/24,ip6=2001:db8::11/64,type=veth,tag=7';
    const { read } = await opened({ guests: [{ ...container, running: false, config: { ...container.config, net0 } }] });
    expect((await read('get_vm', { vmid: 201 })).networks).toEqual([
      { slot: 'net0', model: 'eth0', mac: 'BC:24:11:D3:77:16', bridge: 'vmbr0', vlan: 7, ip: '192.0.2.11/24', ip6: '2001:db8::11/64' },
    ]);
  });
  describe('addresses', () => {
    const card = (name: string, mac: string, ...ips: string[]) => ({
      name,
      'hardware-address': mac,
      'ip-addresses': ips.map((ip) => ({ 'ip-address': ip, 'ip-address-type': ip.includes(':') ? 'ipv6' : 'ipv4', prefix: 24 })),
    });
    const lo = card('lo', '00:00:00:00:00:00', '127.0.0.1', '::1');
    const docker = card('docker0', '02:42:00:00:00:01', '172.17.0.1');
    const bridge = card('br-1f', '02:42:00:00:00:02', '172.18.0.1');
    const of = async (guest: GuestSpec) => {
      const { read } = await opened({ guests: [guest] });
      const { ip_addresses, other_addresses } = await read('get_vm', { vmid: guest.vmid });
      return { ip_addresses, other_addresses };
    };
    test('those of the configured devices come first, known by their MAC; bridges of Docker stand apart', async () => {
      const interfaces = [lo, docker, bridge, card('ens18', 'bc:24:11:00:00:01', '192.168.1.50', '2001:db8:1::50')];
      expect(await of({ ...webServer, interfaces })).toEqual({
        ip_addresses: ['192.168.1.50', '2001:db8:1::50'],
        other_addresses: ['172.17.0.1', '172.18.0.1'],
      });
    });
    test('they follow the order of net0, net1, not that of the agent', async () => {
      const config = { ...webServer.config, net1: 'virtio=BC:24:11:00:00:02,bridge=vmbr1' };
      const interfaces = [card('b', 'BC:24:11:00:00:02', '10.0.1.1'), card('a', 'BC:24:11:00:00:01', '10.0.0.1')];
      expect((await of({ ...webServer, config, interfaces })).ip_addresses).toEqual(['10.0.0.1', '10.0.1.1']);
    });
    test('without a known MAC a card of the guest still comes before what its software made', async () => {
      expect(await of({ ...webServer, interfaces: [docker, card('enp5s0', '11:22:33:44:55:66', '203.0.113.7')] })).toEqual({
        ip_addresses: ['203.0.113.7'],
        other_addresses: ['172.17.0.1'],
      });
    });
    test('all addresses of a container are read, not one of each family', async () => {
      const eth0 = {
        ...card('eth0', 'BC:24:11:00:00:02', '192.168.7.7', '2001:db8::7', 'fe80::1'),
        inet: '192.168.7.7/24',
        inet6: 'fe80::1/64',
      };
      expect(await of({ ...container, interfaces: [docker, eth0] })).toEqual({
        ip_addresses: ['192.168.7.7', '2001:db8::7'],
        other_addresses: ['172.17.0.1'],
      });
      const old = { name: 'eth0', hwaddr: 'bc:24:11:00:00:02', inet: '192.168.7.8/24', inet6: '2001:db8::8/64' };
      expect((await of({ ...container, interfaces: [old] })).ip_addresses).toEqual(['192.168.7.8', '2001:db8::8']);
      expect((await of({ ...container, interfaces: [{ ...old, 'ip-addresses': [] }] })).ip_addresses).toHaveLength(2);
    });
    test('what leads nowhere is left out', async () => {
      const nowhere = [
        'fe80::1',
        'fe90::1',
        'febf::5',
        'FEA0::2',
        '0.0.0.0',
        '::',
        '127.3.2.1',
        '::1',
        '0:0:0:0:0:0:0:1',
        '::ffff:127.0.0.1',
        '169.254.9.9',
      ];
      const real = ['fec0::1', 'fe8::1', '10.0.0.1', '2001:db8::1'];
      const interfaces = [card('ens18', 'bc:24:11:00:00:01', ...nowhere, 'not an address', ...real)];
      expect((await of({ ...webServer, interfaces })).ip_addresses).toEqual(real);
    });
    test('odd answers of an agent are not a failure', async () => {
      const interfaces = [{ name: 5 }, { 'ip-addresses': 'x' }, { 'ip-addresses': [null, { 'ip-address': 7 }, {}] }] as object[];
      expect((await of({ ...webServer, interfaces })).ip_addresses).toEqual([]);
    });
  });
  test('JSON numbers where texts are expected are read as texts', async () => {
    const odd: GuestSpec = { vmid: 110, running: true, pool: 7 as never, config: { name: 2024, tags: 12, digest: 'd'.repeat(40) } };
    const { read } = await opened({ guests: [odd] });
    expect((await read('list_vms', {})).vms[0]).toMatchObject({ name: '2024', tags: ['12'], pool: '7' });
    expect(await read('get_vm', { vmid: 110 })).toMatchObject({ name: '2024', tags: ['12'] });
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
