import { fail } from '../core/errors/errors.ts';
import type { GetApi } from '../core/proxmox.ts';

export const PERIODS = ['hour', 'day', 'week', 'month', 'year'] as const;
type Period = (typeof PERIODS)[number];

/** Figures of one interval; without any but `time` (epoch seconds) where nothing was measured. */
export type Point = { time: number } & Record<string, number | undefined>;

/**
 * The recorded figures of a guest, node or storage, oldest first: `GET …/rrddata`. An average hides what happens within its interval, of 1 min
 * for an hour up to 6 h for a year; the maximum keeps it.
 */
export async function readSeries(
  api: GetApi,
  path: string,
  period: Period,
  consolidation: 'AVERAGE' | 'MAX' = 'AVERAGE',
): Promise<Point[]> {
  const rows = await api.get<Record<string, number | string | null>[]>(`${path}/rrddata`, { timeframe: period, cf: consolidation });
  return listed(rows).flatMap((row) => {
    const known = Object.entries(row ?? {}).filter(([, value]) => value !== null && Number.isFinite(Number(value)));
    const point = Object.fromEntries(known.map(([name, value]) => [name, Number(value)])) as Partial<Point>;
    return point.time === undefined ? [] : [point as Point];
  });
}

/** One figure of one guest (`qemu/105`), node (`node/pve`) or storage at one moment (epoch seconds). */
export interface Sample {
  id: string;
  metric: string;
  value: number;
  timestamp: number;
}

/**
 * The figures of everything in the cluster, every 10 s for the last half hour: one `GET /cluster/metrics/export`. It exists from Proxmox VE 8.3 on
 * and needs Sys.Audit on `/`.
 */
export async function exportMetrics(api: GetApi): Promise<Sample[]> {
  const answer = await api.get<{ data: Sample[] } | null>('/cluster/metrics/export', { history: 1 });
  return listed(answer?.data).filter((one) => one !== null && Number.isFinite(one.value));
}

/** @throws proxmox_refused */
function listed<T>(rows: T[] | undefined): T[] {
  return Array.isArray(rows) ? rows : fail('proxmox_refused', 'Proxmox answered without a list of figures.');
}
