import { fail } from '../../core/errors.ts';
import { type Excess, overPerGuest, overTotals, plain, refuseExcess } from '../../core/limits.ts';
import type { Plan, RequestStep, ResourceDemand } from '../../core/plan.ts';
import type { ProxmoxApi } from '../../core/proxmox.ts';
import type { LimitSettings } from '../../core/settings.ts';
import { hiddenPools } from '../../proxmox/access/pools.ts';
import { listStorages, placeOn } from '../../proxmox/storage.ts';
import type { Reservation } from '../../store/reservations.ts';
import { newId } from '../ids.ts';
import { isoNow, type Ports } from '../ports.ts';
import { leaseFrom } from '../runs/worker.ts';
import { holding } from './hold.ts';
import { checkInside, counts } from './quota.ts';
import { takeInventory, used } from './quotas.ts';
import { newGuest } from './subject.ts';

/** A place in the queue for everything that takes something: what came earlier counts, what comes later waits its turn. */
export async function reserve(plan: Plan, ports: Ports, mine: Reservation | undefined): Promise<Reservation | undefined> {
  const { demand } = plan;
  if (!demand) return mine;
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  let reservation = mine;
  if (!reservation) {
    const request = {
      id: newId('rsv'),
      cluster,
      name: '',
      newGuest: false,
      worker: ports.worker,
      leaseUntil: leaseFrom(ports.clock),
      now: isoNow(ports.clock),
    };
    const result = await holding(request.id, ports, () => store.reservations.reserve(request, () => demand.vmid));
    reservation = 'mine' in result ? result.mine : fail('internal', 'The reservation was rejected.');
  }
  const first = plan.steps.find((s): s is RequestStep => s.kind === 'request');
  const space = plan.space ?? {};
  const node = plan.node ?? first?.task?.node ?? '';
  const type = plan.target?.type ?? 'qemu';
  // A container's share of a CPU may be half a one.
  const cpu = Math.ceil(demand.after.cpu);
  const demanded = { node, type, ...demand.after, cpu, space };
  const { id } = reservation;
  await (mine ? store.reservations.setDemand(id, demanded) : holding(id, ports, () => store.reservations.setDemand(id, demanded)));
  return { ...reservation, node, type };
}

/** @throws quota_exceeded, or storage_unavailable where earlier work takes the space */
export async function checkQuota(plan: Plan, ports: Ports, mine: Reservation | undefined): Promise<void> {
  const { demand } = plan;
  if (!demand) return;
  const { limits } = ports.cluster;
  if (demand.newGuests === 1) checkInside(newGuest(plan), limits);
  const { earlier, exceeded } = await totalsOver(demand, ports, mine);
  refuseExcess([...overPerGuest(demand, limits), ...exceeded]);
  await checkSpace(plan, earlier, ports.cluster.api);
}

/** Limits of the scope that the demand exceeds beside what exists and what came earlier. */
export async function totalsOver(
  demand: ResourceDemand,
  ports: Ports,
  mine: Reservation | undefined,
): Promise<{ earlier: Reservation[]; exceeded: Excess[] }> {
  const { api, limits } = ports.cluster;
  const { guests, reserved, created } = await takeInventory(ports);
  const earlier = reserved.filter((r) => r.id !== mine?.id && (mine === undefined || r.seq < mine.seq));
  const limitsSizes = [limits.maxTotalCpu, limits.maxTotalRamMib, limits.maxTotalDiskGib].some((limit) => limit !== undefined);
  const own = guests.find((g) => g.vmid === demand.vmid);
  if (demand.newGuests === 1 || (limitsSizes && own?.pool === undefined)) await checkCountable(limits, api);
  if (demand.newGuests === 0 && !(own && counts(own, limits, created))) return { earlier, exceeded: [] };
  const others = <T extends { vmid: number }>(list: readonly T[]) => list.filter(({ vmid }) => vmid !== demand.vmid);
  const { all } = await used({ guests: others(guests), reserved: others(earlier), created }, limits, api);
  return { earlier, exceeded: overTotals(demand, all, limits) };
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

/** Plans made at the same moment do not see each other; once reserved, the earlier one has the space. */
async function checkSpace(plan: Plan, earlier: readonly Reservation[], api: ProxmoxApi): Promise<void> {
  for (const [place, gib] of Object.entries(plan.space ?? {})) {
    const taken = earlier.filter((r) => r.state === 'held').reduce((sum, r) => sum + (r.space[place] ?? 0), 0);
    if (taken === 0) continue;
    const node = plan.node ?? '';
    const storage = (await listStorages(api, node)).find((s) => placeOn(node, s) === place);
    if (!storage || storage.freeGib - taken >= gib) continue;
    fail(
      'storage_unavailable',
      `Storage ${storage.storage} has ${Math.floor(storage.freeGib)} GiB free. Work in flight needs ${plain(taken)} of them, and this request needs ${plain(gib)}.`,
      {
        hint: 'Call again when the other work is done, or choose another storage or a smaller disk.',
      },
    );
  }
}
