import { fail } from '../../core/errors/errors.ts';
import type { FreshGuest, ReservationRequest } from '../../operations/define.ts';
import { type GuestRow, isFree, listGuests, nextFree } from '../../proxmox/guest/guests.ts';
import type { Reservation } from '../../store/schema.ts';
import { newId } from '../ids.ts';
import { isoNow, type Ports } from '../ports.ts';
import { doomedVmids, openRunsOf } from '../runs/outcome/late.ts';
import { leaseFrom } from '../runs/worker.ts';
import { holding, releaseLeft } from './hold.ts';
import { outsideBans } from './policy.ts';

/** Lists may show a guest complete and, a moment later, from another node's older cache, incomplete again. */
const LISTED_SECONDS = 15;

/** How long the VMID of a deleted guest is not chosen for another one. */
const REUSE_AFTER_MS = 24 * 3_600_000;

/** `other`: another call has reserved the name or the VMID. */
type Taken = { kind: 'mine' | 'other'; reservation: Reservation };

/**
 * Reserves a name and a VMID for a new guest before anything is planned, so that of many equal calls, in any process, one creates the guest.
 * @param avoid VMIDs that turned out to be taken
 * @throws conflict when no VMID is free
 */
export async function reserveGuest(wanted: ReservationRequest, ports: Ports, avoid: ReadonlySet<number>): Promise<Taken> {
  const { api } = ports.cluster;
  const store = await ports.store();
  const request = reservationOf({ name: wanted.name ?? '', newGuest: true }, ports);
  const doomed = await refuseDoomed(wanted.vmid, ports);
  const taken = new Set([...avoid, ...doomed, ...(wanted.vmid === undefined ? await deletedLately(ports) : [])]);
  const first = wanted.vmid === undefined ? await nextFree(api) : 0;
  if (wanted.vmid === undefined) for (const g of await listGuests(api)) taken.add(g.vmid);
  for (;;) {
    const result = await holding(request.id, ports, () =>
      store.reservations.reserve(request, (reserved) => {
        if (wanted.vmid !== undefined) return wanted.vmid;
        let vmid = outsideBans(first, ports.cluster.policy);
        while (taken.has(vmid) || reserved.has(vmid)) vmid = outsideBans(vmid + 1, ports.cluster.policy);
        return vmid;
      }),
    );
    if ('other' in result) {
      ports.inFlight.reservations.delete(request.id);
      return { kind: 'other', reservation: result.other };
    }
    const { mine } = result;
    // Guests outside the token's rights are in no list, yet their VMIDs are taken.
    const free = wanted.vmid !== undefined || mine.vmid === first || (await holding(mine.id, ports, () => isFree(api, mine.vmid)));
    if (free) return { kind: 'mine', reservation: mine };
    await store.reservations.release(mine.id);
    taken.add(mine.vmid);
    if (taken.size > 20_000) fail('conflict', 'No free VMID was found.');
  }
}

/** The row that this process asks the store for. */
export function reservationOf(guest: { name: string; newGuest: boolean }, { cluster, worker, clock }: Ports) {
  return { id: newId('rsv'), cluster: cluster.name, ...guest, worker, leaseUntil: leaseFrom(clock), now: isoNow(clock) };
}

/**
 * VMIDs at which a DELETE or a restore of unknown outcome may still arrive: it would destroy a new guest there.
 * @throws conflict when the wanted one is among them
 */
export async function refuseDoomed(vmid: number | undefined, ports: Ports): Promise<Iterable<number>> {
  if (vmid !== undefined) await openRunsOf([vmid], ports);
  const doomed = await doomedVmids(ports);
  const run = vmid === undefined ? undefined : doomed.get(vmid);
  if (run !== undefined) {
    const why = 'Proxmox may still execute an earlier DELETE or restore, which would destroy a new guest there';
    fail('conflict', `VMID ${vmid} is blocked. ${why}.`, {
      hint: `Choose another VMID or leave vmid out. The operator ends the watch with \`proxmox-mcp runs close ${run}\`.`,
      details: { run_id: run },
    });
  }
  return doomed.keys();
}

/**
 * For a dry-run: the VMID that a reservation would choose now.
 * @param more those that it has chosen already
 */
export async function freeVmid(ports: Ports, more: readonly number[] = []): Promise<number> {
  const { api, policy } = ports.cluster;
  const [first, doomed, deleted] = await Promise.all([nextFree(api), refuseDoomed(undefined, ports), deletedLately(ports)]);
  const avoid = new Set([...doomed, ...deleted, ...more]);
  let vmid = outsideBans(first, policy);
  if (vmid === first && !avoid.has(first)) return first;
  const listed = new Set((await listGuests(api)).map((g) => g.vmid));
  while (avoid.has(vmid) || listed.has(vmid) || !(await isFree(api, vmid))) vmid = outsideBans(vmid + 1, policy);
  return vmid;
}

/** Backups and jobs of a guest that is gone would look like those of a new one with its VMID. */
export async function deletedLately(ports: Ports): Promise<Set<number>> {
  const { runs } = await ports.store();
  return new Set(await runs.deletedVmids(ports.cluster.name, new Date(ports.clock.now() - REUSE_AFTER_MS).toISOString()));
}

/** Guests that are being created or too fresh for the lists, except our own reservation. */
export function freshGuests(reservations: readonly Reservation[], mine: readonly Reservation[]): FreshGuest[] {
  return reservations
    .filter((r) => r.newGuest && !mine.some(({ id }) => id === r.id) && r.node !== '')
    .map((r) => ({ vmid: r.vmid, name: r.name, node: r.node, type: r.type }));
}

/**
 * Gives back what is no longer needed: guests that the lists show completely or that are gone, and reservations whose process is gone.
 * @param guests listed after the reservations were read
 * @returns the reservations that still count
 */
export async function tidy(reservations: readonly Reservation[], guests: readonly GuestRow[], ports: Ports): Promise<Reservation[]> {
  const { reservations: rows } = await ports.store();
  const listedBefore = new Date(ports.clock.now() - LISTED_SECONDS * 1000).toISOString();
  const kept: Reservation[] = [];
  for (const r of reservations) {
    if (r.state === 'held') {
      if (!(await releaseLeft(r, ports))) kept.push(r);
      continue;
    }
    const row = guests.find((g) => g.vmid === r.vmid);
    const complete = row !== undefined && (r.newGuest ? row.name !== '' && (row.cpus ?? 0) > 0 : showsGrowth(row, r));
    if ((complete && r.changedAt < listedBefore) || (row === undefined && (await isDeleted(r, ports)))) await rows.release(r.id);
    else kept.push(r);
  }
  return kept;
}

/** A guest that was created here and deleted by other means. One whose creation is unknown may still come. */
async function isDeleted({ runId, vmid, changedAt }: Reservation, ports: Ports): Promise<boolean> {
  const run = runId === undefined ? undefined : await (await ports.store()).runs.get(runId);
  if (run?.status === 'unknown') return false;
  // An hour is far beyond any delay of the lists: such a guest is one that this token does not see.
  return (await isFree(ports.cluster.api, vmid).catch(() => false)) || Date.parse(changedAt) < ports.clock.now() - 3_600_000;
}

/** Pending changes are listed only after a stop and start; a stopped guest is listed as configured. */
function showsGrowth(row: GuestRow, { cpu, memoryMib }: Reservation): boolean {
  return row.status === 'stopped' || (Math.ceil(row.cpus ?? 0) >= cpu && (row.memoryMib ?? 0) >= memoryMib);
}
