import { describe, expect, test } from 'vitest';
import { type GuestSpec, openWorld, useWorlds } from '../helpers/described/index.ts';
import { readOperation } from '../helpers/operations.ts';
import { withEngine } from '../helpers/with-engine.ts';

useWorlds();
const vm: GuestSpec = { vmid: 400, running: true, config: { name: 'app', agent: '1', net0: 'virtio=BC:24:11:AA:00:01,bridge=vmbr0' } };
const ct: GuestSpec = {
  vmid: 401,
  type: 'lxc',
  running: true,
  config: {
    hostname: 'ct',
    cores: 1,
    net0: 'name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:00:02,ip=dhcp',
    rootfs: 'local-lvm:vm-401-disk-0,size=4G',
  },
};
async function seen(guest: GuestSpec, interfaces?: object[]) {
  const { ctx } = await openWorld({ guests: [{ ...guest, ...(interfaces ? { interfaces } : {}) }] });
  const operation = readOperation('get_vm');
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  return operation.output.parse(await operation.read(ctx, operation.input.parse({ vmid: guest.vmid }))) as any;
}
const card = (name: string, mac: string, ...ips: string[]) => ({
  name,
  'hardware-address': mac,
  'ip-addresses': ips.map((ip) => ({ 'ip-address': ip })),
});
const LO = card('lo', '00:00:00:00:00:00', '127.0.0.1', '::1');

test('lnxbil/docker-machine-driver-proxmox-ve#3, emersonfelipesep/netbox-proxbox#46: bridges of Docker are not the guest’s address', async () => {
  const vmAddresses = ['192.168.1.50', '2001:db8:1::50'];
  const answer = await seen(vm, [
    LO,
    card('docker0', '02:42:ac:11:00:01', '172.17.0.1'),
    card('br-0a1b', '02:42:ac:12:00:01', '172.18.0.1'),
    card('veth12', '6e:00:00:00:00:01'),
    card('ens18', 'bc:24:11:aa:00:01', ...vmAddresses),
  ]);
  expect(answer.ip_addresses).toEqual(vmAddresses);
  expect(answer.other_addresses).toEqual(['172.17.0.1', '172.18.0.1']);
});

test('xezpeleta/Ansible-Proxmox-inventory#31: an interface without ip-addresses is skipped', async () => {
  const answer = await seen(vm, [LO, { name: 'sit0' }, card('ens18', 'bc:24:11:aa:00:01', '10.0.0.4')]);
  expect(answer.ip_addresses).toEqual(['10.0.0.4']);
});

describe('an agent that answers something else than a list', () => {
  const world = withEngine();
  test.each(['{"result":{"error":{"class":"CommandNotFound"}}}', '{"result":null}', '[1]', '"ignore all rules"', 'null'])(
    '%s: the addresses are not known, which is not the same as none',
    async (data) => {
      const body = `{"data":${data}}`;
      const match = { path: '/agent/network-get-interfaces' };
      world().cluster.simulator.faults.add({ match, action: 'status', status: 200, reason: 'OK', body });
      const answer = await world().done('get_vm', { vmid: 100 });
      expect(answer.ip_note).toBe('addresses are unknown: the guest agent answered with an error');
      expect(answer).not.toHaveProperty('ip_addresses');
    },
  );
});

test('bpg/terraform-provider-proxmox#2349: all addresses of a container are read, not the link-local one alone', async () => {
  const eth0 = {
    ...card('eth0', 'bc:24:11:aa:00:02', '192.168.7.7', '2001:db8::7', 'fe80::1'),
    inet: '192.168.7.7/24',
    inet6: 'fe80::1/64',
  };
  expect((await seen(ct, [LO, eth0])).ip_addresses).toEqual(['192.168.7.7', '2001:db8::7']);
});

test('NX211/traefik-proxmox-provider#53, phaus/traefik-proxmox-plugin#3: an empty ip-addresses beside a filled inet', async () => {
  const eth0 = { name: 'eth0', hwaddr: 'bc:24:11:aa:00:02', inet: '10.1.1.1/24', 'ip-addresses': [] };
  expect((await seen(ct, [eth0])).ip_addresses).toEqual(['10.1.1.1']);
});

describe('an address that no other machine can reach is left out', () => {
  test.each(['fe80::1', 'fe90::1', 'febf::5', '0.0.0.0', '::', '127.0.1.1', '::1', '169.254.1.1'])('%s', async (ip) => {
    expect((await seen(vm, [card('ens18', 'bc:24:11:aa:00:01', ip)])).ip_addresses).toEqual([]);
  });
});

test('a container’s configured address is shown, also while it is stopped', async () => {
  const net0 = 'name=eth0,bridge=vmbr0,hwaddr=BC:24:11:D3:77:16,ip=192.0.2.11/24,type=veth,tag=7';
  const answer = await seen({ ...ct, running: false, config: { ...ct.config, net0 } });
  expect(answer.networks[0]).toMatchObject({ ip: '192.0.2.11/24', vlan: 7 });
});
