import { defined } from '../core/defined.ts';
import type { Requester } from '../core/people/caller.ts';
import type { OperationContext } from '../operations/define.ts';
import { listGuests } from '../proxmox/guest/guests.ts';
import type { Reservation } from '../store/schema.ts';
import { changesOf } from './changes.ts';
import { birthsIn } from './limits/birth.ts';
import { quotasOf, takeInventory } from './limits/quotas.ts';
import { freshGuests } from './limits/reservations.ts';
import { totalsOver } from './limits/reserve.ts';
import { isForeign, readerInScope } from './limits/scope.ts';
import type { Ports } from './ports.ts';

/** The reservations under which a call plans, or the VMID that another one has for the same guest. */
export interface Reserved {
  mine?: readonly Reservation[];
  reservedVmid?: number;
  /** By name in lower case, for a call that makes several. */
  reservedVmids?: ReadonlyMap<string, number>;
}

/** The context of a read: it opens no store. */
export function readContext({ scope }: Requester, ports: Ports): OperationContext {
  const { api, name: cluster, limits, defaults, endpoints, tokenId, policy } = ports.cluster;
  const bornAt = birthsIn(ports);
  return {
    api: scope === undefined ? api : readerInScope(api, scope, bornAt),
    limits,
    defaults,
    endpoints,
    tokenId,
    fresh: [],
    reservedGib: () => 0,
    overTotals: async () => [],
    quotas: async () => quotasOf(await takeInventory(ports), ports.cluster),
    changesOf: async (vmid) => changesOf(vmid, scope && (await bornAt([vmid])).get(vmid), ports),
    createdHere: async (identity) => (await ports.store()).guests.made(cluster, identity.vmid, identity.key),
    madeBy: async (identity) => (await ports.store()).guests.madeBy(cluster, identity.vmid, identity.key),
    ...defined({ runs: policy.run }),
  };
}

/** The context of planning: it also shows what other calls have in flight. */
export async function planContext(
  caller: Requester,
  { mine = [], reservedVmid = mine[0]?.vmid, reservedVmids = vmidsByName(mine) }: Reserved,
  ports: Ports,
): Promise<OperationContext> {
  const reservations = await (await ports.store()).reservations.all(ports.cluster.name);
  return {
    ...readContext(caller, ports),
    ...defined({ reservedVmid }),
    reservedVmids,
    principal: caller.principal,
    fresh: freshGuests(await visible(reservations, caller, ports), mine),
    overTotals: async (demand) => (await totalsOver([demand], ports, mine)).exceeded,
    reservedGib: (place) =>
      reservations
        .filter((r) => !mine.some(({ id }) => id === r.id) && r.state === 'held')
        .reduce((sum, r) => sum + (r.space[place] ?? 0), 0),
  };
}

/** By name in lower case. */
export function vmidsByName(mine: readonly Pick<Reservation, 'name' | 'vmid'>[]): Map<string, number> {
  return new Map(mine.map(({ name, vmid }) => [name.toLowerCase(), vmid]));
}

/** Without reservations of other callers for guests that are, or may be, outside the caller's scope. */
async function visible(reservations: Reservation[], caller: Requester, ports: Ports): Promise<Reservation[]> {
  const made = reservations.filter(({ newGuest }) => newGuest);
  if (caller.scope === undefined || made.length === 0) return reservations;
  const { runs } = await ports.store();
  const [rows, makers] = await Promise.all([listGuests(ports.cluster.api), runs.all(made.flatMap(({ runId }) => runId ?? []))]);
  const seen = makers.filter((run) => !isForeign(run, caller, rows)).map(({ id }) => id);
  return made.filter(({ runId }) => runId !== undefined && seen.includes(runId));
}
