import type { Case } from './case.ts';

const base = (vmid: number, hostname: string) => ({
  arch: 'amd64',
  ostype: 'debian',
  hostname,
  rootfs: `local-lvm:vm-${vmid}-disk-0,size=8G`,
});
const root = (vmid: number) => `rootfs local-lvm:vm-${vmid}-disk-0 own disk 8`;
/** A container cannot be cloned by clone_template, and one that is stopped already is. */
const still = { stop: 'existing', clone: 'not_possible' } as const;

/** Containers: root volumes of all storages, mount points, folders of the host, devices, nesting. */
export const CONTAINERS: Case[] = [
  {
    what: 'a plain container',
    spec: {
      vmid: 1201,
      type: 'lxc',
      running: true,
      config: {
        ...base(1201, 'dns1'),
        cores: 1,
        memory: 512,
        swap: 512,
        unprivileged: 1,
        net0: 'name=eth0,bridge=vmbr0,firewall=1,gw=192.0.2.1,hwaddr=BC:24:11:D3:77:16,ip=192.0.2.11/24,type=veth,tag=7',
      },
      interfaces: [
        { name: 'lo', hwaddr: '00:00:00:00:00:00', inet: '127.0.0.1/8', inet6: '::1/128' },
        { name: 'eth0', hwaddr: 'bc:24:11:d3:77:16', inet: '192.0.2.11/24', inet6: 'fe80::be24:11ff:fed3:7716/64' },
      ],
    },
    disks: [root(1201)],
    sum: 8,
    but: { delete: 'guest_running', clone: 'not_possible' },
    shows: {
      type: 'container',
      ip_addresses: ['192.0.2.11'],
      networks: [{ slot: 'net0', model: 'eth0', mac: 'BC:24:11:D3:77:16', bridge: 'vmbr0', vlan: 7, ip: '192.0.2.11/24' }],
    },
  },
  {
    what: 'without a core limit',
    spec: { vmid: 1202, type: 'lxc', config: { ...base(1202, 'free'), memory: 2048 } },
    disks: [root(1202)],
    cpu: null,
    memory: 2048,
    sum: 8,
    but: still,
  },
  {
    what: 'with a part of a CPU and no memory given',
    spec: { vmid: 1203, type: 'lxc', config: { ...base(1203, 'half'), cores: 1, cpulimit: '0.5', cpuunits: 500 } },
    disks: [root(1203)],
    sum: 8,
    but: still,
  },
  {
    what: 'mount points that are volumes',
    spec: {
      vmid: 1204,
      type: 'lxc',
      config: {
        ...base(1204, 'files'),
        cores: 2,
        mp0: 'local-lvm:vm-1204-disk-1,mp=/srv,backup=1,size=100G',
        mp1: 'zfs:subvol-1204-disk-0,mp=/var/lib/db,size=1T',
        mp10: 'nfs:1204/vm-1204-disk-0.raw,mp=/mnt/n,size=2G',
      },
    },
    disks: [
      'mp0 local-lvm:vm-1204-disk-1 own disk 100',
      'mp1 zfs:subvol-1204-disk-0 own disk 1024',
      'mp10 nfs:1204/vm-1204-disk-0.raw own disk 2',
      root(1204),
    ],
    cpu: 2,
    sum: 1134,
    but: still,
  },
  {
    what: 'folders and a device of the host',
    spec: {
      vmid: 1205,
      type: 'lxc',
      config: {
        ...base(1205, 'media'),
        cores: 2,
        mp0: '/mnt/pve/media,mp=/media,ro=1',
        mp1: '/dev/mapper/vg-data,mp=/data',
        dev0: '/dev/dri/renderD128,gid=104',
        features: 'nesting=1,keyctl=1',
      },
    },
    disks: ['mp0 /mnt/pve/media host bind -', 'mp1 /dev/mapper/vg-data host disk -', root(1205)],
    cpu: 2,
    sum: 8,
    but: still,
  },
  {
    what: 'a root on ZFS',
    spec: { vmid: 1206, type: 'lxc', config: { ...base(1206, 'zfs'), rootfs: 'zfs:subvol-1206-disk-0,size=4G', cores: 1 } },
    disks: ['rootfs zfs:subvol-1206-disk-0 own disk 4'],
    sum: 4,
    but: still,
  },
  {
    what: 'a linked clone of a template',
    spec: {
      vmid: 1207,
      type: 'lxc',
      config: { ...base(1207, 'lc'), rootfs: 'zfs:basevol-9100-disk-0/subvol-1207-disk-0,size=6G', cores: 1 },
    },
    disks: ['rootfs zfs:basevol-9100-disk-0/subvol-1207-disk-0 own disk 6'],
    sum: 6,
    but: still,
  },
  {
    what: 'a template',
    spec: {
      vmid: 1208,
      type: 'lxc',
      config: { ...base(1208, 'ct-tpl'), rootfs: 'zfs:basevol-1208-disk-0,size=2G', template: 1, cores: 1 },
    },
    disks: ['rootfs zfs:basevol-1208-disk-0 own disk 2'],
    sum: 2,
    but: { start: 'guest_state', stop: 'guest_state', clone: 'not_possible' },
    shows: { template: true },
  },
  {
    what: 'without a size at its root',
    spec: { vmid: 1209, type: 'lxc', config: { ...base(1209, 'nosize'), rootfs: 'local-lvm:vm-1209-disk-0', cores: 1 } },
    disks: ['rootfs local-lvm:vm-1209-disk-0 own disk -'],
    sum: 0,
    but: still,
  },
  {
    what: 'unused volumes and snapshots',
    spec: {
      vmid: 1210,
      type: 'lxc',
      config: { ...base(1210, 'unused'), cores: 1, unused0: 'zfs:subvol-1210-disk-1', parent: 'weekly' },
      snapshots: ['weekly'],
    },
    disks: [root(1210), 'unused0 zfs:subvol-1210-disk-1 own unused -'],
    sum: 8,
    but: still,
    shows: { snapshots: 1 },
  },
  {
    what: 'two interfaces, one by DHCP and one for both families',
    spec: {
      vmid: 1211,
      type: 'lxc',
      config: {
        ...base(1211, 'multi'),
        cores: 1,
        net0: 'name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:12:11,ip=dhcp,ip6=auto,type=veth',
        net1: 'name=eth1,bridge=vnet1,hwaddr=BC:24:11:00:12:12,ip=10.1.1.2/16,gw=10.1.0.1,ip6=2001:db8::2/64,type=veth',
      },
    },
    disks: [root(1211)],
    sum: 8,
    but: still,
    shows: {
      networks: [
        { slot: 'net0', model: 'eth0', mac: 'BC:24:11:00:12:11', bridge: 'vmbr0', ip: 'dhcp', ip6: 'auto' },
        { slot: 'net1', model: 'eth1', mac: 'BC:24:11:00:12:12', bridge: 'vnet1', ip: '10.1.1.2/16', ip6: '2001:db8::2/64' },
      ],
    },
  },
  {
    what: 'locked for a backup',
    spec: { vmid: 1212, type: 'lxc', config: { ...base(1212, 'busy'), cores: 1, lock: 'backup' } },
    disks: [root(1212)],
    sum: 8,
    but: { start: 'locked', stop: 'existing', set: 'locked', delete: 'locked', clone: 'not_possible' },
  },
  {
    what: 'protected, in high availability',
    spec: { vmid: 1213, type: 'lxc', ha: 'stopped', config: { ...base(1213, 'keep'), cores: 1, protection: 1 } },
    disks: [root(1213)],
    sum: 8,
    but: { ...still, delete: 'guest_protected' },
    shows: { protection: true, ha: 'stopped' },
  },
  {
    what: 'a number as its host name, and no root at all',
    spec: { vmid: 1214, type: 'lxc', config: { hostname: 42, ostype: 'alpine', arch: 'arm64', cores: 1, memory: '64' } },
    disks: [],
    memory: 64,
    sum: 0,
    but: still,
    shows: { name: '42' },
  },
  {
    what: 'a volume of another container',
    spec: {
      vmid: 1215,
      type: 'lxc',
      config: { ...base(1215, 'share'), cores: 1, mp0: 'ceph:vm-1299-disk-0,mp=/shared,shared=1,size=50G' },
    },
    disks: ['mp0 ceph:vm-1299-disk-0 1299 disk 50', root(1215)],
    sum: 8,
    but: still,
  },
  {
    what: 'pending changes',
    spec: {
      vmid: 1216,
      type: 'lxc',
      config: { ...base(1216, 'pend'), cores: 1, memory: 512, mp0: 'local-lvm:vm-1216-disk-1,mp=/old,size=1G' },
      pending: { memory: '1024', mp0: null },
      running: true,
    },
    disks: [root(1216)],
    memory: 1024,
    sum: 8,
    but: { delete: 'guest_running', clone: 'not_possible' },
    shows: {
      pending: [
        { key: 'memory', now: '512', next: '1024' },
        { key: 'mp0', now: 'local-lvm:vm-1216-disk-1,mp=/old,size=1G', removed: true },
      ],
    },
  },
];
