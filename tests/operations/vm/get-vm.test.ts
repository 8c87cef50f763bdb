import { describe, expect, test } from 'vitest';
import {
  container,
  type GuestSpec,
  openWorld,
  readIn,
  refusalOf,
  template,
  useWorlds,
  type World,
  webServer,
} from '../../helpers/described/index.ts';

useWorlds();

async function opened(world: World) {
  const { ctx, ...more } = await openWorld(world);
  return { ...more, read: (name: string, args: object) => readIn(ctx, name, args) };
}

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
  test('a stopped VM that is unchanged is asked for and shown as before, and each change of it shows at once', async () => {
    const stopped = { ...webServer, running: false };
    const { read, become, requests } = await opened({ guests: [stopped] });
    const first = await read('get_vm', { vmid: 105 });
    expect(await read('get_vm', { vmid: 105 })).toEqual(first);
    expect(requests()).toHaveLength(5);
    become([{ ...stopped, snapshots: ['one', 'two', 'three'] }]);
    expect(await read('get_vm', { vmid: 105 })).toEqual({ ...first, snapshots: 3 });
    become([{ ...stopped, config: { ...stopped.config, cores: 4 } }]);
    expect(await read('get_vm', { vmid: 105 })).toEqual({ ...first, config: { ...first.config, cores: 4 } });
    become([stopped]);
    expect(await read('get_vm', { vmid: 105 })).toEqual(first);
    become([webServer]);
    expect(await read('get_vm', { vmid: 105 })).toMatchObject({ status: 'running', uptime_seconds: 3600 });
  });
  test('the pool and the HA state of an unchanged VM are those of the latest list', async () => {
    const stopped = { ...webServer, running: false, pool: 'shop', ha: 'stopped' };
    const { read, become } = await opened({ guests: [stopped] });
    expect(await read('get_vm', { vmid: 105 })).toMatchObject({ pool: 'shop', ha: 'stopped' });
    become([{ ...stopped, pool: 'office', ha: 'error' }]);
    await read('list_vms', {});
    expect(await read('get_vm', { vmid: 105 })).toMatchObject({ pool: 'office', ha: 'error' });
  });
  test('a running VM tells its addresses, without those that lead nowhere', async () => {
    const { read } = await opened({ guests: [{ ...webServer, addresses: ['10.0.0.5', 'fe80::1', '2001:db8::5'] }] });
    const vm = await read('get_vm', { vmid: 105 });
    expect(vm).toMatchObject({ status: 'running', uptime_seconds: 3600, ip_addresses: ['10.0.0.5', '2001:db8::5'] });
  });
  test('succeeds when the agent does not answer', async () => {
    const { read } = await opened({ guests: [webServer] });
    expect((await read('get_vm', { vmid: 105 })).ip_note).toContain('unknown');
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
  test('a snapshot that an interrupted task left is not shown as a good one', async () => {
    const { read } = await opened({ guests: [{ ...webServer, snapstate: 'delete' }] });
    expect((await read('get_vm', { vmid: 105, fields: ['snapshots'] })).snapshot_list).toEqual([
      expect.objectContaining({ snapshot: 'before-upgrade', incomplete: 'delete' }),
    ]);
  });
  test('notes only on request, fenced and masked', async () => {
    const { read } = await opened({ guests: [webServer] });
    expect(JSON.stringify(await read('get_vm', { vmid: 105 }))).not.toContain('the shop');
    const { description, snapshot_list } = await read('get_vm', { vmid: 105, fields: ['description', 'snapshots'] });
    expect(description).toContain('the shop\npassword: [masked]');
    expect(description).not.toContain('hunter2');
    expect(snapshot_list).toMatchObject([{ snapshot: 'before-upgrade' }]);
  });
  test('a pending removal is shown with the volume that it destroys', async () => {
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
  test('a guest without notes has none in the answer', async () => {
    const { read } = await opened({ guests: [{ ...template }] });
    expect(await read('get_vm', { vmid: 9000, fields: ['description'] })).not.toHaveProperty('description');
  });
  test('a disk of another guest or of the host is shown with its owner', async () => {
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
    test('an address that leads nowhere is left out', async () => {
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
    test('malformed answers of an agent are ignored', async () => {
      const interfaces = [{ name: 5 }, { 'ip-addresses': 'x' }, { 'ip-addresses': [null, { 'ip-address': 7 }, {}] }] as object[];
      expect((await of({ ...webServer, interfaces })).ip_addresses).toEqual([]);
    });
  });
  test('JSON numbers where texts are expected are read as texts', async () => {
    const row = { id: 'qemu/110', vmid: 110, type: 'qemu', node: 'pve', status: 'running', name: 2024, tags: 12, pool: 7 };
    const config = [
      { key: 'name', value: 2024 },
      { key: 'tags', value: 12 },
      { key: 'digest', value: 'd'.repeat(40) },
    ];
    const answers = { '/cluster/resources': [row], '/nodes/pve/qemu/110/pending': config };
    const { read } = await opened({ guests: [{ vmid: 110, running: true }], answers });
    expect((await read('list_vms', {})).vms[0]).toMatchObject({ name: '2024', tags: ['12'], pool: '7' });
    expect(await read('get_vm', { vmid: 110 })).toMatchObject({ name: '2024', tags: ['12'] });
  });
  test('a guest that moved is found again', async () => {
    const nodes = [{ node: 'pve' }, { node: 'pve2' }];
    const { read, requests, become } = await opened({ nodes, guests: [{ ...webServer, running: false }] });
    await read('get_vm', { vmid: 105 });
    become([{ ...webServer, running: false, node: 'pve2' }]);
    expect((await read('get_vm', { vmid: 105 })).node).toBe('pve2');
    expect(requests().filter((url) => url.startsWith('/cluster/resources'))).toHaveLength(2);
    become([]);
    expect((await refusalOf(read('get_vm', { vmid: 105 }))).code).toBe('guest_not_found');
  });
});
