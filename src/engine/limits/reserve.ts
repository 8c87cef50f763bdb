import { fail } from '../../core/errors/errors.ts';
import { demandsOf, partsOf, requestsOf } from '../../core/plan/parts.ts';
import type { Plan, ResourceDemand } from '../../core/plan/plan.ts';
import type { ProxmoxApi } from '../../core/proxmox.ts';
import { type Excess, overPerGuest, overTotals, plain, refuseExcess, sumOf } from '../../core/settings/limits.ts';
import type { LimitSettings } from '../../core/settings/settings.ts';
import { hiddenPools } from '../../proxmox/access/pools.ts';
import { listStorages, placeOn } from '../../proxmox/storage.ts';
import type { Reservation } from '../../store/schema.ts';
import type { Ports } from '../ports.ts';
import { type Hold, holding } from './hold.ts';
import { checkInside, checkStays, counts } from './quota.ts';
import { takeInventory, used } from './quotas.ts';
import { reservationOf } from './reservations.ts';
import { newGuest } from './subject.ts';

/** Reserves a place in the queue for each guest that takes resources: earlier reservations count, later ones do not. */
export async function reserve(plan: Plan, hold: Hold, ports: Ports): Promise<void> {
  for (const part of partsOf(plan)) {
    const index = hold.mine.findIndex(({ vmid }) => vmid === part.demand?.vmid);
    const reservation = await reserveOne(part, ports, hold.mine[index]);
    if (reservation) hold.mine.splice(index < 0 ? hold.mine.length : index, 1, reservation);
  }
}

async function reserveOne(plan: Plan, ports: Ports, mine: Reservation | undefined): Promise<Reservation | undefined> {
  const { demand } = plan;
  if (!demand) return mine;
  const store = await ports.store();
  let reservation = mine;
  if (!reservation) {
    const request = reservationOf({ name: '', newGuest: false }, ports);
    const result = await holding(request.id, ports, () => store.reservations.reserve(request, () => demand.vmid));
    reservation = 'mine' in result ? result.mine : fail('internal', 'The reservation was rejected.');
  }
  const node = plan.node ?? requestsOf(plan)[0]?.task?.node ?? '';
  const type = plan.target?.type ?? 'qemu';
  // A container's share of a CPU may be half a one.
  const cpu = Math.ceil(demand.after.cpu);
  const { id } = reservation;
  const set = () => store.reservations.setDemand(id, { node, type, ...demand.after, cpu, space: plan.space ?? {} });
  const placed = await (mine ? set() : holding(id, ports, set));
  // Without its row the run cannot begin, and fails with the reason.
  return placed ?? { ...reservation, node, type };
}

/** @throws quota_exceeded, or storage_unavailable where earlier work takes the space */
export async function checkQuota(plan: Plan, ports: Ports, mine: readonly Reservation[]): Promise<void> {
  const { api, limits } = ports.cluster;
  checkStays(plan, limits);
  const demands = demandsOf(plan);
  if (demands.length === 0) return;
  for (const part of partsOf(plan)) if (part.demand?.newGuests === 1) checkInside(newGuest(part), limits);
  const { earlier, exceeded } = await totalsOver(demands, ports, mine);
  const each = demands.flatMap((demand) => overPerGuest(demand, limits));
  refuseExcess([...each.filter(({ size }, index) => each.findIndex((one) => one.size === size) === index), ...exceeded]);
  await checkSpace(plan, earlier, api);
}

/**
 * Limits of the scope that the demands exceed together with existing guests and earlier reservations. Of two calls with several reservations each, the
 * one with the latest counts all of the other.
 */
export async function totalsOver(
  demands: readonly ResourceDemand[],
  ports: Ports,
  mine: readonly Reservation[],
): Promise<{ earlier: Reservation[]; exceeded: Excess[] }> {
  const { api, limits } = ports.cluster;
  const { guests, reserved, created } = await takeInventory(ports);
  // A name without sizes gets its place later. So all with a place are earlier than a plan without one, and a mere name blocks no plan.
  const isPlaced = (r: Reservation) => r.cpu + r.memoryMib > 0;
  const last = mine.some(isPlaced) ? Math.max(...mine.map(({ seq }) => seq)) : Number.POSITIVE_INFINITY;
  const earlier = reserved.filter((r) => r.seq < last && (mine.length === 0 || isPlaced(r)) && !mine.some(({ id }) => id === r.id));
  const limitsSizes = [limits.maxTotalCpu, limits.maxTotalRamMib, limits.maxTotalDiskGib].some((limit) => limit !== undefined);
  const ownOf = (demand: ResourceDemand) => guests.find((g) => g.vmid === demand.vmid);
  if (demands.some((one) => one.newGuests === 1 || (limitsSizes && ownOf(one)?.pool === undefined))) await checkCountable(limits, api);
  const counted = demands.filter((one) => {
    const own = ownOf(one);
    return one.newGuests === 1 || (own !== undefined && counts(own, limits, created));
  });
  if (counted.length === 0) return { earlier, exceeded: [] };
  const others = <T extends { vmid: number }>(list: readonly T[]) => list.filter(({ vmid }) => counted.every((one) => one.vmid !== vmid));
  const { all } = await used({ guests: others(guests), reserved: others(earlier), created }, ports.cluster);
  return { earlier, exceeded: overTotals(sumOf(counted), all, limits) };
}

/** Where the token sees no pools, none of its guests would count. */
async function checkCountable({ scope }: LimitSettings, api: ProxmoxApi): Promise<void> {
  if (scope.kind !== 'pool' || (await hiddenPools(api, [scope.pool])).size === 0) return;
  const lacking = `the Proxmox token lacks Pool.Audit on /pool/${scope.pool}`;
  fail('quota_exceeded', `The guests of pool ${scope.pool} cannot be counted (PROXMOX_QUOTA_SCOPE): ${lacking}.`, {
    hint: `The operator adds Pool.Audit to the role that the token has on /pool/${scope.pool}. \`proxmox-mcp doctor\` checks it.`,
    details: { variable: 'PROXMOX_QUOTA_SCOPE' },
  });
}

/** Plans of the same moment do not see each other's space. Once reserved, the earlier one has it. */
async function checkSpace(plan: Plan, earlier: readonly Reservation[], api: ProxmoxApi): Promise<void> {
  for (const [place, gib] of Object.entries(plan.space ?? {})) {
    const taken = earlier.filter((r) => r.state === 'held').reduce((sum, r) => sum + (r.space[place] ?? 0), 0);
    if (taken === 0) continue;
    const node = plan.node ?? '';
    const storage = (await listStorages(api, node)).find((s) => placeOn(node, s) === place);
    if (!storage || storage.freeGib - taken >= gib) continue;
    const free = `Storage ${storage.storage} has ${Math.floor(storage.freeGib)} GiB free`;
    fail('storage_unavailable', `${free}. Work in flight needs ${plain(taken)} of them, and this request needs ${plain(gib)}.`, {
      hint: 'Call again when the other work is done, or choose another storage or a smaller disk.',
    });
  }
}
