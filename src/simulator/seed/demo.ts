import { canSnapshot, findStorage, isFileBased, saveVolume } from '../guest/volumes.ts';
import type { Config, Guest, Snapshot } from '../model.ts';
import { stamp } from '../routes/backup/guest.ts';
import type { World } from '../world.ts';
import { seedHistory } from './history.ts';
import { addGuest, addNode, addStorage, addToken, addVolume, grant, seedMac, seedUuid } from './parts.ts';
import { LEAST_PRIVILEGE_ROLES, SEED_TOKENS } from './tokens.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const DAY = 86_400_000;

/** A small, ordinary cluster of two nodes; without guests when they are not wanted. */
export function seedDemo(world: World, withGuests: boolean): void {
  addNode(world, { node: 'pve', ip: '192.0.2.2', bridges: bridges('10.77.0.1/24') });
  addNode(world, { node: 'pve2', ip: '192.0.2.3', bridges: bridges('10.77.0.2/24') });
  addStorage(world, { storage: 'local', type: 'dir', content: ['iso', 'vztmpl', 'backup', 'import', 'snippets'], path: '/var/lib/vz' });
  addStorage(world, {
    storage: 'local-lvm',
    type: 'lvmthin',
    content: ['images', 'rootdir'],
    total: 400 * GIB,
    base: 0,
    extra: { vgname: 'pve', thinpool: 'data' },
  });
  const nas = {
    content: ['images', 'rootdir', 'iso', 'backup'],
    path: '/mnt/pve/nas',
    extra: { server: '192.0.2.9', export: '/export/pve' },
  };
  addStorage(world, { storage: 'nas', type: 'nfs', shared: true, total: 2048 * GIB, base: 310 * GIB, ...nas });
  const tank = { content: ['images', 'rootdir'], nodes: ['pve2'], total: 100 * GIB, base: 99 * GIB, extra: { pool: 'tank' } };
  addStorage(world, { storage: 'tank', type: 'zfspool', ...tank });
  world.put('pool', 'agents', { poolid: 'agents', comment: 'guests of the MCP server', vms: [], storage: [] });
  world.put('pool', 'prod', { poolid: 'prod', comment: 'production, handle with care', vms: [], storage: [] });
  seedAccess(world);
  seedSources(world);
  if (withGuests) seedGuests(world);
}

const bridges = (cidr: string) => [
  { iface: 'vmbr0', cidr, comment: 'LAN' },
  { iface: 'vmbr1', comment: 'lab, no uplink' },
];

function seedAccess(world: World): void {
  for (const [roleid, privs] of Object.entries(LEAST_PRIVILEGE_ROLES)) world.put('role', roleid, { roleid, privs });
  world.put('user', 'agent@pve', { userid: 'agent@pve', comment: 'agents', email: '', enable: 1, expire: 0 });
  world.put('user', 'mcp@pve', { userid: 'mcp@pve', comment: 'MCP server', email: '', enable: 1, expire: 0 });
  addToken(world, SEED_TOKENS.full, 0);
  addToken(world, SEED_TOKENS.noAcl, 1);
  addToken(world, SEED_TOKENS.readOnly, 1);
  addToken(world, SEED_TOKENS.leastPrivilege, 1);
  grant(world, '/', 'agent@pve', 'Administrator');
  grant(world, '/', SEED_TOKENS.readOnly.id, 'PVEAuditor');
  for (const who of ['mcp@pve', SEED_TOKENS.leastPrivilege.id]) {
    grant(world, '/pool/agents', who, 'McpGuest');
    grant(world, '/vms/9000', who, 'McpTemplate');
    for (const storage of ['local-lvm', 'nas']) grant(world, `/storage/${storage}`, who, 'McpStore');
    grant(world, '/storage/local', who, 'McpIso');
    grant(world, '/sdn/zones/localnetwork/vmbr0', who, 'McpNet');
    for (const node of ['pve', 'pve2']) grant(world, `/nodes/${node}`, who, 'McpNode');
  }
}

function seedSources(world: World): void {
  for (const node of ['pve', 'pve2']) {
    addVolume(world, { volid: 'local:iso/debian-12.iso', node, content: 'iso', format: 'iso', size: 631 * MIB, used: 631 * MIB });
    addVolume(world, {
      volid: 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst',
      node,
      content: 'vztmpl',
      format: 'tzst',
      size: 120 * MIB,
      used: 120 * MIB,
    });
  }
  addVolume(world, {
    volid: 'local:import/debian-12-genericcloud-amd64.qcow2',
    node: 'pve',
    content: 'import',
    format: 'qcow2',
    size: 3 * GIB,
    used: 330 * MIB,
  });
  addVolume(world, { volid: 'nas:iso/virtio-win.iso', content: 'iso', format: 'iso', size: 710 * MIB, used: 710 * MIB });
}

interface Wish extends Partial<Omit<Guest, 'config' | 'running'>> {
  vmid: number;
  name: string;
  storage: string;
  /** GiB */
  disk: number;
  /** MiB */
  memory: number;
  cores?: number;
  up?: boolean;
  pool?: string;
  config?: Config;
  cloudInit?: boolean;
}

/** One guest with its volumes, as if created through the API long ago. */
function add(world: World, wish: Wish): void {
  const { vmid, name, storage, disk, memory, cores = 1, up = false, pool, cloudInit = false, config = {}, ...rest } = wish;
  const node = rest.node ?? 'pve';
  const kept = findStorage(world, storage);
  const base = config.template === '1' ? 'base' : 'vm';
  const volumeName = (label: string, format: string) =>
    isFileBased(kept) ? `${storage}:${vmid}/${label}.${format}` : `${storage}:${label}`;
  const format = isFileBased(kept) ? 'qcow2' : 'raw';
  const volid = volumeName(`${base}-${vmid}-disk-0`, rest.type === 'lxc' ? 'raw' : format);
  const at = kept.shared ? '' : node;
  const content = rest.type === 'lxc' ? 'rootdir' : 'images';
  addVolume(world, { volid, node: at, content, format, size: disk * GIB, vmid });
  const common: Config = { cores: String(cores), memory: String(memory) };
  let own: Config;
  if (rest.type === 'lxc') {
    const net0 = `name=eth0,bridge=vmbr0,hwaddr=${seedMac(vmid)},ip=10.77.0.${vmid % 250}/24,gw=10.77.0.1,type=veth`;
    own = { hostname: name, arch: 'amd64', ostype: 'debian', unprivileged: '1', swap: '512', net0, rootfs: `${volid},size=${disk}G` };
  } else {
    own = {
      name,
      ostype: 'l26',
      scsihw: 'virtio-scsi-single',
      scsi0: `${volid},discard=on,iothread=1,size=${disk}G`,
      net0: `virtio=${seedMac(vmid)},bridge=vmbr0`,
      boot: 'order=scsi0;net0',
      agent: '1',
      smbios1: `uuid=${seedUuid(vmid)}`,
      vmgenid: seedUuid(vmid + 500_000),
      meta: 'creation-qemu=10.1.2,ctime=1760000000',
    };
  }
  if (cloudInit) {
    const drive = volumeName(`vm-${vmid}-cloudinit`, 'qcow2');
    addVolume(world, { volid: drive, node: at, content: 'images', format, size: 4 * MIB, vmid });
    Object.assign(own, { ide2: `${drive},media=cdrom,size=4M`, ciuser: 'debian', ipconfig0: 'ip=dhcp' });
  }
  const running = up ? { running: { since: world.now() - 3 * DAY - vmid * 60_000, pid: 2_000 + vmid } } : {};
  addGuest(world, { vmid, ...rest, node, config: { ...own, ...common, ...config }, ...running });
  const members = pool === undefined ? undefined : world.get('pool', pool);
  if (members) world.put('pool', members.poolid, { ...members, vms: [...members.vms, vmid] });
}

function seedGuests(world: World): void {
  const production = { pool: 'prod', up: true };
  add(world, {
    vmid: 100,
    name: 'web1',
    storage: 'local-lvm',
    disk: 16,
    memory: 1024,
    config: { tags: 'prod;web', onboot: '1' },
    ...production,
  });
  add(world, {
    vmid: 101,
    name: 'web2',
    storage: 'local-lvm',
    disk: 16,
    memory: 1024,
    node: 'pve2',
    config: { tags: 'prod;web', onboot: '1' },
    ...production,
  });
  add(world, { vmid: 102, name: 'db1', storage: 'nas', disk: 32, memory: 2048, cores: 2, config: { tags: 'db;prod' }, ...production });
  world.put('ha', 'vm:102', { sid: 'vm:102', vmid: 102, state: 'started' });
  const deaf = {
    inside: { acpi: false, agent: false },
    config: { ostype: 'win10', tags: 'legacy', description: 'ignores the power button' },
  };
  add(world, { vmid: 103, name: 'legacy-erp', storage: 'local-lvm', disk: 20, memory: 1024, up: true, ...deaf });
  withoutAgent(world, 103);
  add(world, { vmid: 104, name: 'build1', storage: 'nas', disk: 16, memory: 1024, pool: 'agents', config: { tags: 'dev' } });
  addSnapshots(world, 104);
  add(world, {
    vmid: 105,
    name: 'dev1',
    storage: 'local-lvm',
    disk: 8,
    memory: 512,
    pool: 'agents',
    cloudInit: true,
    config: { tags: 'dev' },
  });
  add(world, {
    vmid: 106,
    name: 'vault',
    storage: 'local-lvm',
    disk: 8,
    memory: 512,
    up: true,
    config: { protection: '1', tags: 'infra' },
  });
  add(world, {
    vmid: 107,
    name: 'monitor',
    storage: 'local-lvm',
    disk: 16,
    memory: 1024,
    up: true,
    node: 'pve2',
    config: { tags: 'infra' },
  });
  add(world, { vmid: 200, type: 'lxc', name: 'dns1', storage: 'local-lvm', disk: 4, memory: 256, up: true, config: { tags: 'infra' } });
  add(world, { vmid: 201, type: 'lxc', name: 'cache1', storage: 'local-lvm', disk: 4, memory: 256, node: 'pve2' });
  const template = { template: '1', serial0: 'socket', vga: 'serial0', tags: 'template' };
  add(world, { vmid: 9000, name: 'debian-12-template', storage: 'local-lvm', disk: 3, memory: 512, cloudInit: true, config: template });
  add(world, { vmid: 9001, name: 'ubuntu-24-template', storage: 'nas', disk: 4, memory: 512, cloudInit: true, config: template });
  addBackup(world, { vmid: 102, storage: 'nas', days: 0.6 });
  addBackup(world, { vmid: 102, storage: 'nas', days: 7.6 });
  addBackup(world, { vmid: 103, storage: 'nas', days: 40, notes: 'before the year-end closing' });
  world.put('job', 'backup-nightly', {
    id: 'backup-nightly',
    type: 'vzdump',
    schedule: '02:30',
    enabled: 1,
    storage: 'nas',
    pool: 'prod',
    mode: 'snapshot',
  });
  seedHistory(world);
}

function withoutAgent(world: World, vmid: number): void {
  const guest = world.guest(vmid);
  if (!guest) return;
  const { agent: _agent, ...config } = guest.config;
  world.saveGuest({ ...guest, config }, 0);
}

function addBackup(world: World, { vmid, storage, days, notes }: { vmid: number; storage: string; days: number; notes?: string }): void {
  const guest = world.guest(vmid);
  if (!guest) return;
  const at = world.now() - days * DAY;
  const volid = `${storage}:backup/vzdump-${guest.type}-${vmid}-${stamp(at, ['_', '-', '_'])}.vma.zst`;
  const size = 3 * GIB;
  saveVolume(world, {
    ...{ volid, storage, node: '', content: 'backup', format: 'vma.zst', size, used: size, vmid, subtype: guest.type },
    ctime: Math.floor(at / 1000),
    config: guest.config,
    ...(notes === undefined ? {} : { notes }),
  });
}

function addSnapshots(world: World, vmid: number): void {
  const guest = world.guest(vmid);
  const volume = [...world.all('volume').values()].find((candidate) => candidate.vmid === vmid);
  if (!guest || !volume || !canSnapshot(findStorage(world, volume.storage), volume)) return;
  const taken = Math.floor(world.now() / 1000);
  const clean: Snapshot = { config: guest.config, snaptime: taken - 20 * 86_400, description: 'fresh install' };
  const upgrade: Snapshot = {
    config: guest.config,
    snaptime: taken - 2 * 86_400,
    description: 'before the toolchain upgrade',
    parent: 'clean',
  };
  world.saveGuest({ ...guest, snapshots: { clean, 'before-upgrade': upgrade }, parent: 'before-upgrade' }, 0);
}
