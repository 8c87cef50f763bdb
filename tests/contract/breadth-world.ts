import { BUILT_IN_ROLES } from '../../src/simulator/access/roles.ts';
import { SEED_TOKENS } from '../../src/simulator/index.ts';
import { addGuest, addNode, addStorage, addToken, addVolume, grant } from '../../src/simulator/seed/parts.ts';
import type { World } from '../../src/simulator/world.ts';
import { RECORDED_ROLES } from './recorded-roles.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const TOTAL = 270_553_174_016;
/** The web server of the session. */
const SITE = 'http://192.0.2.80';
const AGENT = { id: 'mcp@pve!agent', secret: '5eed0000-0000-4000-8000-000000000009' };

/** Rights of the token of the README, as the recording describes them. */
const RIGHTS: [string, string][] = [
  ['/pool/agents', 'McpGuest'],
  ['/vms/9000', 'McpTemplate'],
  ['/storage/local', 'McpStore'],
  ['/sdn/zones/localnetwork/vmbr0', 'McpNet'],
  ['/nodes/pve', 'McpNode'],
];

/** Guests that were there before, by what the list of the node says of them: id, name, MiB, GiB. */
const BEFORE: [number, string, number, number][] = [
  [100, 'web1', 512, 1],
  [101, 'o1', 64, 1],
  [102, 'ag1', 256, 1],
  [103, 'mcp1', 256, 1],
  [104, 'net1', 64, 1],
  [105, 'pc2', 256, 1],
  [106, 'pc3', 256, 1],
  [109, 'pc1', 256, 1],
  [111, 'd2', 64, 1],
  [150, 'iso1', 128, 2],
  [300, 'c3', 256, 1],
];

/** The installation on which the wider recordings were made, as it stood at their first exchange. */
export function seedBreadth(world: World): void {
  for (const role of BUILT_IN_ROLES) world.put('role', role.roleid, role);
  world.put('user', 'root@pam', { userid: 'root@pam', email: 'root@localhost', enable: 1, expire: 0 });
  world.put('user', 'mcp@pve', { userid: 'mcp@pve', enable: 1, expire: 0 });
  world.put('options', 'datacenter', { mac_prefix: 'BC:24:11', description: '' });
  world.setFlag('token', 'recordingFull');
  addNode(world, {
    node: 'pve',
    cpus: 2,
    memory: 25_325_268_992,
    rootTotal: TOTAL,
    rootUsed: 31 * GIB,
    bootedAt: world.now() - 8_400_000,
    cards: [],
  });
  const size = { total: TOTAL, base: 31_915_278_336 };
  const all = ['import', 'vztmpl', 'backup', 'iso', 'snippets', 'images'];
  addStorage(world, { storage: 'local', type: 'dir', content: all, path: '/var/lib/vz', ...size });
  addStorage(world, { storage: 'isoonly', type: 'dir', content: ['iso'], path: '/var/lib/isoonly', ...size });
  const extra = { preallocation: 'off' };
  addStorage(world, { storage: 'store2', type: 'dir', content: ['rootdir', 'images'], path: '/var/lib/store2', extra, ...size });
  world.put('pool', 'agents', { poolid: 'agents', comment: 'guests of the MCP server', vms: [], storage: [] });
  addToken(world, SEED_TOKENS.recordingFull, 0);
  addToken(world, AGENT, 1);
  for (const [roleid, privs] of Object.entries(RECORDED_ROLES)) world.put('role', roleid, { roleid, privs });
  for (const [path, role] of RIGHTS) for (const who of ['mcp@pve', AGENT.id]) grant(world, path, who, role);
  const iso = { size: 300_000, mimetype: 'application/x-iso9660-image' };
  const sha256 = 'cc5b747fa9bfd71231b2f5cf9be3cd39f94274261afc2c17998612200bcf9747';
  for (const name of ['x', 'y']) world.put('site', `${SITE}/${name}.iso`, { url: `${SITE}/${name}.iso`, ...iso, sums: { sha256 } });
  const image = { url: `${SITE}/img.qcow2`, size: 19_660_800, mimetype: 'application/octet-stream' };
  world.put('site', image.url, image);
  seedGuests(world);
}

function seedGuests(world: World): void {
  const node = 'pve';
  const disk = (vmid: number, name: string, size = GIB) =>
    addVolume(world, { volid: `local:${vmid}/${name}`, node, content: 'images', format: 'qcow2', size, used: 331_776, vmid });
  const source = (volid: string, content: 'iso' | 'import', format: string, size: number, virtual = size) =>
    addVolume(world, { volid, node, content, format, size, used: size, virtual });
  source('local:import/debian-tiny.qcow2', 'import', 'qcow2', 18 * MIB + 786_432, 64 * MIB);
  source('local:iso/debian-13-netinst.iso', 'iso', 'iso', 358_400);
  source('isoonly:iso/other.iso', 'iso', 'iso', 358_400);
  for (const [vmid, name, memory, gib] of BEFORE) {
    disk(vmid, `vm-${vmid}-disk-0.qcow2`, gib * GIB);
    const scsi0 = `local:${vmid}/vm-${vmid}-disk-0.qcow2,size=${gib}G`;
    addGuest(world, { vmid, config: { name, memory: String(memory), scsi0, boot: 'order=scsi0' } });
  }
  disk(9000, 'base-9000-disk-0.qcow2');
  disk(9000, 'vm-9000-cloudinit.qcow2', 4 * MIB);
  const template = {
    name: 'tmpl9000',
    memory: '256',
    cores: '1',
    agent: '1',
    template: '1',
    scsihw: 'virtio-scsi-single',
    scsi0: 'local:9000/base-9000-disk-0.qcow2,size=1G',
    ide2: 'local:9000/vm-9000-cloudinit.qcow2,media=cdrom',
    net0: 'virtio=BC:24:11:00:90:00,bridge=vmbr0',
    serial0: 'socket',
    boot: 'order=scsi0',
    ostype: 'l26',
  };
  addGuest(world, { vmid: 9000, config: template });
}

export const BREADTH_TOKENS = [AGENT];
