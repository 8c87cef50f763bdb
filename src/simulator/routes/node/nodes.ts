import { X509Certificate } from 'node:crypto';
import { may } from '../../access/permissions.ts';
import { type Context, nodeOf, type Routes, seconds, text, Wider, zoneOfBridge } from '../../context.ts';
import { readData } from '../../data.ts';
import { invalid } from '../../errors.ts';
import type { NodeDoc } from '../../model.ts';
import { nodeGauges } from '../cluster.ts';
import { VERSION } from '../version.ts';

type Row = Record<string, unknown>;

function status(context: Context): unknown {
  const node = context.world.get('node', nodeOf(context));
  if (!node) return null;
  const { cpu, mem, uptime } = nodeGauges(context.world, node, context.at);
  return {
    cpu,
    wait: 0,
    idle: 0,
    uptime,
    loadavg: ['0.29', '0.31', '0.30'],
    kversion: 'Linux 6.17.2-1-pve',
    'current-kernel': { sysname: 'Linux', release: '6.17.2-1-pve', version: '#1 SMP PREEMPT_DYNAMIC PMX 6.17.2-1', machine: 'x86_64' },
    pveversion: `pve-manager/${VERSION.version}/${VERSION.repoid}`,
    'boot-info': { mode: 'legacy-bios' },
    cpuinfo: {
      cpus: node.cpus,
      cores: node.cpus,
      sockets: 1,
      mhz: '2596.128',
      model: 'Simulated CPU',
      vendor: 'AuthenticAMD',
      family: '25',
      user_hz: 100,
      hvm: '',
      flags: '',
    },
    memory: { total: node.memory, used: mem, free: node.memory - mem, available: node.memory - mem },
    swap: { total: 0, used: 0, free: 0 },
    rootfs: { total: node.rootTotal, used: node.rootUsed, free: node.rootTotal - node.rootUsed, avail: node.rootTotal - node.rootUsed },
    ksm: { shared: 0 },
  };
}

const INTERFACE = { method6: 'manual', families: ['inet'] };

function bridgeRow({ iface, cidr, comment, vlanAware, pending }: NodeDoc['bridges'][number], priority: number): Row {
  const [address, netmask] = cidr?.split('/') ?? [];
  return {
    ...INTERFACE,
    iface,
    type: 'bridge',
    autostart: 1,
    priority,
    bridge_ports: '',
    bridge_stp: 'off',
    bridge_fd: '0',
    method: cidr ? 'static' : 'manual',
    ...(pending ? {} : { active: 1 }),
    ...(vlanAware ? { bridge_vlan_aware: 1 } : {}),
    ...(cidr ? { cidr, address, netmask } : {}),
    ...(comment ? { comments: `${comment}\n` } : {}),
  };
}

const FIRST_PRIORITY = 3;

function interfaces(node: NodeDoc | undefined): Row[] {
  const cards = (node?.cards ?? [{ iface: 'eth0' }]).map(({ iface, pending }, index) => ({
    ...INTERFACE,
    iface,
    type: 'eth',
    method: 'manual',
    ...(pending ? {} : { exists: 1, active: 1 }),
    priority: FIRST_PRIORITY + index,
  }));
  return [
    ...cards,
    ...(node?.staged ?? node?.bridges ?? [])
      .filter(({ vnet }) => !vnet)
      .map((bridge, index) => bridgeRow(bridge, FIRST_PRIORITY + cards.length + index)),
  ];
}

/** Bridges that the network of the cluster has made on the node. */
const virtualNetworks = (node: NodeDoc | undefined): Row[] =>
  (node?.bridges ?? []).filter(({ vnet }) => vnet).map(({ iface }) => ({ iface, type: 'vnet', active: 1 }));

/** Bridges are filtered by their zone's privileges, cards are not; what is about to change is told to every caller, hidden bridges included. */
function networks(context: Context): unknown {
  const { world, who } = context;
  const node = world.get('node', nodeOf(context));
  const type = text(context, 'type');
  const wanted = (row: Row) =>
    type === undefined || type === 'include_sdn' || row.type === type || (row.type === 'bridge' && /^any(_local)?_bridge$/.test(type));
  const rows = [...interfaces(node), ...(/^(include_sdn|any_bridge|vnet)$/.test(type ?? '') ? virtualNetworks(node) : [])]
    .filter((row) => wanted(row) || row.type === 'vnet')
    .filter((row) => {
      const path = `/sdn/zones/${zoneOfBridge(world, String(row.iface))}/${row.iface}`;
      return row.type === 'eth' || may(world, who, path, ['SDN.Audit', 'SDN.Use'], true);
    });
  return node?.networkChanges === undefined ? rows : new Wider(rows, { changes: node.networkChanges });
}

function network(context: Context): unknown {
  const found = interfaces(context.world.get('node', nodeOf(context))).find(({ iface }) => iface === text(context, 'iface'));
  const { iface: _iface, ...rest } = found ?? invalid({ iface: 'interface does not exist' });
  return rest;
}

/** IPv6 addresses are printed in full. */
const longAddress = (name: string): string =>
  name.includes(':')
    ? name
        .split(':')
        .map((group) => group.padStart(4, '0'))
        .join(':')
    : name;

function describeCertificate(pem: string, filename: string) {
  const certificate = new X509Certificate(pem);
  const slashed = (name: string) => `/${name.split('\n').join('/').replaceAll('\\,', ',')}`;
  const key = certificate.publicKey.asymmetricKeyDetails;
  return {
    filename,
    fingerprint: certificate.fingerprint256,
    subject: slashed(certificate.subject),
    issuer: slashed(certificate.issuer),
    notbefore: seconds(Date.parse(certificate.validFrom)),
    notafter: seconds(Date.parse(certificate.validTo)),
    'public-key-type': 'rsaEncryption',
    'public-key-bits': key?.modulusLength ?? 2048,
    san: certificate.subjectAltName?.split(', ').map((name) => longAddress(name.replace(/^(IP Address|DNS):/, ''))) ?? [],
    pem,
  };
}

/** Models of the recorded release. */
const cpuModels = (): unknown => (JSON.parse(readData('cpu-models.json')) as { models: unknown }).models;

export const NODE_ROUTES: Routes = {
  'GET /nodes/{node}/status': status,
  'GET /nodes/{node}/network': networks,
  'GET /nodes/{node}/network/{iface}': network,
  'GET /nodes/{node}/certificates/info': ({ certificates }) => [
    describeCertificate(certificates.ca, 'pve-root-ca.pem'),
    describeCertificate(certificates.cert, 'pve-ssl.pem'),
  ],
  'GET /nodes/{node}/capabilities': () => [{ name: 'qemu' }],
  'GET /nodes/{node}/capabilities/qemu': () => ['cpu', 'cpu-flags', 'machines', 'migration'].map((name) => ({ name })),
  'GET /nodes/{node}/capabilities/qemu/cpu': cpuModels,
  'GET /nodes/{node}/capabilities/qemu/machines': () => (JSON.parse(readData('machines.json')) as { machines: unknown }).machines,
};
