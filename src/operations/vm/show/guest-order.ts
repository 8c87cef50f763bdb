import { fail } from '../../../core/errors/errors.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';

export const SORTS = ['cpu', 'memory', 'disk', 'uptime'] as const;
type Sort = (typeof SORTS)[number];

/** By what guests are sorted. Memory is what is used, and among equals what is configured. */
const GAUGES: Record<Sort, (g: GuestRow) => number> = {
  cpu: (g) => g.cpu ?? 0,
  memory: (g) => (g.memoryUsedMib ?? 0) + (g.memoryMib ?? 0) / 2 ** 40,
  disk: (g) => g.diskGib ?? 0,
  uptime: (g) => g.uptimeSeconds ?? 0,
};

interface Order {
  sort?: Sort | undefined;
  ascending?: boolean | undefined;
}

/** A place in a list: a page continues after it even when the guest at it is gone by then. */
interface Place {
  template: boolean;
  gauge: number;
  vmid: number;
}

/**
 * Templates last, then by the gauge, the greatest first, then by VMID.
 * @param guests by VMID, as the cluster's list is read
 */
export function inOrder(guests: readonly GuestRow[], order: Order): GuestRow[] {
  if (order.sort === undefined) return [...guests.filter(({ template }) => !template), ...guests.filter(({ template }) => template)];
  return guests
    .map((guest) => ({ guest, place: placeOf(guest, order) }))
    .sort((a, b) => compare(a.place, b.place))
    .map(({ guest }) => guest);
}

/** @throws invalid_arguments when the cursor is of no list in this order */
export function after(guests: readonly GuestRow[], cursor: string, order: Order): GuestRow[] {
  const [, kind, sort = '', gauge = '0', vmid] = /^([gt])(?:(-?[a-z]+)=(-?[\d.e+-]+)\/)?0*(\d{1,9})$/.exec(cursor) ?? [];
  if (vmid === undefined || sort !== wordOf(order))
    return fail('invalid_arguments', 'cursor is not the next_cursor of an earlier answer with the same sort.');
  const place = { template: kind === 't', gauge: Number(gauge), vmid: Number(vmid) };
  return guests.filter((guest) => compare(placeOf(guest, order), place) > 0);
}

export function cursorAt(guest: GuestRow, order: Order): string {
  const { template, gauge, vmid } = placeOf(guest, order);
  return `${template ? 't' : 'g'}${order.sort === undefined ? '' : `${wordOf(order)}=${gauge}/`}${String(vmid).padStart(9, '0')}`;
}

function wordOf({ sort, ascending }: Order): string {
  if (sort === undefined) return '';
  return ascending ? `-${sort}` : sort;
}

function placeOf(guest: GuestRow, { sort, ascending }: Order): Place {
  const gauge = sort === undefined ? 0 : GAUGES[sort](guest);
  return { template: guest.template, gauge: ascending ? gauge : -gauge, vmid: guest.vmid };
}

function compare(a: Place, b: Place): number {
  return Number(a.template) - Number(b.template) || a.gauge - b.gauge || a.vmid - b.vmid;
}
