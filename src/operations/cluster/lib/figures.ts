import { present } from '../../../core/defined.ts';
import type { Point } from '../../../proxmox/metrics.ts';
import type { Figure, Statistics } from './statistics.ts';

const scaled = (name: string, factor: number) => (point: Point) => (point[name] === undefined ? undefined : point[name] * factor);
const MIB = 1 / 2 ** 20;
const GIB = 1 / 2 ** 30;

const PRESSURE: Figure[] = ['cpu', 'memory', 'io'].flatMap((kind) =>
  ['some', 'full'].map((reach) => ({ metric: `pressure_${kind}_${reach}_percent`, of: scaled(`pressure${kind}${reach}`, 1) })),
);
const NETWORK: Figure[] = [
  { metric: 'net_in_mb_s', of: scaled('netin', MIB) },
  { metric: 'net_out_mb_s', of: scaled('netout', MIB) },
];

/** CPU is a share of the guest's own CPUs. Proxmox sees the disk use of a container's root, but not that of a VM. */
export const GUEST_FIGURES: readonly Figure[] = [
  { metric: 'cpu_percent', of: scaled('cpu', 100) },
  { metric: 'memory_used_mb', of: scaled('mem', MIB) },
  { metric: 'memory_used_percent', of: (p) => (p.mem === undefined || !p.maxmem ? undefined : (100 * p.mem) / p.maxmem) },
  { metric: 'disk_used_gb', of: scaled('disk', GIB) },
  { metric: 'disk_read_mb_s', of: scaled('diskread', MIB) },
  { metric: 'disk_write_mb_s', of: scaled('diskwrite', MIB) },
  ...NETWORK,
  ...PRESSURE,
];

export const NODE_FIGURES: readonly Figure[] = [
  { metric: 'cpu_percent', of: scaled('cpu', 100) },
  { metric: 'memory_used_mb', of: scaled('memused', MIB) },
  { metric: 'memory_used_percent', of: (p) => (p.memused === undefined || !p.memtotal ? undefined : (100 * p.memused) / p.memtotal) },
  { metric: 'io_wait_percent', of: scaled('iowait', 100) },
  { metric: 'load', of: scaled('loadavg', 1) },
  { metric: 'swap_used_mb', of: scaled('swapused', MIB) },
  { metric: 'root_used_gb', of: scaled('rootused', GIB) },
  ...NETWORK,
  ...PRESSURE,
];

export const STORAGE_FIGURES: readonly Figure[] = [
  { metric: 'used_gb', of: scaled('used', GIB) },
  { metric: 'total_gb', of: scaled('total', GIB) },
];

/** Figures that an answer has even when they are zero. */
const ALWAYS = /^(cpu_percent|memory_used_mb|memory_used_percent|used_gb|total_gb)$/;

export function worthSaying({ metric, max }: Pick<Statistics, 'metric' | 'max'>): boolean {
  return ALWAYS.test(metric) || max > 0;
}

/** The 95th percentile from which a finding names a figure. */
const HIGH: readonly [RegExp, number, string][] = [
  [/^cpu_percent$/, 90, 'CPU is at its limit'],
  [/^memory_used_percent$/, 90, 'memory is nearly all in use'],
  [/^io_wait_percent$/, 20, 'the node waits for its disks'],
  [/^swap_used_mb$/, 512, 'the node swaps'],
  [/^pressure_cpu_some_percent$/, 10, 'processes wait for a CPU'],
  [/^pressure_memory_some_percent$/, 10, 'processes wait for memory'],
  [/^pressure_io_some_percent$/, 10, 'processes wait for disks'],
];
/** Percent of CPU that an idle guest never exceeds. */
const IDLE = 5;

/** Findings that the figures show by themselves. */
export function findingsOf(statistics: readonly Statistics[]): string[] {
  return statistics.flatMap(({ metric, p95 }) =>
    HIGH.flatMap(([name, limit, words]) => (name.test(metric) && p95 >= limit ? [`${words}: ${metric} p95 is ${p95}.`] : [])),
  );
}

export function guestFindings(statistics: readonly Statistics[]): string[] {
  const cpu = statistics.find(({ metric }) => metric === 'cpu_percent')?.max ?? 0;
  const memory = statistics.find(({ metric }) => metric === 'memory_used_percent')?.p95 ?? 0;
  return present(
    ...findingsOf(statistics),
    // Without figures of the balloon device Proxmox VE 9 counts the memory that the host gives to the VM.
    memory >= 90 && 'Without figures from the balloon device, memory includes caches of the guest and may mislead.',
    cpu > 0 && cpu < IDLE && `idle: CPU never exceeded ${cpu} %.`,
  );
}
