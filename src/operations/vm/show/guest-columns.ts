import * as z from 'zod';
import { plainText } from '../../../core/text/text.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';

/** Shown of every guest. */
export const DEFAULT_COLUMNS = [
  ...(['vmid', 'name', 'status', 'node', 'cpu_percent', 'memory_used_mb', 'memory_mb', 'disk_gb', 'uptime'] as const),
];
/** Shown where they are requested, or filtered by. */
export const MORE_COLUMNS = ['type', 'cpus', 'tags', 'pool', 'template', 'lock', 'ha', 'disk_used_gb'] as const;

export type MoreColumn = (typeof MORE_COLUMNS)[number];

/** A row of the answer. */
export const guestRow = z.object({
  vmid: z.number(),
  name: z.string(),
  type: z.enum(['vm', 'container']),
  status: z.string(),
  node: z.string(),
  cpus: z.number().optional(),
  cpu_percent: z.number().optional(),
  memory_used_mb: z.number().optional(),
  memory_mb: z.number().optional(),
  disk_gb: z.number().optional(),
  disk_used_gb: z.number().optional(),
  uptime: z.number().optional(),
  tags: z.array(z.string()).optional(),
  pool: z.string().optional(),
  lock: z.string().optional(),
  ha: z.string().optional(),
  template: z.boolean().optional(),
});
export type GuestView = z.output<typeof guestRow>;

/**
 * A guest as an answer shows it; values that are unknown, or that a stopped guest does not have, are absent. Uptime is in seconds, disk the boot disk's size.
 * Written out, because every row of every list passes here and a spread for each field takes ten times as long.
 */
export function guestView(g: GuestRow): GuestView {
  const runs = g.status !== 'stopped';
  const type = g.type === 'qemu' ? 'vm' : 'container';
  const view: GuestView = { vmid: g.vmid, name: plainText(g.name, 80), type, status: g.status, node: g.node };
  if (g.cpus !== undefined) view.cpus = g.cpus;
  if (runs && g.cpu !== undefined) view.cpu_percent = percent(g.cpu);
  if (runs && g.memoryUsedMib !== undefined && g.memoryUsedMib > 0) view.memory_used_mb = Math.round(g.memoryUsedMib);
  if (g.memoryMib !== undefined) view.memory_mb = Math.round(g.memoryMib);
  if (g.diskGib !== undefined) view.disk_gb = gib(g.diskGib);
  // Proxmox knows the use of a disk from outside for containers alone.
  if (g.diskUsedGib !== undefined && g.diskUsedGib !== 0) view.disk_used_gb = gib(g.diskUsedGib);
  if (runs && g.uptimeSeconds) view.uptime = g.uptimeSeconds;
  if (g.tags.length > 0) view.tags = g.tags.map((tag) => plainText(tag, 40));
  if (g.pool !== undefined) view.pool = g.pool;
  if (g.lock !== undefined) view.lock = g.lock;
  if (g.ha !== undefined) view.ha = g.ha;
  if (g.template) view.template = true;
  return view;
}

/** Sums over guests; templates have none and are only counted. One loop: a fleet has thousands of rows. */
export function totalsOf(rows: readonly GuestRow[]) {
  let [running, unknown, templates] = [0, 0, 0];
  let [cpus, cpusUsed, memoryUsed, memory, disk] = [0, 0, 0, 0, 0];
  for (const g of rows) {
    if (g.template) {
      templates += 1;
      continue;
    }
    cpus += g.cpus ?? 0;
    memory += g.memoryMib ?? 0;
    disk += g.diskGib ?? 0;
    if (g.status === 'running' || g.status === 'paused') {
      running += 1;
      cpusUsed += (g.cpu ?? 0) * (g.cpus ?? 0);
      memoryUsed += g.memoryUsedMib ?? 0;
    } else if (g.status === 'unknown') unknown += 1;
  }
  return {
    running,
    ...(unknown > 0 ? { state_unknown: unknown } : {}),
    ...(templates > 0 ? { templates } : {}),
    cpus,
    cpus_used: Math.round(10 * cpusUsed) / 10,
    memory_used_mb: Math.round(memoryUsed),
    memory_mb: Math.round(memory),
    disk_gb: gib(disk),
  };
}

/** Of the guest's own CPUs; one decimal below one. */
function percent(fraction: number): number {
  const value = 100 * fraction;
  return value < 1 ? Math.round(10 * value) / 10 : Math.round(value);
}

function gib(value: number): number {
  return value < 10 ? Math.round(10 * value) / 10 : Math.round(value);
}
