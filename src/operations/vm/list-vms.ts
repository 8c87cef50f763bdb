import * as z from 'zod';
import { defined, present } from '../../core/defined.ts';
import { costsAtMost, roughTokens } from '../../core/text/tokens.ts';
import { type Granted, knownPrivileges } from '../../proxmox/access/privileges.ts';
import { unseenBy } from '../../proxmox/access/unseen.ts';
import { currentGuests } from '../../proxmox/guest/fresh.ts';
import type { GuestRow } from '../../proxmox/guest/guests.ts';
import { defineOperation } from '../define.ts';
import { filled } from '../filled.ts';
import { LIST_READS, NODE_READS } from './lib/api.ts';
import { DEFAULT_COLUMNS, type GuestView, guestRow, guestView, MORE_COLUMNS, type MoreColumn, totalsOf } from './show/guest-columns.ts';
import { fitting, whyNone } from './show/guest-filter.ts';
import { after, cursorAt, inOrder, SORTS } from './show/guest-order.ts';
import { whyEmpty } from './show/why-empty.ts';

const input = z.strictObject({
  status: z.enum(['running', 'stopped', 'paused', 'unknown']).optional(),
  node: filled(64).optional(),
  type: z.enum(['vm', 'container', 'template']).optional(),
  tag: filled(128).optional(),
  pool: filled(192).optional(),
  name: filled(253).optional().describe('A part of it'),
  sort: z.enum(SORTS).optional().describe('Greatest first'),
  ascending: z.boolean().optional(),
  columns: z
    .preprocess(withoutDefaults, z.array(z.enum(MORE_COLUMNS)))
    .optional()
    .describe('Further columns'),
  totals_only: z.boolean().optional(),
  limit: z.int().min(1).max(500).default(60),
  cursor: filled(64).optional().describe('next_cursor of the page before'),
});

const output = z.object({
  columns: z.array(z.string()).optional(),
  vms: z.array(guestRow).optional(),
  total: z.number(),
  totals: z.object({
    running: z.number(),
    state_unknown: z.number().optional(),
    templates: z.number().optional(),
    cpus: z.number(),
    cpus_used: z.number(),
    memory_used_mb: z.number(),
    memory_mb: z.number(),
    disk_gb: z.number(),
  }),
  next_cursor: z.string().optional(),
  notice: z.string().optional(),
  cannot_see: z.array(z.string()).optional(),
});

/**
 * Reads the cluster's cached list in one request, so states and figures may be up to 10 s old. Nodes are read only for guests that the cache
 * does not know yet.
 */
export const listVms = defineOperation({
  name: 'list_vms',
  title: 'List VMs and containers',
  effect: 'read',
  toolset: 'everyday',
  description:
    'VMs and containers with state and use now (uptime in seconds, disk_gb of the boot disk), templates last, and totals over all matches. Filters combine; start here when a VMID is not known. For use over time get_metrics.',
  input,
  output,
  example: { status: 'running' },
  table: 'vms',
  reads: LIST_READS,
  mayRead: NODE_READS,
  preview: () => ['GET /cluster/resources?type=vm'],
  async read(ctx, args) {
    const all = await currentGuests(ctx.api);
    // The token's rights are not read here, so that the list stays one request. get_cluster always tells what they hide.
    const granted = knownPrivileges(ctx.api);
    const known = lastAnswers.get(all);
    const question = JSON.stringify(args);
    if (known?.question === question && known.granted === granted) return known.answer;
    const found = fitting(all, args);
    const notice = all.length === 0 ? await whyEmpty(ctx) : found.length === 0 ? await whyNone(ctx, all, args) : undefined;
    const answer = answerTo(args, found, granted, notice);
    if (found.length > 0) lastAnswers.set(all, { question, granted, answer });
    return answer;
  },
});

type Answer = z.input<typeof output>;

/** The last answer about rows that Proxmox still lists so. The same call with the same rights gets it again. */
const lastAnswers = new WeakMap<readonly GuestRow[], { question: string; granted: Granted | undefined; answer: Answer }>();

function answerTo(
  args: z.output<typeof input>,
  found: readonly GuestRow[],
  granted: Granted | undefined,
  notice: string | undefined,
): Answer {
  const unseen = granted && found.length > 0 ? unseenBy(granted, ['guests']) : [];
  const answer = {
    total: found.length,
    totals: totalsOf(found),
    ...defined({ notice }),
    ...(unseen.length > 0 ? { cannot_see: unseen } : {}),
  };
  if (args.totals_only) return answer;
  const columns = columnsFor(args);
  const sorted = inOrder(found, args);
  const rest = args.cursor === undefined ? sorted : after(sorted, args.cursor, args);
  const vms = pageOf(rest.slice(0, args.limit).map(guestView), columns);
  const last = rest[vms.length - 1];
  return { columns, vms, ...answer, ...(last && rest.length > vms.length ? { next_cursor: cursorAt(last, args) } : {}) };
}

/** A caller may name the default columns too. */
function withoutDefaults(given: unknown): unknown {
  return Array.isArray(given) ? given.filter((one) => !(DEFAULT_COLUMNS as readonly unknown[]).includes(one)) : given;
}

/** The default columns, and each that was requested, or by which the list is filtered. */
function columnsFor({ columns = [], type, tag, pool }: z.output<typeof input>): (keyof GuestView)[] {
  return [...DEFAULT_COLUMNS, ...new Set([...present<MoreColumn>(type && 'type', tag && 'tags', pool && 'pool'), ...columns])];
}

/** Most tokens of the rows of a page; with the rest of the answer they fit what a model takes. */
const PAGE_TOKENS = 4500;
/** Up to this many rows are measured together. */
const FEW = 25;

/** As many of the rows as fit into one answer, and at least one. @param columns those that a model will see */
function pageOf(views: readonly GuestView[], columns: readonly (keyof GuestView)[]): GuestView[] {
  const cells = (view: GuestView) => columns.map((column) => view[column]);
  if (views.length <= FEW && costsAtMost(JSON.stringify(views.map(cells)), PAGE_TOKENS)) return [...views];
  const page: GuestView[] = [];
  let tokens = 0;
  for (const view of views) {
    tokens += roughTokens(JSON.stringify(cells(view)));
    if (tokens > PAGE_TOKENS && page.length > 0) break;
    page.push(view);
  }
  return page;
}
