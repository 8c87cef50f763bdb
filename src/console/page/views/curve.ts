import type { Curve } from '../../wire.ts';
import { h, svg } from '../dom.ts';
import { number } from '../format.ts';

const WIDTH = 160;
const HEIGHT = 36;

/** A figure over the last day: its curve, and in words what the curve shows. */
export function curve({ label, unit, avg, max, now, values }: Curve): HTMLElement {
  return h(
    'div',
    { class: 'curve' },
    h('span', { class: 'name' }, label),
    h('span', { class: 'number strong' }, said(now, unit)),
    draw(values, unit === '%' ? 100 : Math.max(max, Number.MIN_VALUE)),
    h('span', { class: 'said soft number' }, `average ${said(avg, unit)}, at most ${said(max, unit)}`),
  );
}

/** Small rates in a smaller unit, so that nothing that is drawn reads as none. */
function said(value: number, unit: string): string {
  if (unit === 'MiB/s' && value < 1) return `${number(Math.round(value * 10_240) / 10)} KiB/s`;
  return `${number(Math.round(value * 10) / 10)} ${unit}`;
}

/** Gaps in the figures are gaps in the line. */
function draw(values: Curve['values'], top: number): SVGElement {
  const step = WIDTH / Math.max(1, values.length - 1);
  const lines: string[][] = [[]];
  values.forEach((value, index) => {
    if (value === null) lines.push([]);
    else lines.at(-1)?.push(`${(index * step).toFixed(1)},${(HEIGHT - 1 - (HEIGHT - 2) * Math.min(1, value / top)).toFixed(1)}`);
  });
  return svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true', class: 'line' },
    ...lines.filter((points) => points.length > 0).map((points) => svg('polyline', { points: points.join(' ') })),
  );
}
