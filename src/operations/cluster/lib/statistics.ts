import { isoOf } from '../../../core/text/duration.ts';
import type { Point } from '../../../proxmox/metrics.ts';

/** A figure over a period, in the unit that its name bears. */
export type Statistics = NonNullable<ReturnType<typeof statisticsOf>>;

export interface Figure {
  /** With the unit: `cpu_percent`, `disk_write_mb_s`. */
  metric: string;
  /** Undefined where the interval has no such figure. */
  of: (point: Point) => number | undefined;
}

/** @param peaks the maxima of the same intervals; empty: those of the averages */
export function statisticsOf({ metric, of }: Figure, points: readonly Point[], peaks: readonly Point[]) {
  const known = points.flatMap((point) => valueAt(point, of));
  const last = known.at(-1);
  if (!last) return undefined;
  const sorted = known.map(({ value }) => value).sort((a, b) => a - b);
  const highest = [...known, ...peaks.flatMap((point) => valueAt(point, of))].reduce((a, b) => (b.value > a.value ? b : a));
  return {
    metric,
    avg: short(sorted.reduce((sum, value) => sum + value, 0) / sorted.length),
    /** Nineteen of twenty intervals are not above it. */
    p95: short(sorted[Math.ceil(0.95 * sorted.length) - 1] ?? 0),
    max: short(highest.value),
    /** UTC, to the minute. */
    max_at: minute(highest.time),
    now: short(last.value),
  };
}

/** The averages of equal stretches of the period, oldest first; null where nothing was measured. */
export function curveOf({ of }: Figure, points: readonly Point[], count: number): (number | null)[] {
  const stretches = Math.min(count, points.length);
  return Array.from({ length: stretches }, (_, index) => {
    const at = (n: number) => Math.floor((n * points.length) / stretches);
    const known = points.slice(at(index), at(index + 1)).flatMap((point) => valueAt(point, of));
    return known.length === 0 ? null : short(known.reduce((sum, { value }) => sum + value, 0) / known.length);
  });
}

function valueAt(point: Point, of: Figure['of']): { time: number; value: number }[] {
  const value = of(point);
  return value === undefined ? [] : [{ time: point.time, value }];
}

/** The straight line through a figure: its growth in a day. Undefined with fewer than two moments. */
export function growthPerDay(points: readonly Point[], of: Figure['of']): number | undefined {
  const known = points.flatMap((point) => valueAt(point, of));
  const count = known.length;
  const mean = (list: number[]) => list.reduce((sum, value) => sum + value, 0) / count;
  const [time, value] = [mean(known.map((one) => one.time)), mean(known.map((one) => one.value))];
  const spread = known.reduce((sum, one) => sum + (one.time - time) ** 2, 0);
  if (count < 2 || spread === 0) return undefined;
  return (86_400 * known.reduce((sum, one) => sum + (one.time - time) * (one.value - value), 0)) / spread;
}

/** Three digits are enough for a decision. */
export function short(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

export function minute(epochSeconds: number): string {
  return `${isoOf(epochSeconds).slice(0, 16)}Z`;
}
