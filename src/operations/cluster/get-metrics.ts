import * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import { plainText } from '../../core/text/text.ts';
import { path } from '../../proxmox/guest/encode.ts';
import { guestPath, locate } from '../../proxmox/guest/guests.ts';
import { PERIODS, type Point, readSeries } from '../../proxmox/metrics.ts';
import { listNodes, noSuchNode } from '../../proxmox/nodes.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { filled } from '../filled.ts';
import { bothReads, LIST_READS, NODE_READS } from '../vm/lib/api.ts';
import { vmid } from '../vm/lib/schemas.ts';
import { busiestGuests } from './lib/busiest.ts';
import { findingsOf, GUEST_FIGURES, NODE_FIGURES, STORAGE_FIGURES, worthSaying } from './lib/figures.ts';
import { curveOf, type Figure, growthPerDay, minute, type Statistics, short, statisticsOf } from './lib/statistics.ts';
import { placesOf } from './lib/storages.ts';

const input = z.strictObject({
  vmid: vmid.optional(),
  node: filled(64).optional().describe('Alone, or the node of storage'),
  storage: filled(100).optional(),
  period: z.enum(PERIODS).default('day'),
  values: z.int().min(2).max(96).optional().describe('Points of a curve'),
});
type Args = z.output<typeof input>;
type Asked = Pick<Args, 'period' | 'values'>;

/** Two requests for a guest, a node or a storage whose node is known; one or two for the busiest guests. */
export const getMetrics = defineOperation({
  name: 'get_metrics',
  title: 'Show use over time',
  effect: 'read',
  toolset: 'everyday',
  description:
    'CPU, memory, disk and network of one guest, node or storage over a period: average, p95, maximum, now. Findings say why it is slow or when it is full. Without a target the busiest guests; for use now list_vms.',
  input,
  byName: { vmid: 'name' },
  output: z.object({
    of: z.string(),
    period: z.string().optional(),
    from: z.string().optional(),
    to: z.string().optional(),
    measured_percent: z.number().optional(),
    metrics: z.array(z.looseObject({ metric: z.string() })).optional(),
    growth_gb_per_day: z.number().optional(),
    full_in_days: z.number().optional(),
    findings: z.array(z.string()).optional(),
    over: z.string().optional(),
    guests: z.array(z.looseObject({ vmid: z.number() })).optional(),
    total: z.number().optional(),
    notice: z.string().optional(),
  }),
  tables: ['metrics', 'guests'],
  reads: LIST_READS,
  mayRead: [
    ...bothReads('rrddata'),
    'GET /nodes/{node}/rrddata',
    'GET /nodes/{node}/storage/{storage}/rrddata',
    'GET /nodes/{node}/storage',
    'GET /cluster/metrics/export',
    ...NODE_READS,
  ],
  example: { name: 'web1', period: 'hour' },
  preview: ({ vmid, node, storage, period }) => {
    const place = vmid !== undefined ? `{type}/${vmid}` : storage === undefined ? '' : `storage/${storage}`;
    if (vmid === undefined && node === undefined && storage === undefined)
      return ['GET /cluster/resources?type=vm', 'GET /cluster/metrics/export'];
    const series = `GET ${['/nodes', node ?? '{node}', place].filter((part) => part !== '').join('/')}/rrddata?timeframe=${period}`;
    return [...(node === undefined ? ['GET /cluster/resources?type=vm'] : []), `${series}&cf=AVERAGE`, `${series}&cf=MAX`];
  },
  async read(ctx, args) {
    if (args.vmid !== undefined && (args.node !== undefined || args.storage !== undefined))
      fail('invalid_arguments', 'Give a guest, a node, or a storage with its node.');
    if (args.vmid !== undefined) return ofGuest(ctx, args.vmid, args);
    if (args.storage !== undefined) return ofStorage(ctx, args.storage, args);
    if (args.node !== undefined) return ofNode(ctx, args.node, args);
    return { of: 'the busiest guests', ...(await busiestGuests(ctx.api)) };
  },
});

/** Figures of a node that does not exist are empty lists on some versions. */
async function ofNode(ctx: OperationContext, node: string, asked: Asked) {
  const answer = await summary(ctx, `node ${node}`, path`/nodes/${node}`, asked, NODE_FIGURES);
  const unknown = answer.metrics.length === 0 ? noSuchNode(await listNodes(ctx.api), node) : undefined;
  if (unknown) fail('not_possible', unknown, { hint: 'Name one of them.' });
  return answer;
}

async function ofGuest(ctx: OperationContext, vmid: number, asked: Asked) {
  const row = await locate(ctx.api, vmid);
  const name = `${row.type === 'qemu' ? 'VM' : 'container'} ${plainText(row.name, 80)} (${vmid}) on ${row.node}`;
  const { answer, statistics } = await measured(ctx, name, guestPath(row), asked, GUEST_FIGURES);
  const findings = [...(row.status === 'stopped' ? ['It is stopped now.'] : []), ...findingsOf(statistics, true)];
  return { ...answer, ...(findings.length > 0 ? { findings } : {}) };
}

/** The trend says when the space ends, if it goes on as it did in the period. */
async function ofStorage(ctx: OperationContext, storage: string, args: Args) {
  const { node, period } = args;
  const at = node ?? (await nodeOf(ctx, storage));
  const { answer, points } = await measured(
    ctx,
    `storage ${storage} on ${at}`,
    path`/nodes/${at}/storage/${storage}`,
    args,
    STORAGE_FIGURES,
  );
  const growth = growthPerDay(points, ({ used }) => used);
  const last = points.findLast(({ used, total }) => used !== undefined && total !== undefined);
  if (growth === undefined || last?.used === undefined || last.total === undefined) return answer;
  const days = growth > 0 ? (last.total - last.used) / growth : undefined;
  const percent = last.total > 0 ? Math.round((100 * last.used) / last.total) : 0;
  const findings = [
    ...(percent >= 90 ? [`It is ${percent} % full.`] : []),
    ...(days !== undefined && days < YEAR ? [`It is full in ${Math.max(0, Math.round(days))} days if it grows as in this ${period}.`] : []),
  ];
  return {
    ...answer,
    growth_gb_per_day: short(growth / 2 ** 30),
    ...(days !== undefined && days < YEAR ? { full_in_days: Math.max(0, Math.round(days)) } : {}),
    ...(findings.length > 0 ? { findings } : {}),
  };
}

/** Days: a trend beyond is not a forecast. */
const YEAR = 365;

async function nodeOf(ctx: OperationContext, storage: string): Promise<string> {
  const nodes = (await listNodes(ctx.api)).flatMap((node) => (node.online ? [node.node] : []));
  const all = await placesOf(ctx.api, nodes, false);
  const places = all.filter((place) => place.storage === storage);
  const [first, ...more] = places;
  if (!first) {
    const names = [...new Set(all.map((place) => plainText(place.storage, 60)))].sort();
    return fail('not_possible', `Storage ${plainText(storage, 60)} is not visible on any node that is online.`, {
      hint: `Storages: ${names.join(', ') || 'none'}.`,
    });
  }
  if (more.length > 0)
    fail('ambiguous', `Each node has its own storage ${storage}. Give node.`, { details: { candidates: places.map(({ node }) => node) } });
  return first.node;
}

async function summary(ctx: OperationContext, of: string, place: string, asked: Asked, figures: readonly Figure[]) {
  const { answer, statistics } = await measured(ctx, of, place, asked, figures);
  const findings = findingsOf(statistics, false);
  return { ...answer, ...(findings.length > 0 ? { findings } : {}) };
}

async function measured({ api }: OperationContext, of: string, place: string, { period, values }: Asked, figures: readonly Figure[]) {
  const [points, peaks] = await Promise.all([
    readSeries(api, place, period),
    readSeries(api, place, period, 'MAX').catch((): Point[] => []),
  ]);
  const statistics = figures
    .flatMap((figure): Statistics[] => {
      const found = statisticsOf(figure, points, peaks);
      return found ? [{ ...found, ...(values === undefined ? {} : { values: curveOf(figure, points, values) }) }] : [];
    })
    .filter(worthSaying);
  const known = points.filter((point) => Object.keys(point).length > 1);
  const [first, last] = [known[0], known.at(-1)];
  const share = points.length === 0 ? 0 : Math.round((100 * known.length) / points.length);
  const answer = {
    of,
    period,
    ...(first && last ? { from: minute(first.time), to: minute(last.time) } : {}),
    ...(share < 100 ? { measured_percent: share } : {}),
    metrics: statistics,
    ...(known.length === 0 ? { notice: `Proxmox has no figures of ${of} for this period: it is new, or its node was silent.` } : {}),
  };
  return { answer, statistics, points };
}
