import type { Reservation } from '../../store/schema.ts';
import { isoNow, type Ports } from '../ports.ts';
import { isGone } from '../runs/worker.ts';

/** Counts a reservation as this process's work while a call continues. A fault releases it, because a store that failed may have stored it. */
export async function holding<T>(id: string, ports: Ports, work: () => Promise<T>): Promise<T> {
  ports.inFlight.reservations.add(id);
  try {
    return await work();
  } catch (error) {
    await giveBack(id, ports);
    throw error;
  }
}

/** The reservations of a call: one for each guest that it makes or grows. */
export interface Hold {
  mine: Reservation[];
}

/** Gives the call's reservations back when the work ends, unless a run has taken them over. */
export async function holdingReservation<T>(ports: Ports, work: (hold: Hold) => Promise<T>): Promise<T> {
  const hold: Hold = { mine: [] };
  try {
    return await work(hold);
  } finally {
    await giveAllBack(hold, ports);
  }
}

export async function giveAllBack(hold: Hold, ports: Ports): Promise<void> {
  for (const { id } of hold.mine.splice(0)) await giveBack(id, ports);
}

/** Releases a reservation, now or as soon as the store works. A fault of the store never hides the outcome of the call. */
export async function giveBack(id: string, ports: Ports): Promise<void> {
  try {
    await (await ports.store()).reservations.release(id);
    ports.inFlight.reservations.delete(id);
  } catch (err) {
    ports.log.warn({ err, reservation: id }, 'releasing a reservation failed and is retried later');
    ports.inFlight.owesRelease(id);
  }
}

/** Releases a reservation whose process ended before its run began. @returns false for any other, also for one that a run took over meanwhile */
export async function releaseLeft(reservation: Reservation, ports: Ports): Promise<boolean> {
  const { id, state, runId, worker } = reservation;
  if (state !== 'held' || runId !== undefined || !isLeft(reservation, ports)) return false;
  return (await ports.store()).reservations.releaseOrphan(id, worker);
}

/** Whether the process of this reservation or its run has ended. */
export function isLeft({ id, runId, worker, leaseUntil }: Reservation, ports: Ports): boolean {
  if (worker !== ports.worker) return isGone(worker, leaseUntil, isoNow(ports.clock));
  return !(runId === undefined ? ports.inFlight.reservations.has(id) : ports.inFlight.has(runId));
}
