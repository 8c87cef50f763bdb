import { may, privileges, stepsOf } from '../access/permissions.ts';
import { type Context, integer, type Routes, seconds, text } from '../context.ts';
import { invalid, refuse } from '../errors.ts';
import { gauges, publicRow } from '../guest/status.ts';
import { hasStorage, usage } from '../guest/volumes.ts';
import type { Guest, NodeDoc, Pool } from '../model.ts';
import type { World } from '../world.ts';
import { VERSION } from './version.ts';

type Row = Record<string, unknown>;

/** Pool of every member. */
function poolsByVmid(world: World): Map<number, string> {
  return new Map([...world.all('pool').values()].flatMap((pool) => pool.vms.map((vmid): [number, string] => [vmid, pool.poolid])));
}

/** How long the cluster keeps what a status daemon has last said, ms. */
const KEPT = 300_000;

/** Whether anything that the node's status daemon has said still counts. */
export function isHeard(world: World, node: NodeDoc | undefined, at: number): boolean {
  return node?.online === true && at - world.lastTick(at, node.node) < Math.max(2, world.scaled(KEPT));
}

const statics = new WeakMap<World, { state: string; rows: Map<number, Row> }>();

/** The rows the status daemons know at this moment; they are the same until the next round or the next change. */
function guestRows(world: World, at: number): Map<number, Row> {
  const heard = new Set([...world.all('node').values()].filter((node) => isHeard(world, node, at)).map(({ node }) => node));
  const state = [world.version(), world.lastTick(at), ...heard].join(' ');
  const cached = statics.get(world);
  if (cached?.state === state) return cached.rows;
  const pools = poolsByVmid(world);
  const rowOf = (guest: Guest) =>
    guestRow(world, guest, heard.has(guest.node) ? world.lastTick(at, guest.node) : undefined, pools.get(guest.vmid));
  const rows = new Map([...world.guests().values()].map((guest) => [guest.vmid, rowOf(guest)]));
  statics.set(world, { state, rows });
  return rows;
}

/**
 * Name, status and sizes come from the status daemon's last round; who is where, lock, tags and pool from the cluster state, at once.
 * A guest that no round has seen yet, or whose node has been silent for long (no tick), has status `unknown` and no name.
 */
function guestRow(world: World, guest: Guest, tick: number | undefined, pool: string | undefined): Row {
  const row: Row = { id: `${guest.type}/${guest.vmid}`, type: guest.type, vmid: guest.vmid, node: guest.node };
  if (guest.config.lock) row.lock = guest.config.lock;
  if (guest.config.tags) row.tags = guest.config.tags;
  if (pool !== undefined) row.pool = pool;
  const ha = world.get('ha', `${guest.type === 'qemu' ? 'vm' : 'ct'}:${guest.vmid}`);
  if (ha) row.hastate = ha.state;
  if (tick === undefined) return { ...row, status: 'unknown' };
  const seen = guest.changedAt <= tick ? publicRow(guest, tick, world.get('node', guest.node)?.cpus) : guest.broadcast;
  return { ...row, ...(seen ?? { status: 'unknown' }) };
}

function nodeRow(context: Context, node: NodeDoc): Row {
  const row: Row = { id: `node/${node.node}`, type: 'node', node: node.node };
  if (!node.online) return { ...row, status: 'offline' };
  if (!isHeard(context.world, node, context.at)) return { ...row, status: 'unknown' };
  const seen: Row = { ...row, status: 'online', level: '' };
  if (!may(context.world, context.who, `/nodes/${node.node}`, ['Sys.Audit'])) return seen;
  return { ...seen, ...nodeGauges(context.world, node, context.at) };
}

export function nodeGauges(world: World, node: NodeDoc, at: number) {
  const running = [...world.guests().values()].filter((guest) => guest.node === node.node && guest.running);
  const used = running.reduce((sum, guest) => sum + gauges(guest, at).mem, node.memory * 0.06);
  return {
    cpu: Math.min(0.95, 0.03 + running.length * 0.02),
    maxcpu: node.cpus,
    mem: Math.min(node.memory, Math.floor(used)),
    maxmem: node.memory,
    disk: node.rootUsed,
    maxdisk: node.rootTotal,
    uptime: Math.max(0, seconds(at - node.bootedAt)),
  };
}

function storageRows(context: Context): Row[] {
  const { world, who } = context;
  const rows: Row[] = [];
  for (const node of world.all('node').values()) {
    for (const storage of world.all('storage').values()) {
      if (storage.disabled || !hasStorage(storage, node.node) || !may(world, who, `/storage/${storage.storage}`, ['Datastore.Audit']))
        continue;
      const { total, used } = usage(world, storage, node.node);
      const seen = isHeard(world, node, context.at);
      rows.push({
        id: `storage/${node.node}/${storage.storage}`,
        type: 'storage',
        storage: storage.storage,
        node: node.node,
        status: seen ? 'available' : 'unknown',
        plugintype: storage.type,
        content: storage.content.join(','),
        shared: storage.shared ? 1 : 0,
        ...(seen ? { disk: used, maxdisk: total } : {}),
      });
    }
  }
  return rows;
}

/** Sums over the running members, the uptime being the longest; nothing while none runs. */
function poolGauges(world: World, pool: Pool, at: number): Row {
  const rows = pool.vms.map((vmid) => guestRows(world, at).get(vmid)).filter((row) => Number(row?.uptime) > 0) as Record<string, number>[];
  if (rows.length === 0) return {};
  const sum = (of: (row: Record<string, number>) => number) => rows.reduce((total, row) => total + of(row), 0);
  const maxcpu = sum((row) => Number(row.maxcpu));
  return {
    cpu: sum((row) => Number(row.cpu) * Number(row.maxcpu)) / maxcpu,
    maxcpu,
    mem: sum((row) => Number(row.mem)),
    maxmem: sum((row) => Number(row.maxmem)),
    uptime: Math.max(...rows.map((row) => Number(row.uptime))),
  };
}

function resources(context: Context): Row[] {
  const { world, who, at } = context;
  const type = text(context, 'type');
  const wants = (kind: string) => type === undefined || type === kind;
  const rows: Row[] = [];
  if (type === undefined) {
    for (const pool of world.all('pool').values()) {
      if (may(world, who, `/pool/${pool.poolid}`, ['Pool.Audit']))
        rows.push({ id: `/pool/${pool.poolid}`, type: 'pool', pool: pool.poolid, ...poolGauges(world, pool, at) });
    }
  }
  if (wants('vm')) {
    for (const [vmid, row] of guestRows(world, at)) {
      if (!may(world, who, `/vms/${vmid}`, ['VM.Audit'])) continue;
      const { pool, ...rest } = row;
      rows.push(pool !== undefined && may(world, who, `/pool/${pool}`, ['Pool.Audit']) ? row : pool === undefined ? row : rest);
    }
  }
  if (wants('node')) for (const node of world.all('node').values()) rows.push({ ...nodeRow(context, node), 'cgroup-mode': 1 });
  if (wants('storage')) rows.push(...storageRows(context));
  if (wants('sdn')) {
    for (const node of world.all('node').values()) {
      if (!may(world, who, '/sdn/zones/localnetwork', ['SDN.Audit'])) continue;
      const id = `network/${node.node}/zone/localnetwork`;
      rows.push({ id, type: 'network', network: 'localnetwork', 'network-type': 'zone', node: node.node, status: 'ok' });
    }
  }
  return rows;
}

/** Members as `GET /pools` shows them: the same rows without what the cluster state adds. */
export function poolMember(world: World, vmid: number, at: number): Row | undefined {
  const row = guestRows(world, at).get(vmid);
  if (!row) return undefined;
  const { pool: _pool, tags: _tags, lock: _lock, hastate: _hastate, ...rest } = row;
  return rest;
}

const LOWEST = 100;

function nextId(context: Context): string {
  const { world } = context;
  const wanted = integer(context, 'vmid');
  if (wanted !== undefined) {
    if (world.guest(wanted)) invalid({ vmid: `VM ${wanted} already exists` });
    return String(wanted);
  }
  const taken = world.guests();
  for (let vmid = LOWEST; vmid < 1_000_000; vmid += 1) if (!taken.has(vmid)) return String(vmid);
  return refuse('unable to get any free VMID in range [100, 1000000]');
}

function clusterStatus(context: Context): Row[] {
  const nodes = [...context.world.all('node').values()];
  const rows: Row[] = nodes.map((node, index) => ({
    id: `node/${node.node}`,
    type: 'node',
    name: node.node,
    nodeid: nodes.length > 1 ? index + 1 : 0,
    ip: node.ip,
    local: index === 0 ? 1 : 0,
    online: node.online ? 1 : 0,
    level: '',
  }));
  if (nodes.length < 2) return rows;
  const online = nodes.filter((node) => node.online).length;
  return [
    { id: 'cluster', type: 'cluster', name: 'demo', nodes: nodes.length, quorate: online * 2 > nodes.length ? 1 : 0, version: 2 },
    ...rows,
  ];
}

function options(context: Context): unknown {
  const { world, who } = context;
  const tags = [...world.guests().values()]
    .filter((guest) => guest.config.tags && may(world, who, `/vms/${guest.vmid}`, ['VM.Audit']))
    .flatMap((guest) => (guest.config.tags as string).split(';'));
  const allowed = { 'allowed-tags': [...new Set(tags)].sort() };
  return may(world, who, '/', ['Sys.Audit']) ? { ...world.get('options', 'datacenter'), ...allowed } : allowed;
}

export const CLUSTER_ROUTES: Routes = {
  'GET /cluster/resources': resources,
  'GET /cluster/nextid': nextId,
  'GET /cluster/status': clusterStatus,
  'GET /cluster/options': options,
  'GET /version': () => VERSION,
  'GET /nodes/{node}/version': () => VERSION,
  'GET /nodes': (context) =>
    [...context.world.all('node').values()].map((node) => ({
      ...nodeRow(context, node),
      ssl_fingerprint: context.certificates.fingerprint,
    })),
  'GET /access/permissions': permissions,
};

const TOP_PATHS = ['/', '/access', '/access/groups', '/nodes', '/pool', '/sdn', '/storage', '/vms'];

function permissions(context: Context): unknown {
  const { world, who } = context;
  const path = text(context, 'path');
  if (path !== undefined) return { [path]: privileges(world, who, path) };
  const members = [...world.all('pool').values()].flatMap((pool) => [
    ...pool.vms.map((vmid) => `/vms/${vmid}`),
    ...pool.storage.map((name) => `/storage/${name}`),
  ]);
  // Entries stand in a tree, whose inner nodes are paths, too.
  const entries = [...world.all('acl').values()].flatMap((acl) => stepsOf(acl.path));
  const paths = new Set([...TOP_PATHS, ...entries, ...members]);
  return Object.fromEntries(
    [...paths].map((at) => [at, privileges(world, who, at)]).filter(([, have]) => Object.keys(have as object).length > 0),
  );
}
