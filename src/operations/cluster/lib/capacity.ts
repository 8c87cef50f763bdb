import { defined } from '../../../core/defined.ts';
import { PER_GUEST, plain, type Quotas, type Total } from '../../../core/settings/limits.ts';
import type { LimitSettings } from '../../../core/settings/settings.ts';
import type { NodeRow } from '../../../proxmox/nodes.ts';
import { takesDisks } from '../../../proxmox/storage.ts';
import type { Place } from './storages.ts';

const NAMES: Record<Total, string> = { guests: 'guests', cpu: 'cpus', memoryMib: 'memory_mb', diskGib: 'disk_gb' };

/** The limits of this server, each with the variable that sets it: of one guest, and of all in the scope together. */
export function limitsView({ quotas, hiddenPool }: Quotas, limits: LimitSettings) {
  const total = quotas.filter(({ limit }) => limit !== undefined);
  return {
    per_guest: Object.fromEntries(PER_GUEST.map(({ size, limit }) => [NAMES[size], limits[limit]])),
    counted: scopeText(limits),
    ...(hiddenPool === undefined
      ? {}
      : { not_counted: `The token cannot see who is in pool ${hiddenPool} (Pool.Audit), so nothing can be created.` }),
    together: total.map(({ size, limit, used, reserved, left, variable, unseenDisks }) => ({
      limit_of: NAMES[size],
      ...defined({ limit, used: shown(used), in_flight: reserved || undefined, left: shown(left) }),
      variable,
      ...(unseenDisks ? { note: 'disks that the token cannot see do not count' } : {}),
    })),
  };
}

/**
 * The largest guest that limits and cluster still allow, each size by itself; undefined when the number of guests is used up. Memory is what
 * the node with most has free now, disk what one storage has free.
 */
export function largestGuest({ quotas }: Quotas, limits: LimitSettings, nodes: readonly NodeRow[], places: readonly Place[]) {
  const left = (size: Total) => quotas.find((quota) => quota.size === size)?.left ?? Number.POSITIVE_INFINITY;
  if (left('guests') < 1) return undefined;
  const online = nodes.filter(({ online }) => online);
  const most = (values: (number | undefined)[]) => {
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...known);
  };
  const free = places.filter((place) => place.usable && takesDisks(place));
  return {
    cpus: Math.floor(Math.min(limits.maxCpu, left('cpu'), most(online.map(({ cpus }) => cpus)))),
    memory_mb: Math.floor(Math.min(limits.maxRamMib, left('memoryMib'), most(online.map(({ freeMib }) => freeMib)))),
    disk_gb: Math.floor(Math.min(limits.maxDiskGib, left('diskGib'), most(free.map(({ freeGib }) => freeGib)))),
  };
}

const shown = (value: number | undefined) => (value === undefined ? undefined : plain(value));

function scopeText({ scope }: LimitSettings): string {
  if (scope.kind === 'pool') return `guests of pool ${scope.pool}`;
  if (scope.kind === 'tag') return `guests with tag ${scope.tag}`;
  return scope.kind === 'created' ? 'guests created through this server' : 'all guests that the token sees';
}
