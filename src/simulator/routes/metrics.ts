import { type Context, flag, guestOf, integer, needed, nodeOf, type Routes, seconds, text } from '../context.ts';
import { refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import { memoryOf } from '../guest/config.ts';
import { cpusOf, listRow, loadAt, maxDisk, wobble } from '../guest/status.ts';
import { hasStorage, usableStorage, usage } from '../guest/volumes.ts';
import type { Guest, NodeDoc, Storage } from '../model.ts';
import type { World } from '../world.ts';
import { isHeard, nodeGauges } from './cluster.ts';

type Row = Record<string, unknown>;

/** Resolution in seconds and number of rows of each period, since Proxmox VE 9. */
const PERIODS: Record<string, [number, number]> = {
  hour: [60, 60],
  day: [60, 1440],
  week: [1_800, 336],
  month: [1_800, 1440],
  year: [21_600, 1440],
  decade: [604_800, 570],
};

/** A maximum within an interval lies above its average. */
const PEAK = 1.3;

/** One row per interval, oldest first; what was not measured has a time only. `of` gets epoch ms and a factor for peaks. */
function series(context: Context, node: string, since: number, of: (at: number, peak: number) => Row): Row[] {
  const [step, count] = PERIODS[needed(context, 'timeframe')] as [number, number];
  const peak = text(context, 'cf') === 'MAX' ? PEAK : 1;
  const last = Math.floor(seconds(context.at) / step) * step;
  const heard = context.world.get('silence', node)?.since ?? Number.POSITIVE_INFINITY;
  return Array.from({ length: count }, (_, index) => {
    const time = last - (count - 1 - index) * step;
    const known = time * 1000 >= since && time * 1000 <= heard;
    return known ? { time, ...of(time * 1000, peak) } : { time };
  });
}

const NO_PRESSURE = Object.fromEntries(
  ['cpu', 'io', 'memory'].flatMap((kind) => ['some', 'full'].map((reach) => [`pressure${kind}${reach}`, 0])),
);

/** The moment of its creation, where the configuration tells it, epoch ms. */
const createdAt = ({ config }: Guest): number => Number(/ctime=(\d+)/.exec(config.meta ?? '')?.[1] ?? 0) * 1000;

function guestSeries(context: Context, type: Guest['type']): Row[] {
  const guest = guestOf(context, type);
  const [maxcpu, maxmem] = [cpusOf(guest, context.world.get('node', guest.node)?.cpus ?? 1), memoryOf(guest.config)];
  const idle = { cpu: 0, mem: 0, memhost: 0, disk: 0, netin: 0, netout: 0, diskread: 0, diskwrite: 0, ...NO_PRESSURE };
  const still = { ...idle, maxcpu, maxmem, maxdisk: maxDisk(guest) };
  return series(context, guest.node, createdAt(guest), (at, peak) => {
    if (!guest.running || at < guest.running.since) return still;
    const { cpu, memory } = loadAt(guest, at);
    const mem = Math.min(maxmem, memory * maxmem * (peak > 1 ? 1.02 : 1));
    return {
      ...still,
      cpu: Math.min(1, cpu * peak),
      mem,
      memhost: mem,
      netin: wobble(guest.vmid + 1, at, 20, 4_000) * peak,
      netout: wobble(guest.vmid + 2, at, 10, 2_500) * peak,
      diskread: wobble(guest.vmid + 3, at, 0, 9_000) * peak,
      diskwrite: wobble(guest.vmid + 4, at, 100, 20_000) * peak,
      pressurecpusome: cpu > 0.7 ? Math.min(100, (cpu - 0.7) * 150 * peak) : 0,
    };
  });
}

function nodeSeries(context: Context): Row[] {
  const { world } = context;
  const node = world.get('node', nodeOf(context));
  if (!node) return [];
  const { cpu, mem } = nodeGauges(world, node, context.at);
  const seed = node.node.length;
  return series(context, node.node, node.bootedAt, (at, peak) => {
    const memused = Math.min(node.memory, mem * wobble(seed, at, 0.9, 1.02));
    const busy = Math.min(1, cpu * wobble(seed + 1, at, 0.6, 1.3) * peak);
    return {
      cpu: busy,
      maxcpu: node.cpus,
      loadavg: busy * node.cpus,
      iowait: wobble(seed + 2, at, 0, 0.01) * peak,
      memtotal: node.memory,
      memused,
      memavailable: node.memory - memused,
      arcsize: 0,
      swaptotal: 0,
      swapused: 0,
      roottotal: node.rootTotal,
      rootused: node.rootUsed,
      netin: wobble(seed + 3, at, 1_000, 60_000) * peak,
      netout: wobble(seed + 4, at, 1_000, 40_000) * peak,
      ...Object.fromEntries(Object.entries(NO_PRESSURE).filter(([name]) => name !== 'pressurecpufull')),
    };
  });
}

const DAY = 86_400_000;

function storageSeries(context: Context): Row[] {
  const storage = usableStorage(context.world, needed(context, 'storage'), nodeOf(context));
  const { total, used } = usage(context.world, storage, nodeOf(context));
  const grown = (at: number) => ((storage.growth ?? 0) * (context.at - at)) / DAY;
  return series(context, nodeOf(context), 0, (at) => ({ total, used: Math.max(0, used - grown(at)) }));
}

type Metric = { id: string; metric: string; value: number; timestamp: number; type: 'gauge' | 'derive' };

const DERIVED = new Set(['net_in', 'net_out', 'disk_read', 'disk_write']);

function metricsOf(id: string, timestamp: number, values: Record<string, unknown>): Metric[] {
  return Object.entries(values).map(([metric, value]) => ({
    id,
    metric,
    value: Number(value ?? 0),
    timestamp,
    type: DERIVED.has(metric) ? 'derive' : 'gauge',
  }));
}

function ofGuest(guest: Guest, at: number, cpus: number): Metric[] {
  const row = listRow(guest, at, cpus);
  const busy = {
    cpu_current: row.cpu,
    mem_used: row.mem,
    disk_read: row.diskread,
    disk_write: row.diskwrite,
    net_in: row.netin,
    net_out: row.netout,
    ...(guest.type === 'lxc' ? { disk_used: row.disk } : {}),
  };
  const size = { uptime: row.uptime, cpu_max: row.cpus, mem_total: row.maxmem, disk_total: row.maxdisk };
  return metricsOf(`${guest.type}/${guest.vmid}`, seconds(at), { ...(guest.running ? busy : {}), ...size });
}

function ofNode(world: World, node: NodeDoc, at: number): Metric[] {
  const gauges = nodeGauges(world, node, at);
  const load = gauges.cpu * node.cpus;
  const averages = { cpu_avg1: load, cpu_avg5: load, cpu_avg15: load, cpu_max: node.cpus, cpu_current: gauges.cpu, cpu_iowait: 0 };
  const memory = { mem_total: node.memory, mem_used: gauges.mem, swap_total: 0, swap_used: 0 };
  const disk = { disk_total: node.rootTotal, disk_used: node.rootUsed };
  return metricsOf(`node/${node.node}`, seconds(at), { uptime: gauges.uptime, net_in: 0, net_out: 0, ...averages, ...memory, ...disk });
}

function ofStorage(world: World, node: string, storage: Storage, at: number): Metric[] {
  const { total, used } = usage(world, storage, node);
  return metricsOf(`storage/${node}/${storage.storage}`, seconds(at), { disk_total: total, disk_used: used });
}

/** Rounds that a node still has: the last one, and with `history` up to 180 before it. */
function roundsOf(context: Context, node: NodeDoc): number[] {
  const last = context.world.lastTick(context.at, node.node);
  const since = (integer(context, 'start-time') ?? 0) * 1000;
  const rounds = flag(context, 'history') ? 181 : 1;
  return Array.from({ length: rounds }, (_, index) => last - (rounds - 1 - index) * 10_000).filter((at) => at > since);
}

/** The metrics of every node that answers, of the first one alone with `local-only`. */
function exportMetrics(context: Context): unknown {
  const { world } = context;
  const nodes = [...world.all('node').values()];
  const wanted = splitList(text(context, 'node-list') ?? '');
  const unknown = wanted.filter((name) => !world.get('node', name));
  if (unknown.length > 0) refuse(`Requested node-list contains unknown nodes - ${unknown.join(', ')}`);
  const asked =
    wanted.length > 0 ? nodes.filter(({ node }) => wanted.includes(node)) : flag(context, 'local-only') ? nodes.slice(0, 1) : nodes;
  const data = asked
    .filter((node) => isHeard(world, node, context.at))
    .flatMap((node) => roundsOf(context, node).flatMap((at) => ofRound(world, node, at)));
  return { data: data.sort((a, b) => a.timestamp - b.timestamp) };
}

function ofRound(world: World, node: NodeDoc, at: number): Metric[] {
  const guests = [...world.guests().values()].filter((guest) => guest.node === node.node);
  const storages = [...world.all('storage').values()].filter((storage) => !storage.disabled && hasStorage(storage, node.node));
  return [
    ...ofNode(world, node, at),
    ...guests.flatMap((guest) => ofGuest(guest, at, node.cpus)),
    ...storages.flatMap((storage) => ofStorage(world, node.node, storage, at)),
  ];
}

export const METRIC_ROUTES: Routes = {
  'GET /nodes/{node}/qemu/{vmid}/rrddata': (context) => guestSeries(context, 'qemu'),
  'GET /nodes/{node}/lxc/{vmid}/rrddata': (context) => guestSeries(context, 'lxc'),
  'GET /nodes/{node}/rrddata': nodeSeries,
  'GET /nodes/{node}/storage/{storage}/rrddata': storageSeries,
  'GET /cluster/metrics/export': exportMetrics,
};
