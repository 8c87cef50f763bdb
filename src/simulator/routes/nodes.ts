import { X509Certificate } from 'node:crypto';
import { type Context, nodeOf, type Routes, seconds, text } from '../context.ts';
import { readData } from '../data.ts';
import { may } from '../permissions.ts';
import { nodeGauges } from './cluster.ts';
import { VERSION } from './version.ts';

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

function network(context: Context): unknown {
  const { world, who } = context;
  const node = world.get('node', nodeOf(context));
  const type = text(context, 'type');
  const base = { active: 1, method6: 'manual', families: ['inet'] };
  const bridges = (node?.bridges ?? [])
    .filter((bridge) => may(world, who, `/sdn/zones/localnetwork/${bridge.iface}`, ['SDN.Audit', 'SDN.Use'], true))
    .map(({ iface, cidr, comment }, index) => {
      const [address, prefix] = cidr?.split('/') ?? [];
      return {
        ...base,
        iface,
        type: 'bridge',
        autostart: 1,
        priority: 4 + index,
        bridge_ports: '',
        bridge_stp: 'off',
        bridge_fd: '0',
        method: cidr ? 'static' : 'manual',
        ...(cidr ? { cidr, address, netmask: prefix } : {}),
        ...(comment ? { comments: `${comment}\n` } : {}),
      };
    });
  if (type === 'any_bridge' || type === 'bridge' || type === 'any_local_bridge') return bridges;
  const cards = [{ ...base, iface: 'eth0', type: 'eth', method: 'manual', exists: 1, priority: 3 }];
  if (type === 'eth') return cards;
  return type === undefined ? [...cards, ...bridges] : [];
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
  'GET /nodes/{node}/network': network,
  'GET /nodes/{node}/certificates/info': ({ certificates }) => [
    describeCertificate(certificates.ca, 'pve-root-ca.pem'),
    describeCertificate(certificates.cert, 'pve-ssl.pem'),
  ],
  'GET /nodes/{node}/capabilities/qemu/cpu': cpuModels,
  'GET /nodes/{node}/config': () => ({}),
};
