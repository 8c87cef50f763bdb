import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors.ts';
import { plainText } from '../../core/text.ts';
import { currentGuests } from '../../proxmox/fresh.ts';
import type { GuestRow } from '../../proxmox/guests.ts';
import { defineOperation } from '../define.ts';
import { filled } from '../filled.ts';
import { LIST_READS, NODE_READS } from './lib/api.ts';
import { whyEmpty } from './lib/why-empty.ts';
import { fits, whyNone } from './lib/why-none.ts';

const input = z.strictObject({
  status: z.enum(['running', 'stopped', 'paused', 'unknown']).optional(),
  node: filled(64).optional(),
  type: z.enum(['vm', 'container']).optional(),
  tag: filled(128).optional(),
  pool: filled(192).optional(),
  name: filled(253).optional().describe('* matches anything'),
  limit: z.int().min(1).max(500).default(50),
  cursor: filled(32).optional().describe('next_cursor of the page before'),
});

const output = z.object({
  vms: z.array(
    z.object({
      vmid: z.number(),
      name: z.string(),
      type: z.enum(['vm', 'container']),
      status: z.string(),
      node: z.string(),
      cpus: z.number().optional(),
      memory_mb: z.number().optional(),
      tags: z.array(z.string()).optional(),
      pool: z.string().optional(),
      lock: z.string().optional(),
      ha: z.string().optional(),
      template: z.boolean().optional(),
    }),
  ),
  total: z.number(),
  next_cursor: z.string().optional(),
  notice: z.string().optional(),
});

/**
 * The cluster's cached list, one request whatever the number of guests, so a status may be up to 10 s old. Nodes are asked only for guests
 * that the cache does not know yet.
 */
export const listVms = defineOperation({
  name: 'list_vms',
  title: 'List VMs and containers',
  effect: 'read',
  toolset: 'everyday',
  description:
    'Lists VMs and containers with VMID, name, status and node, templates last. Filters combine; start here when a VMID is not known.',
  input,
  output,
  example: { status: 'running' },
  table: 'vms',
  reads: LIST_READS,
  mayRead: NODE_READS,
  preview: () => ['GET /cluster/resources?type=vm'],
  async read(ctx, args) {
    const all = await currentGuests(ctx.api);
    const found = all
      .filter((g) => fits(g, args))
      .map((guest) => ({ guest, key: keyOf(guest) }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const after = args.cursor === undefined ? '' : checkedCursor(args.cursor);
    const rest = found.filter(({ key }) => key > after);
    const page = rest.slice(0, args.limit);
    const last = page.at(-1);
    const notice = all.length === 0 ? await whyEmpty(ctx) : found.length === 0 ? await whyNone(ctx, all, args) : undefined;
    return {
      vms: page.map(({ guest }) => shown(guest)),
      total: found.length,
      ...(last && rest.length > page.length ? { next_cursor: last.key } : {}),
      ...defined({ notice }),
    };
  },
});

/** Sorts templates last and is the cursor: a page goes on after it even when that guest is gone meanwhile. */
function keyOf(guest: GuestRow): string {
  return `${guest.template ? 't' : 'g'}${String(guest.vmid).padStart(9, '0')}`;
}

function checkedCursor(cursor: string): string {
  return /^[gt]\d{9}$/.test(cursor) ? cursor : fail('invalid_arguments', 'cursor is not the next_cursor of an earlier answer.');
}

function shown(g: GuestRow) {
  return {
    vmid: g.vmid,
    name: plainText(g.name, 80),
    type: g.type === 'qemu' ? ('vm' as const) : ('container' as const),
    status: g.status,
    node: g.node,
    ...defined({ cpus: g.cpus }),
    ...(g.memoryMib === undefined ? {} : { memory_mb: Math.round(g.memoryMib) }),
    ...(g.tags.length === 0 ? {} : { tags: g.tags.map((tag) => plainText(tag, 40)) }),
    ...defined({ pool: g.pool, lock: g.lock, ha: g.ha }),
    ...(g.template ? { template: true } : {}),
  };
}
