import * as z from 'zod';
import { defined, present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { plainText } from '../../core/text/text.ts';
import { path } from '../../proxmox/guest/encode.ts';
import { guestPath, locate } from '../../proxmox/guest/guests.ts';
import { PERIODS, type Point, readSeries } from '../../proxmox/metrics.ts';
import { listNodes, noSuchNode } from '../../proxmox/nodes.ts';
import { defineOperation } from '../define.ts';
import { filled } from '../filled.ts';
import { bothReads, LIST_READS, NODE_READS } from '../vm/lib/api.ts';
import { vmid } from '../vm/lib/schemas.ts';
import { busiestGuests } from './lib/busiest.ts';
import { findingsOf, GUEST_FIGURES, guestFindings, NODE_FIGURES, STORAGE_FIGURES, worthSaying } from './lib/figures.ts';
import { curveOf, type Figure, growthPerDay, minute, short, statisticsOf } from './lib/statistics.ts';
import { placesOf } from './lib/storages.ts';

const input = z.strictObject({
  vmid: vmid.optional(),
  node: filled(64).optional().describe('Alone, or the node of storage'),
  storage: filled(100).optional(),
  period: z.enum(PERIODS).default('day'),
  values: z.int().min(2).max(96).optional().describe('Points of a curve'),
});
type Args = z.output<typeof input>;

/** The figures that Proxmox records of one guest, node or storage. */
interface Series {
  /** Its name in words. */
  of: string;
  path: string;
  figures: readonly Figure[];
}

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
  async read({ api }, args) {
    if (args.vmid !== undefined && (args.node !== undefined || args.storage !== undefined))
      fail('invalid_arguments', 'Give a guest, a node, or a storage with its node.');
    if (args.vmid !== undefined) return ofGuest(api, args.vmid, args);
    if (args.storage !== undefined) return ofStorage(api, args.storage, args);
    if (args.node !== undefined) return ofNode(api, args.node, args);
    return { of: 'the busiest guests', ...(await busiestGuests(api)) };
  },
});

/** Figures of a node that does not exist are empty lists on some versions. */
async function ofNode(api: ProxmoxReader, node: string, args: Args) {
  const { answer } = await measured(api, { of: `node ${node}`, path: path`/nodes/${node}`, figures: NODE_FIGURES }, args);
  const unknown = answer.metrics.length === 0 ? noSuchNode(await listNodes(api), node) : undefined;
  if (unknown) fail('not_possible', unknown, { hint: 'Name one of them.' });
  return withFindings(answer, findingsOf(answer.metrics));
}

async function ofGuest(api: ProxmoxReader, vmid: number, args: Args) {
  const row = await locate(api, vmid);
  const of = `${row.type === 'qemu' ? 'VM' : 'container'} ${plainText(row.name, 80)} (${vmid}) on ${row.node}`;
  const { answer } = await measured(api, { of, path: guestPath(row), figures: GUEST_FIGURES }, args);
  return withFindings(answer, present(row.status === 'stopped' && 'It is stopped now.', ...guestFindings(answer.metrics)));
}

/** The trend says when the space ends, if it goes on as it did in the period. */
async function ofStorage(api: ProxmoxReader, storage: string, args: Args) {
  const node = args.node ?? (await nodeOf(api, storage));
  const series = { of: `storage ${storage} on ${node}`, path: path`/nodes/${node}/storage/${storage}`, figures: STORAGE_FIGURES };
  const { answer, points } = await measured(api, series, args);
  const growth = growthPerDay(points, ({ used }) => used);
  const last = points.findLast(({ used, total }) => used !== undefined && total !== undefined);
  if (growth === undefined || last?.used === undefined || last.total === undefined) return answer;
  const left = growth > 0 ? (last.total - last.used) / growth : YEAR;
  const days = left < YEAR ? Math.max(0, Math.round(left)) : undefined;
  const percent = last.total > 0 ? Math.round((100 * last.used) / last.total) : 0;
  return withFindings(
    { ...answer, growth_gb_per_day: short(growth / 2 ** 30), ...defined({ full_in_days: days }) },
    present(
      percent >= 90 && `It is ${percent} % full.`,
      days !== undefined && `It is full in ${days} days if it grows as in this ${args.period}.`,
    ),
  );
}

/** Days: a trend beyond is not a forecast. */
const YEAR = 365;

async function nodeOf(api: ProxmoxReader, storage: string): Promise<string> {
  const nodes = (await listNodes(api)).flatMap((node) => (node.online ? [node.node] : []));
  const all = await placesOf(api, nodes);
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

function withFindings<T>(answer: T, findings: string[]): T & { findings?: string[] } {
  return { ...answer, ...(findings.length > 0 ? { findings } : {}) };
}

async function measured(api: ProxmoxReader, { of, path, figures }: Series, { period, values }: Args) {
  const [points, peaks] = await Promise.all([readSeries(api, path, period), readSeries(api, path, period, 'MAX').catch((): Point[] => [])]);
  const metrics = figures.flatMap((figure) => {
    const found = statisticsOf(figure, points, peaks);
    if (!found || !worthSaying(found)) return [];
    return [{ ...found, ...(values === undefined ? {} : { values: curveOf(figure, points, values) }) }];
  });
  const known = points.filter((point) => Object.keys(point).length > 1);
  const [first, last] = [known[0], known.at(-1)];
  const share = points.length === 0 ? 0 : Math.round((100 * known.length) / points.length);
  const answer = {
    of,
    period,
    ...(first && last ? { from: minute(first.time), to: minute(last.time) } : {}),
    ...(share < 100 ? { measured_percent: share } : {}),
    metrics,
    ...(known.length === 0 ? { notice: `Proxmox has no figures of ${of} for this period: it is new, or its node was silent.` } : {}),
  };
  return { answer, points };
}
