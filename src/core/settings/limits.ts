import { fail } from '../errors/errors.ts';
import type { ResourceDemand, Sizes } from '../plan/plan.ts';
import type { JsonObject } from '../text/json.ts';
import type { LimitSettings, QuotaScope } from './settings.ts';

/** The usage of the guests in the quota's scope, without the planned one: vCPUs, MiB, GiB. */
export interface Usage extends Sizes {
  guests: number;
  /** There may be disks that the token cannot see, so their sum may be greater. */
  unseenDisks?: boolean;
}
export type Total = 'guests' | keyof Sizes;

/** One limit over the scope. Sizes as in `Usage`. */
export interface Quota {
  size: Total;
  /** The environment variable that sets the limit. */
  variable: string;
  /** Absent: no limit is set. */
  limit?: number;
  /** Existing usage; absent where it was not or cannot be counted. */
  used?: number;
  /** Further usage of work in flight. */
  reserved?: number;
  left?: number;
  /** Disks that the token cannot see do not count. */
  unseenDisks?: true;
}

export interface Quotas {
  scope: QuotaScope;
  /** The pool of the scope, where the token cannot see who is in it: nothing is counted, and nothing can be created. */
  hiddenPool?: string;
  quotas: Quota[];
}

/** One limit that a plan exceeds. */
export interface Excess {
  size: Total;
  requested: number;
  /** The usage of other guests under the same limit. */
  used?: number;
  limit: number;
  /** The variable that sets the limit; otherwise the node whose CPUs do. */
  variable?: string;
  node?: string;
  /** The usage of others may be higher than shown. */
  unseenDisks?: boolean;
}

/** Limits of one guest and of the scope: which setting, and which variable sets it. */
export const PER_GUEST = [
  { size: 'cpu', limit: 'maxCpu', variable: 'PROXMOX_MAX_CPU' },
  { size: 'memoryMib', limit: 'maxRamMib', variable: 'PROXMOX_MAX_RAM_MB' },
  { size: 'diskGib', limit: 'maxDiskGib', variable: 'PROXMOX_MAX_DISK_GB' },
] as const;
export const TOTALS = [
  { size: 'guests', limit: 'maxVms', variable: 'PROXMOX_MAX_VMS' },
  { size: 'cpu', limit: 'maxTotalCpu', variable: 'PROXMOX_MAX_TOTAL_CPU' },
  { size: 'memoryMib', limit: 'maxTotalRamMib', variable: 'PROXMOX_MAX_TOTAL_RAM_MB' },
  { size: 'diskGib', limit: 'maxTotalDiskGib', variable: 'PROXMOX_MAX_TOTAL_DISK_GB' },
] as const;
const WORDS: Record<Total, { name: string; unit: string }> = {
  guests: { name: 'guests', unit: '' },
  cpu: { name: 'cores', unit: 'cores' },
  memoryMib: { name: 'memory', unit: 'MiB' },
  diskGib: { name: 'disk', unit: 'GiB' },
};

/** Limits of one guest. Only what a change raises is compared. */
export function overPerGuest(demand: ResourceDemand, limits: LimitSettings): Excess[] {
  return PER_GUEST.flatMap(({ size, limit, variable }): Excess[] => {
    const requested = demand.after[size];
    return requested > demand.before[size] && requested > limits[limit] ? [{ size, requested, limit: limits[limit], variable }] : [];
  });
}

/** The resources of several guests together. */
type Together = Pick<ResourceDemand, 'before' | 'after'> & { newGuests: number };

export function sumOf(demands: readonly ResourceDemand[]): Together {
  const total = (amountOf: (demand: ResourceDemand) => number) => demands.reduce((sum, one) => sum + amountOf(one), 0);
  const sizes = (when: 'before' | 'after'): Sizes => ({
    cpu: total((one) => one[when].cpu),
    memoryMib: total((one) => one[when].memoryMib),
    diskGib: total((one) => one[when].diskGib),
  });
  return { before: sizes('before'), after: sizes('after'), newGuests: total((one) => one.newGuests) };
}

/** Limits of all guests of the scope together. */
export function overTotals(demand: Together, used: Usage, limits: LimitSettings): Excess[] {
  const before = { ...demand.before, guests: 0 };
  const after = { ...demand.after, guests: demand.newGuests };
  return TOTALS.flatMap(({ size, limit, variable }): Excess[] => {
    const [allowed, requested] = [limits[limit], after[size]];
    if (allowed === undefined || requested <= before[size] || used[size] + requested <= allowed) return [];
    const unseen = size === 'diskGib' && used.unseenDisks ? { unseenDisks: true } : {};
    return [{ size, requested, used: used[size], limit: allowed, variable, ...unseen }];
  });
}

/**
 * Refuses with everything that is too much and what would fit, so that a caller needs no second try to learn the next limit.
 * @throws quota_exceeded; not_possible where the CPUs of the node are all that is exceeded
 */
export function refuseExcess(found: readonly Excess[]): void {
  if (found.length === 0) return;
  const fits = roomIn(found);
  const room = fits && Object.entries(fits).map(([size, value]) => `${value} ${WORDS[size as Total].unit}`);
  const unseen = found.some(({ unseenDisks }) => unseenDisks) ? ' Disks that the API token cannot see are not counted.' : '';
  const message = `Too much: ${found.map(textOf).join('; ')}${room ? `. Fits: ${room.join(', ')}` : ''}.${unseen}`;
  const details = { exceeded: found.map(viewOf), ...(fits ? { fits } : {}) };
  if (found.some(({ variable }) => variable !== undefined)) fail('quota_exceeded', message, { details });
  fail('not_possible', `${message} A guest with more vCPUs (sockets × cores) than its node has CPUs does not start.`, {
    hint: `Ask for at most ${fits?.cpu} vCPUs, or use another node.`,
    details,
  });
}

function textOf({ size, requested, used, limit, variable, node }: Excess): string {
  const { name, unit } = WORDS[size];
  const whose = used === undefined || size === 'guests' ? name : `${name} of all guests`;
  const sum = used === undefined ? plain(requested) : `${plain(used)} + ${plain(requested)}`;
  return `${whose} ${sum} > ${limit}${size === 'cpu' || unit === '' ? '' : ` ${unit}`} (${variable ?? `node ${node}`})`;
}

function viewOf({ size, requested, used, limit, variable, node }: Excess): JsonObject {
  return {
    what: WORDS[size].name,
    requested: plain(requested),
    ...(used === undefined ? {} : { used: plain(used) }),
    limit,
    ...(variable === undefined ? { node: node ?? '' } : { variable }),
  };
}

/** The greatest sizes within all limits found; undefined where no size would help. */
function roomIn(found: readonly Excess[]): Partial<Sizes> | undefined {
  if (found.some(({ size }) => size === 'guests')) return undefined;
  const room: Partial<Record<Total, number>> = {};
  for (const { size, limit, used = 0 } of found) {
    const left = Math.max(0, Math.floor(limit - used));
    room[size] = Math.min(room[size] ?? left, left);
  }
  return room;
}

/** Sizes of volumes are bytes: two digits of a GiB say enough. */
export function plain(value: number): number {
  return Math.round(value * 100) / 100;
}
