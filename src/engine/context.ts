import type { Caller, Scope } from '../core/caller.ts';
import { defined } from '../core/defined.ts';
import type { OperationContext } from '../operations/define.ts';
import { listGuests } from '../proxmox/guests.ts';
import type { Reservation } from '../store/reservations.ts';
import { quotasOf, takeInventory } from './limits/quotas.ts';
import { freshGuests } from './limits/reservations.ts';
import { totalsOver } from './limits/reserve.ts';
import { isForeign, readerInScope } from './limits/scope.ts';
import type { Ports } from './ports.ts';
import type { Call } from './types.ts';

/** The part of a call that its reads depend on. */
export function contextOf({ caller, options }: Pick<Call, 'caller' | 'options'>): { signal?: AbortSignal; scope?: Scope } {
  return defined({ signal: options.signal, scope: caller.scope });
}

/** The context of a read: it opens no store. */
export function readContext(ports: Ports, { signal, scope }: { signal?: AbortSignal; scope?: Scope }): OperationContext {
  const { api, name: cluster, limits, defaults, tokenId } = ports.cluster;
  return {
    api: scope === undefined ? api : readerInScope(api, scope),
    limits,
    defaults,
    tokenId,
    fresh: [],
    reservedGib: () => 0,
    overTotals: async () => [],
    quotas: async () => quotasOf(await takeInventory(ports), limits, api),
    createdHere: async (identity) => (await ports.store()).guests.made(cluster, identity.vmid, identity.key),
    madeBy: async (identity) => (await ports.store()).guests.madeBy(cluster, identity.vmid, identity.key),
    ...defined({ signal }),
  };
}

/** The context of planning: it also shows what other calls have in flight. */
export async function planContext(
  ports: Ports,
  options: { mine?: Reservation; reservedVmid?: number; signal?: AbortSignal; scope?: Scope; principal: string },
): Promise<OperationContext> {
  const base = readContext(ports, options);
  const reservations = await (await ports.store()).reservations.all(ports.cluster.name);
  const vmid = options.mine?.vmid ?? options.reservedVmid;
  return {
    ...base,
    ...defined({ reservedVmid: vmid }),
    principal: options.principal,
    fresh: freshGuests(await visible(reservations, options, ports), options.mine),
    overTotals: async (demand) => (await totalsOver(demand, ports, options.mine)).exceeded,
    reservedGib: (place) =>
      reservations.filter((r) => r.id !== options.mine?.id && r.state === 'held').reduce((sum, r) => sum + (r.space[place] ?? 0), 0),
  };
}

/** Without what others make outside the caller's scope, or may be making there. */
async function visible(reservations: Reservation[], caller: Pick<Caller, 'principal' | 'scope'>, ports: Ports): Promise<Reservation[]> {
  const made = reservations.filter(({ newGuest }) => newGuest);
  if (caller.scope === undefined || made.length === 0) return reservations;
  const { api } = ports.cluster;
  const { runs } = await ports.store();
  const rows = await listGuests(api);
  const seen = await Promise.all(
    made.map(async (reservation) => {
      const run = reservation.runId === undefined ? undefined : await runs.get(reservation.runId);
      return run !== undefined && !isForeign(run, caller, rows) ? reservation : [];
    }),
  );
  return seen.flat();
}
