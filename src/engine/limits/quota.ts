import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { isInPool, isTagged } from '../../core/guest.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import type { Usage } from '../../core/settings/limits.ts';
import type { LimitSettings } from '../../core/settings/settings.ts';
import { summed } from '../../core/sums.ts';
import { gibOf } from '../../core/text/sizes.ts';
import type { GuestRow } from '../../proxmox/guest/guests.ts';
import { isDisk, volumeRows } from '../../proxmox/storage.ts';
import type { Reservation } from '../../store/schema.ts';

/** The input of the count: without the guest that is planned, and only reservations that came before ours. */
export interface Inventory {
  guests: readonly GuestRow[];
  reserved: readonly Reservation[];
  /** VMIDs of guests created through this server; only for that scope. */
  created: ReadonlySet<number>;
}

type Sizes = Pick<Usage, 'cpu' | 'memoryMib' | 'diskGib'>;

/** A new guest outside the scope would bypass every limit of it. @throws quota_exceeded saying what brings it inside */
export function checkInside(made: Pick<GuestRow, 'vmid' | 'pool' | 'tags'>, limits: LimitSettings): void {
  const { scope } = limits;
  if ((scope.kind !== 'pool' && scope.kind !== 'tag') || counts({ ...made, template: false }, limits, new Set())) return;
  const hint = scope.kind === 'pool' ? `pool: ${scope.pool}` : `tags: ["${scope.tag}"]`;
  refuseOutside(scope, 'the new guest would not be one of them', `Call again with ${hint}.`);
}

/** A guest that leaves the scope would make room for another one. @throws quota_exceeded */
export function checkStays({ target, moves, becomes, facts = {} }: Plan, limits: LimitSettings): void {
  const { scope } = limits;
  if (!target || !(moves ?? becomes) || (scope.kind !== 'pool' && scope.kind !== 'tag')) return;
  // A rollback, and a restore over a guest, bring back other tags. Its pool stays.
  const pool = defined({ pool: facts.pool });
  const from = moves?.from ?? { ...pool, tags: facts.tags ?? [], template: false };
  const to = moves?.to ?? { ...pool, tags: becomes?.tags ?? [] };
  const isIn = (place: Pick<GuestRow, 'pool' | 'tags'>) => counts({ ...place, vmid: 0, template: from.template }, limits, new Set());
  if (!isIn(from) || isIn(to)) return;
  refuseOutside(scope, 'the guest would no longer be one of them', 'Only the operator can take a guest out of them, in Proxmox VE.');
}

function refuseOutside(scope: Extract<LimitSettings['scope'], { kind: 'pool' | 'tag' }>, why: string, hint: string): never {
  const place = scope.kind === 'pool' ? `pool ${scope.pool}` : `tag ${scope.tag}`;
  fail('quota_exceeded', `The limits count the guests of ${place} (PROXMOX_QUOTA_SCOPE), and ${why}.`, {
    hint,
    details: { variable: 'PROXMOX_QUOTA_SCOPE' },
  });
}

/** Whether a guest counts: it is in the scope and not a template. */
export function counts(
  guest: Pick<GuestRow, 'vmid' | 'template' | 'pool' | 'tags'>,
  { scope }: LimitSettings,
  created: ReadonlySet<number>,
): boolean {
  if (guest.template) return false;
  if (scope.kind === 'created') return created.has(guest.vmid);
  if (scope.kind === 'pool') return isInPool(guest.pool, scope.pool);
  return scope.kind === 'visible' || isTagged(guest.tags, scope.tag);
}

/**
 * Counted are visible guests of the scope except templates, and reservations that came before ours. A VMID counts once, with the
 * greater of what is visible and what is reserved: a fresh guest is listed without its sizes, and a growing one with its old sizes until
 * the change is applied.
 * @param diskGib sum of a guest's volumes by VMID; only needed where a total of disk is limited (lists show the boot disk alone)
 */
export function usage(
  { guests, reserved, created }: Inventory,
  limits: LimitSettings,
  diskGib: ReadonlyMap<number, number> = new Map(),
): Usage {
  const counted = new Map<number, Sizes>();
  for (const g of guests) {
    if (counts(g, limits, created))
      counted.set(g.vmid, { cpu: g.cpus ?? 0, memoryMib: g.memoryMib ?? 0, diskGib: diskGib.get(g.vmid) ?? g.diskGib ?? 0 });
  }
  for (const r of reserved) {
    const seen = counted.get(r.vmid) ?? (r.newGuest ? { cpu: 0, memoryMib: 0, diskGib: 0 } : undefined);
    // A guest that grows and does not count: a template, or one outside the scope.
    if (!seen) continue;
    counted.set(r.vmid, {
      cpu: Math.max(seen.cpu, r.cpu),
      memoryMib: Math.max(seen.memoryMib, r.memoryMib),
      diskGib: Math.max(seen.diskGib, r.diskGib),
    });
  }
  const sum = (size: keyof Sizes) => [...counted.values()].reduce((total, s) => total + s[size], 0);
  return { guests: counted.size, cpu: sum('cpu'), memoryMib: sum('memoryMib'), diskGib: sum('diskGib') };
}

/** Sums of all disk volumes by VMID, from the storages' content lists (one request per storage; shared ones once). */
export async function diskSums(api: ProxmoxReader): Promise<Map<number, number>> {
  const storages = await api.get<{ storage: string; node: string; shared?: number; status?: string }[]>('/cluster/resources', {
    type: 'storage',
  });
  // A storage is `unknown` also where the status daemon of its node is silent. One that is away has no list.
  const once = new Map(storages.map((s) => [s.shared ? s.storage : `${s.node}/${s.storage}`, s]));
  const lists = await Promise.all(
    [...once.values()].map((s) =>
      volumeRows(api, s.node, s.storage).catch((thrown) => {
        if (s.status === 'available') throw thrown;
        return [];
      }),
    ),
  );
  const disks = lists.flat().filter((volume) => volume.vmid !== undefined && isDisk(volume));
  return summed(disks.map(({ vmid, size = 0 }) => [Number(vmid), gibOf(size)] as const));
}
