import type { Scope } from '../core/caller.ts';
import type { OperationContext } from '../operations/define.ts';
import type { Reservation } from '../store/reservations.ts';
import { freshGuests } from './claims.ts';
import type { Ports } from './ports.ts';
import { totalsOver } from './reserve.ts';
import { readerInScope } from './scope.ts';

/** What an operation may look at when it reads: no store is opened for it. */
export async function readContext(ports: Ports, { signal, scope }: { signal?: AbortSignal; scope?: Scope }): Promise<OperationContext> {
  const api = await ports.api();
  return {
    api: scope === undefined ? api : readerInScope(api, scope),
    settings: ports.settings,
    fresh: [],
    reservedGib: () => 0,
    overTotals: async () => [],
    createdHere: async (identity) => (await ports.store()).runs.made(api.cluster, identity.vmid, identity.key),
    madeBy: async (identity) => (await ports.store()).runs.madeBy(api.cluster, identity.vmid, identity.key),
    ...(signal ? { signal } : {}),
  };
}

/** What an operation may look at when it plans: also what other calls have in flight. */
export async function planContext(
  ports: Ports,
  options: { mine?: Reservation; claimedVmid?: number; signal?: AbortSignal; scope?: Scope; principal?: string },
): Promise<OperationContext> {
  const base = await readContext(ports, options);
  const reservations = await (await ports.store()).reservations.all(base.api.cluster);
  const vmid = options.mine?.vmid ?? options.claimedVmid;
  return {
    ...base,
    ...(vmid === undefined ? {} : { claimedVmid: vmid }),
    ...(options.principal === undefined ? {} : { principal: options.principal }),
    fresh: freshGuests(reservations, options.mine),
    overTotals: async (demand) => (await totalsOver(demand, ports, options.mine)).exceeded,
    reservedGib: (place) =>
      reservations.filter((r) => r.id !== options.mine?.id && r.state === 'held').reduce((sum, r) => sum + (r.space[place] ?? 0), 0),
  };
}
