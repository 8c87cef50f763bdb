import type { Caller } from '../core/caller.ts';
import { fail } from '../core/errors.ts';
import { isInPool } from '../core/guest.ts';
import type { LimitSettings } from '../core/settings.ts';
import { plainText } from '../core/text.ts';
import { usage } from '../engine/limits/quota.ts';
import type { Engine } from '../engine/types.ts';
import type { ClusterView, GuestView, Quota } from './wire.ts';

const PAGE = 500;
/** More guests than a human reads on a page. */
const MAX_GUESTS = 5000;

interface Listed {
  vmid: number;
  name: string;
  type: 'vm' | 'container';
  status: string;
  node: string;
  cpus?: number;
  memory_mb?: number;
  tags?: string[];
  pool?: string;
  lock?: string;
  ha?: string;
  template?: boolean;
}

/** Guests by node and what is used of the limits, from `list_vms` alone. */
export async function clusterView(engine: Engine, caller: Caller, limits: LimitSettings): Promise<ClusterView> {
  const { guests, total, notice } = await allGuests(engine, caller);
  const nodes = [...new Set(guests.map((guest) => guest.node))].sort();
  return {
    nodes: nodes.map((name) => ({
      name: plainText(name, 80),
      guests: guests.filter((guest) => guest.node === name).map(guestView),
    })),
    total,
    shown: guests.length,
    ...(notice === undefined ? {} : { notice: plainText(notice, 1000) }),
    ...(canCount(guests, limits) && guests.length === total ? { quotas: quotasOf(guests, limits) } : {}),
    perGuest: [
      { label: 'vCPUs', limit: limits.maxCpu, unit: '', variable: 'PROXMOX_MAX_CPU' },
      { label: 'Memory', limit: limits.maxRamMib, unit: 'MiB', variable: 'PROXMOX_MAX_RAM_MB' },
      { label: 'Disk', limit: limits.maxDiskGib, unit: 'GiB', variable: 'PROXMOX_MAX_DISK_GB' },
    ],
    scope: scopeOf(limits),
  };
}

async function allGuests(engine: Engine, caller: Caller): Promise<{ guests: Listed[]; total: number; notice?: string }> {
  const guests: Listed[] = [];
  let cursor: string | undefined;
  for (;;) {
    const result = await engine.perform('list_vms', { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) }, caller);
    if (result.kind !== 'done') fail('internal', 'The operation list_vms returned no result.');
    const {
      vms,
      total,
      next_cursor: next,
      notice,
    } = result.output as unknown as { vms: Listed[]; total: number; next_cursor?: string; notice?: string };
    guests.push(...vms);
    cursor = next;
    if (cursor === undefined || guests.length >= MAX_GUESTS) return { guests, total, ...(notice === undefined ? {} : { notice }) };
  }
}

function guestView(g: Listed): GuestView {
  return {
    vmid: g.vmid,
    name: plainText(g.name, 80),
    type: g.type === 'vm' ? 'VM' : 'container',
    status: plainText(g.status, 20),
    ...(g.cpus === undefined ? {} : { cpus: g.cpus }),
    ...(g.memory_mb === undefined ? {} : { memoryMib: g.memory_mb }),
    tags: (g.tags ?? []).map((tag) => plainText(tag, 40)),
    ...(g.pool === undefined ? {} : { pool: plainText(g.pool, 60) }),
    ...(g.lock === undefined ? {} : { lock: plainText(g.lock, 40) }),
    ...(g.ha === undefined ? {} : { ha: plainText(g.ha, 40) }),
    template: g.template === true,
  };
}

/** An empty pool looks like one that the token may not see, and "none used" would be wrong there. */
function canCount(guests: Listed[], { scope }: LimitSettings): boolean {
  if (scope.kind === 'pool') return guests.some(({ pool }) => isInPool(pool, scope.pool));
  return scope.kind !== 'created';
}

/** What the list shows counts; disks are not in it, and what is being created this moment is counted by the engine alone. */
function quotasOf(guests: Listed[], limits: LimitSettings): Quota[] {
  const rows = guests.map((g) => ({
    vmid: g.vmid,
    type: g.type === 'vm' ? ('qemu' as const) : ('lxc' as const),
    node: g.node,
    name: g.name,
    status: g.status,
    template: g.template === true,
    tags: g.tags ?? [],
    ...(g.cpus === undefined ? {} : { cpus: g.cpus }),
    ...(g.memory_mb === undefined ? {} : { memoryMib: g.memory_mb }),
    ...(g.pool === undefined ? {} : { pool: g.pool }),
  }));
  const used = usage(rows, [], limits, new Set());
  return [
    { label: 'Guests', used: used.guests, limit: limits.maxVms, unit: '', variable: 'PROXMOX_MAX_VMS' },
    { label: 'vCPUs', used: used.cpu, ...limit(limits.maxTotalCpu), unit: '', variable: 'PROXMOX_MAX_TOTAL_CPU' },
    { label: 'Memory', used: used.memoryMib, ...limit(limits.maxTotalRamMib), unit: 'MiB', variable: 'PROXMOX_MAX_TOTAL_RAM_MB' },
  ];
}

function limit(value: number | undefined): { limit?: number } {
  return value === undefined ? {} : { limit: value };
}

function scopeOf({ scope }: LimitSettings): string {
  if (scope.kind === 'pool') return `guests of the pool ${plainText(scope.pool, 60)}`;
  if (scope.kind === 'tag') return `guests with the tag ${plainText(scope.tag, 60)}`;
  return scope.kind === 'created' ? 'guests made through this server' : 'all guests that the API token sees';
}
