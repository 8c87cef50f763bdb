import { present } from '../../../core/defined.ts';
import { isInPool } from '../../../core/guest.ts';
import { summed } from '../../../core/sums.ts';
import { nearest } from '../../../core/text/nearest.ts';
import { plainText } from '../../../core/text/text.ts';
import { matches } from '../../../core/text/wildcard.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';
import { listNodes, noSuchNode } from '../../../proxmox/nodes.ts';
import type { OperationContext } from '../../define.ts';
import { whyNoPool } from './why-empty.ts';

type Context = Pick<OperationContext, 'api' | 'tokenId' | 'defaults'>;

export interface Filter {
  status?: string | undefined;
  node?: string | undefined;
  type?: 'vm' | 'container' | 'template' | undefined;
  tag?: string | undefined;
  pool?: string | undefined;
  name?: string | undefined;
}

const SHOWN = 12;

/** One test for each filter, so that the reason for an empty list can name the filter that no guest passes. */
const TESTS: Record<keyof Filter, (guest: GuestRow, wanted: string) => boolean> = {
  name: (g, name) => matches(g.name, name.includes('*') ? name : `*${name}*`),
  tag: (g, tag) => g.tags.some((one) => matches(one, tag)),
  // A pool includes those nested in it, as quotas count them.
  pool: (g, pool) => g.pool !== undefined && (matches(g.pool, pool) || isInPool(g.pool.toLowerCase(), pool.toLowerCase())),
  node: (g, node) => matches(g.node, node),
  status: (g, status) => g.status === status,
  type: (g, type) => (type === 'template' ? g.template : !g.template && g.type === (type === 'vm' ? 'qemu' : 'lxc')),
};
const KINDS = Object.keys(TESTS) as (keyof Filter)[];

export function fitting(guests: readonly GuestRow[], filter: Filter): readonly GuestRow[] {
  const kinds = KINDS.filter((kind) => filter[kind] !== undefined);
  return kinds.length === 0 ? guests : guests.filter((guest) => kinds.every((kind) => passes(guest, filter, kind)));
}

function passes(guest: GuestRow, filter: Filter, kind: keyof Filter): boolean {
  const wanted = filter[kind];
  return wanted === undefined || TESTS[kind](guest, wanted);
}

/** The values that exist instead of the filtered one. Only read when no guest matches. */
export async function whyNone(ctx: Context, guests: readonly GuestRow[], filter: Filter): Promise<string> {
  const alone = KINDS.filter((kind) => filter[kind] !== undefined).map((kind) => ({
    kind,
    count: guests.filter((guest) => passes(guest, filter, kind)).length,
  }));
  const none = alone.filter(({ count }) => count === 0);
  if (none.length === 0)
    return `No guest fits all filters at once; each alone: ${alone.map(({ kind, count }) => `${kind} ${count}`).join(', ')}.`;
  const reasons = await Promise.all(none.map(({ kind }) => reason(ctx, guests, filter, kind)));
  return reasons.join(' ');
}

async function reason(ctx: Context, guests: readonly GuestRow[], filter: Filter, kind: keyof Filter): Promise<string> {
  const wanted = plainText(String(filter[kind]), 80);
  switch (kind) {
    case 'name':
      return nameless(guests, wanted);
    case 'tag':
      return `No guest has the tag ${wanted}; tags: ${counted(guests.flatMap((g) => g.tags.map((tag) => tag.toLowerCase())))}.${
        /[,;\s]/.test(wanted) ? ' Give one tag; * matches anything.' : ''
      }`;
    case 'pool': {
      const pools = guests.flatMap((g) => (g.pool === undefined ? [] : [g.pool]));
      return (await whyNoPool(ctx, wanted)) ?? `No guest is in pool ${wanted}; pools: ${counted(pools)}.`;
    }
    case 'node': {
      const here = `No guest is visible on node ${wanted}; guests are on: ${counted(guests.map((g) => g.node))}.`;
      return noSuchNode(await listNodes(ctx.api), wanted) ?? here;
    }
    case 'status':
      return `No guest is ${wanted}; states: ${counted(guests.map((g) => g.status))}.`;
    case 'type':
      return `No ${wanted === 'vm' ? 'VM' : wanted} is visible.`;
  }
}

function nameless(guests: readonly GuestRow[], wanted: string): string {
  const names = guests.map((g) => g.name).filter((name) => name !== '');
  const near = nearest(wanted.replaceAll('*', ''), names);
  return present(
    `No name contains ${wanted}.`,
    near.length > 0 &&
      `Similar: ${near
        .slice(0, 3)
        .map((name) => plainText(name, 80))
        .join(', ')}.`,
  ).join(' ');
}

/** `prod (3), dev (2)`, the most frequent first. */
function counted(values: readonly string[]): string {
  const sorted = [...summed(values.map((value) => [value, 1] as const))].sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
  const shown = sorted.slice(0, SHOWN).map(([value, count]) => `${plainText(value, 60)} (${count})`);
  const more = sorted.length - shown.length;
  return shown.length === 0 ? 'none' : shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
