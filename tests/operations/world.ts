import { afterAll, afterEach, beforeAll } from 'vitest';
import { asError, type ProxmoxMcpError } from '../../src/core/errors.ts';
import type { Plan, RequestStep } from '../../src/core/plan.ts';
import type { LimitSettings, Settings } from '../../src/core/settings.ts';
import type { OperationContext } from '../../src/operations/define.ts';
import { findOperation } from '../../src/operations/index.ts';
import { type Certificate, openAuthorities } from '../proxmox/certificates.ts';
import {
  type Behaviour,
  connectionTo,
  openClient,
  type Received,
  type ScriptedServer,
  startScripted,
  TOKEN_ID,
} from '../proxmox/server.ts';

/** A guest as Proxmox's answers show it; everything but the VMID has a default. */
export interface GuestSpec {
  vmid: number;
  type?: 'qemu' | 'lxc';
  node?: string;
  config?: Record<string, string | number>;
  /** Pending values by option; null deletes, `force` frees the volume too. */
  pending?: Record<string, string | number | null | 'force'>;
  running?: boolean;
  qmpstatus?: string;
  usedMib?: number;
  ha?: string;
  pool?: string;
  snapshots?: string[];
  addresses?: string[];
  /** What the guest agent of a VM, or the host of a container, answers about its interfaces, as it is on the wire. */
  interfaces?: object[];
  /** As in the first seconds of a guest: the list of the cluster knows neither name nor sizes. */
  fresh?: boolean;
  /** The state that the list of the cluster still shows. */
  listedAs?: string;
  /** As for a token of a pool while the guest is made: 403, and absent from the list. */
  hidden?: boolean;
}

export interface StorageSpec {
  storage: string;
  type: string;
  content: string;
  availGib?: number;
  totalGib?: number;
  shared?: number;
  active?: number;
}

export interface World {
  version?: string;
  nodes?: { node: string; status?: string; maxcpu?: number; maxmem?: number; mem?: number }[];
  storages?: Record<string, StorageSpec[]>;
  bridges?: Record<string, string[]>;
  guests?: GuestSpec[];
  volumes?: { storage: string; volid: string; content: string; sizeGib?: number; vmid?: number; parent?: string; ctime?: number }[];
  permissions?: Record<string, string[]>;
  replication?: { id: string; guest: number }[];
}

const EVERYTHING = {
  '/': [
    ...['VM.Allocate', 'VM.Audit', 'VM.Backup', 'VM.Config.Disk', 'VM.Migrate', 'SDN.Use', 'Pool.Audit'],
    ...['Datastore.Allocate', 'Datastore.AllocateSpace', 'Datastore.Audit'],
  ],
};
const GIB = 2 ** 30;
const LOCAL: StorageSpec = { storage: 'local', type: 'dir', content: 'iso,vztmpl,backup,import' };
const THIN: StorageSpec = { storage: 'local-lvm', type: 'lvmthin', content: 'images,rootdir', availGib: 200, totalGib: 500 };

/** A full VM: what a plan reads of it. */
export const webServer: GuestSpec = {
  vmid: 105,
  running: true,
  config: {
    name: 'web1',
    cores: 2,
    sockets: 1,
    memory: '2048',
    agent: '1',
    boot: 'order=scsi0;net0',
    scsi0: 'local-lvm:vm-105-disk-0,iothread=1,size=32G',
    ide2: 'local:iso/debian-12.iso,media=cdrom,size=600M',
    net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20',
    smbios1: 'uuid=11111111-1111-1111-1111-111111111111',
    vmgenid: '22222222-2222-2222-2222-222222222222',
    digest: 'a'.repeat(40),
    tags: 'prod;web',
    description: 'the shop\npassword: hunter2',
  },
  snapshots: ['before-upgrade'],
};

export const container: GuestSpec = {
  vmid: 201,
  type: 'lxc',
  running: true,
  config: {
    hostname: 'dns1',
    cores: 1,
    memory: 512,
    arch: 'amd64',
    ostype: 'debian',
    rootfs: 'local-lvm:vm-201-disk-0,size=8G',
    net0: 'name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:02,ip=dhcp',
    digest: 'c'.repeat(40),
  },
};

export const template: GuestSpec = {
  vmid: 9000,
  config: {
    name: 'debian-12-template',
    template: 1,
    cores: 2,
    memory: '1024',
    boot: 'order=scsi0',
    scsi0: 'local-lvm:base-9000-disk-0,size=3G',
    ide2: 'local-lvm:vm-9000-cloudinit,media=cdrom,size=4M',
    net0: 'virtio=BC:24:11:00:00:03,bridge=vmbr0',
    ciuser: 'debian',
    ipconfig0: 'ip=dhcp',
    sshkeys: 'ssh-ed25519%20AAAA',
    smbios1: 'uuid=99999999-9999-9999-9999-999999999999',
    digest: 'e'.repeat(40),
  },
};

export const UNLIMITED: LimitSettings = {
  maxCpu: 8192,
  maxRamMib: 2 ** 24,
  maxDiskGib: 2 ** 17,
  maxVms: 1000,
  scope: { kind: 'visible' },
};

let authorities: ReturnType<typeof openAuthorities>;
let certificate: Certificate;
const closing: (() => Promise<void>)[] = [];

/** Every plan in these tests is made through the real adapter, over HTTPS, from the world that the test describes. */
export function useWorlds(): void {
  beforeAll(() => {
    authorities = openAuthorities();
    certificate = authorities.create('world').issue();
  });
  afterEach(async () => {
    await Promise.all(closing.splice(0).map((close) => close()));
  });
  afterAll(() => authorities.remove());
}

export interface Opened {
  ctx: OperationContext;
  server: ScriptedServer;
  /** GET requests so far, without the version. */
  requests(): string[];
}

export async function openWorld(world: World, context: Partial<OperationContext> = {}, settings: Partial<Settings> = {}): Promise<Opened> {
  const server = await startScripted(certificate, (request) => answer(world, request));
  const connection = connectionTo([{ port: server.port }], { fingerprints: [certificate.fingerprint] });
  const api = openClient(connection);
  closing.push(async () => {
    await api.close();
    await server.close();
  });
  const { defaults = { node: 'pve', nodeIsExplicit: false }, limits = UNLIMITED } = settings;
  return {
    server,
    requests: () => server.received.map((r) => r.url).filter((url) => !url.startsWith('/version')),
    ctx: {
      api,
      defaults,
      limits,
      tokenId: connection.tokenId,
      claimedVmid: 120,
      fresh: [],
      reservedGib: () => 0,
      createdHere: async () => true,
      overTotals: async () => [],
      madeBy: async () => undefined,
      ...context,
    },
  };
}

/** Plans like the engine does: arguments through the schema first. */
export async function planOf(
  operation: string,
  args: object,
  world: World,
  context: Partial<OperationContext> = {},
  settings: Partial<Settings> = {},
): Promise<Plan> {
  const { ctx } = await openWorld(world, context, settings);
  return planIn(ctx, operation, args);
}

export async function planIn(ctx: OperationContext, operation: string, args: object): Promise<Plan> {
  const found = findOperation(operation);
  if (!found || !('plan' in found)) throw new Error(`${operation} has no plan`);
  return found.plan(ctx, found.input.parse(args));
}

export async function refusalOf(plan: Promise<unknown>): Promise<ProxmoxMcpError> {
  try {
    await plan;
  } catch (thrown) {
    return asError(thrown);
  }
  throw new Error('it was not refused');
}

export function requestsOf(plan: Plan): RequestStep[] {
  return plan.steps.filter((s): s is RequestStep => s.kind === 'request');
}

/** `POST /nodes/pve/qemu/105/status/stop`, … */
export function linesOf(plan: Plan): string[] {
  return requestsOf(plan).map((s) => `${s.method} ${s.path}`);
}

function refusal(status: number, reason: string, errors?: object): Behaviour {
  return { status, reason, body: JSON.stringify({ data: null, message: `${reason}\n`, ...(errors ? { errors } : {}) }) };
}

function answer(world: World, request: Received): Behaviour {
  const url = new URL(request.url, 'https://x');
  const parts = url.pathname.split('/').slice(1).map(decodeURIComponent);
  const query = Object.fromEntries(url.searchParams);
  if (request.method !== 'GET') return refusal(500, 'a plan must not change anything');
  const data = look(world, parts, query);
  return data === undefined ? refusal(501, `Method 'GET ${url.pathname}' not implemented`) : isBehaviour(data) ? data : { data };
}

function isBehaviour(data: unknown): data is Behaviour {
  return typeof data === 'object' && data !== null && 'reason' in data;
}

function look(world: World, [top, second, third, fourth, ...rest]: string[], query: Record<string, string>): unknown {
  const guests = world.guests ?? [];
  const nodes = world.nodes ?? [{ node: 'pve', maxcpu: 8, maxmem: 32 * GIB, mem: 8 * GIB }];
  if (top === 'version') return { version: world.version ?? '9.2.11', release: '9.2', repoid: 'x' };
  if (top === 'access')
    return Object.fromEntries(
      Object.entries(world.permissions ?? EVERYTHING).map(([path, p]) => [
        query.path !== undefined && path === '/' ? query.path : path,
        Object.fromEntries(p.map((name) => [name, 1])),
      ]),
    );
  if (top === 'cluster' && second === 'resources') return guests.filter((g) => !g.hidden).map(resourceRow);
  if (top === 'cluster' && second === 'replication') return world.replication ?? [];
  if (top === 'cluster' && second === 'nextid') {
    const taken = guests.some((g) => String(g.vmid) === query.vmid);
    return taken ? refusal(400, 'Parameter verification failed.', { vmid: `VM ${query.vmid} already exists` }) : (query.vmid ?? '120');
  }
  if (top !== 'nodes') return undefined;
  if (second === undefined) return nodes.map((n) => ({ status: 'online', type: 'node', ...n }));
  if (third === 'network') return (world.bridges?.[second] ?? ['vmbr0']).map((iface) => ({ iface, type: 'bridge' }));
  const storages = world.storages?.[second] ?? world.storages?.pve ?? [LOCAL, THIN];
  if (third === 'storage' && fourth === undefined) {
    return storages.map(({ availGib = 100, totalGib = 200, ...s }) => ({
      active: 1,
      enabled: 1,
      shared: 0,
      avail: availGib * GIB,
      total: totalGib * GIB,
      ...s,
    }));
  }
  if (third === 'storage') {
    return (world.volumes ?? [])
      .filter(
        (v) =>
          v.storage === fourth &&
          (query.content === undefined || v.content === query.content) &&
          (query.vmid === undefined || String(v.vmid) === query.vmid),
      )
      .map(({ sizeGib = 1, storage: _storage, ...v }) => ({ size: sizeGib * GIB, format: 'raw', ...v }));
  }
  if (fourth === undefined && (third === 'qemu' || third === 'lxc'))
    return guests.filter((g) => (g.type ?? 'qemu') === third && (g.node ?? 'pve') === second && !g.hidden).map(nodeRow);
  const guest = guests.find((g) => String(g.vmid) === fourth && (g.type ?? 'qemu') === third && (g.node ?? 'pve') === second);
  if (guest?.hidden) return refusal(403, `Permission check failed (/vms/${fourth}, VM.Audit)`);
  if (!guest) return refusal(500, `Configuration file 'nodes/${second}/qemu-server/${fourth}.conf' does not exist`);
  return guestAnswer(guest, rest.join('/'));
}

function resourceRow(g: GuestSpec): object {
  const { vmid, type = 'qemu', node = 'pve', config = {} } = g;
  const bare = {
    id: `${type}/${vmid}`,
    vmid,
    type,
    node,
    ...(g.pool ? { pool: g.pool } : {}),
    ...(g.ha ? { hastate: g.ha } : {}),
    ...(config.tags ? { tags: config.tags } : {}),
  };
  if (g.fresh) return { ...bare, status: 'unknown' };
  return {
    ...bare,
    name: config.name ?? config.hostname ?? `VM ${vmid}`,
    status: g.listedAs ?? (g.running ? 'running' : 'stopped'),
    template: config.template ?? 0,
    maxcpu: Number(config.cores ?? 1) * Number(config.sockets ?? 1),
    maxmem: Number(String(config.memory ?? 512).replace('current=', '')) * 2 ** 20,
    maxdisk: 8 * GIB,
    uptime: g.running ? 3600 : 0,
  };
}

/** As the list of a node shows a guest: current at once. */
function nodeRow(g: GuestSpec): object {
  const { vmid, type = 'qemu', config = {} } = g;
  return {
    vmid,
    name: config.name ?? config.hostname ?? (type === 'qemu' ? `VM ${vmid}` : `CT${vmid}`),
    status: g.running ? 'running' : 'stopped',
    cpus: Number(config.cores ?? 1) * Number(config.sockets ?? 1),
    maxmem: Number(String(config.memory ?? 512).replace('current=', '')) * 2 ** 20,
    maxdisk: 8 * GIB,
    ...(config.template ? { template: 1 } : {}),
    ...(config.tags ? { tags: config.tags } : {}),
  };
}

function guestAnswer(g: GuestSpec, what: string): unknown {
  const { config = {}, pending = {} } = g;
  switch (what) {
    case 'pending':
      return [...new Set([...Object.keys(config), ...Object.keys(pending)])].map((key) => ({
        key,
        ...(config[key] === undefined ? {} : { value: config[key] }),
        ...(pending[key] === undefined
          ? {}
          : pending[key] === null
            ? { delete: 1 }
            : pending[key] === 'force'
              ? { delete: 2 }
              : { pending: pending[key] }),
      }));
    case 'config':
      return config;
    case 'snapshot':
      return [
        ...(g.snapshots ?? []).map((name, i) => ({ name, snaptime: 1_700_000_000 + i })),
        { name: 'current', running: g.running ? 1 : 0, description: 'You are here!' },
      ];
    case 'status/current':
      return {
        vmid: g.vmid,
        status: g.running ? 'running' : 'stopped',
        qmpstatus: g.qmpstatus ?? (g.running ? 'running' : 'stopped'),
        uptime: g.running ? 3600 : 0,
        mem: (g.usedMib ?? 0) * 2 ** 20,
        ha: g.ha ? { managed: 1, state: g.ha } : { managed: 0 },
        ...(g.running && !g.type ? { ballooninfo: { actual: Number(config.memory ?? 512) * 2 ** 20 } } : {}),
      };
    case 'agent/network-get-interfaces':
      if (g.interfaces) return { result: g.interfaces };
      if (!g.addresses) return refusal(500, 'QEMU guest agent is not running');
      return {
        result: [
          { name: 'lo', 'ip-addresses': [{ 'ip-address': '127.0.0.1' }] },
          { name: 'eth0', 'ip-addresses': g.addresses.map((a) => ({ 'ip-address': a })) },
        ],
      };
    case 'interfaces':
      return g.interfaces ?? [{ name: 'lo', inet: '127.0.0.1/8' }, ...(g.addresses ?? []).map((a) => ({ name: 'eth0', inet: `${a}/24` }))];
    default:
      return undefined;
  }
}

export { TOKEN_ID };
