import { fail } from '../core/errors.ts';
import type { Plan, RequestStep } from '../core/plan.ts';
import { listGuests } from '../proxmox/guests.ts';
import type { Reservation } from '../store/reservations.ts';
import { tidy } from './claims.ts';
import { newId } from './ids.ts';
import { isoNow, type Ports } from './ports.ts';
import { checkGuestLimits, checkTotals, diskSums, usage } from './quota.ts';
import { leaseFrom } from './worker.ts';

/** A place in the queue for everything that takes something: what came earlier counts, what comes later waits its turn. */
export async function reserve(plan: Plan, ports: Ports, mine: Reservation | undefined): Promise<Reservation | undefined> {
  const { demand } = plan;
  if (!demand) return mine;
  const store = await ports.store();
  const { cluster } = await ports.api();
  let reservation = mine;
  if (!reservation) {
    const wish = {
      id: newId('rsv'),
      cluster,
      name: '',
      newGuest: false,
      worker: ports.worker,
      leaseUntil: leaseFrom(ports.clock),
      now: isoNow(ports.clock),
    };
    const result = await store.reservations.claim(wish, () => demand.vmid);
    reservation = 'mine' in result ? result.mine : fail('internal', 'A place in the queue was refused.');
  }
  const first = plan.steps.find((s): s is RequestStep => s.kind === 'request');
  const space = plan.space ?? {};
  const rises = (size: 'cpu' | 'memoryMib' | 'diskGib') => Math.max(0, demand.after[size] - demand.before[size]);
  const node = plan.node ?? first?.task?.node ?? '';
  const type = plan.target?.type ?? 'qemu';
  await store.reservations.setDemand(reservation.id, {
    node,
    type,
    cpu: rises('cpu'),
    memoryMib: rises('memoryMib'),
    diskGib: rises('diskGib'),
    space,
  });
  return { ...reservation, node, type };
}

/** Reservations first, then the cluster: a guest that leaves the reservations in between is visible by then. */
export async function checkQuota(plan: Plan, ports: Ports, mine: Reservation | undefined): Promise<void> {
  const { demand } = plan;
  if (!demand) return;
  const { limits } = ports.settings;
  checkGuestLimits(demand, limits);
  const [api, store] = await Promise.all([ports.api(), ports.store()]);
  const reservations = await store.reservations.all(api.cluster);
  const earlier = reservations.filter((r) => r.id !== mine?.id && (mine === undefined || r.seq < mine.seq));
  const guests = await listGuests(api);
  const created = limits.scope.kind === 'created' ? new Set(await store.runs.madeVmids(api.cluster)) : new Set<number>();
  const disks = limits.maxTotalDiskGib === undefined ? undefined : await diskSums(api);
  const others = demand.newGuests === 1 ? guests.filter((g) => g.vmid !== demand.vmid) : guests;
  checkTotals(demand, usage(others, earlier, limits, created, disks), limits);
  await tidy(store, guests, ports);
}
