import { defined } from '../../core/defined.ts';
import { partsOf } from '../../core/plan/parts.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Result } from '../../core/result.ts';
import type { ReservationRequest } from '../../operations/define.ts';
import type { Reservation } from '../../store/schema.ts';
import { giveAllBack, giveBack, type Hold } from '../limits/hold.ts';
import { reserveGuest } from '../limits/reservations.ts';
import type { Ports } from '../ports.ts';
import type { ChangeCall } from '../types.ts';
import { isGoneOrRenamed, whileHeld } from './other-call.ts';

/** Half-made guests that a call finishes, by name in lower case. */
export type HalfMade = ReadonlyMap<string, number>;

const keyOf = ({ name = '' }: Pick<ReservationRequest, 'name'>) => name.toLowerCase();

/**
 * Reserves the guests of a call that makes several. All calls do so in the same order, so that no two wait for each other. A guest that another
 * call has just made needs no reservation: the plan finds it.
 * @returns that another call continues, where it does so longer than this one waits
 */
export async function holdEach(
  call: ChangeCall,
  { wanted, halfMade }: { wanted: readonly ReservationRequest[]; halfMade: HalfMade },
  hold: Hold,
  ports: Ports,
): Promise<Result | undefined> {
  for (const one of [...wanted].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) {
    const request = { ...one, ...defined({ vmid: halfMade.get(keyOf(one)) }) };
    for (;;) {
      call.deadline.waitsFor("Proxmox's answers or the store");
      const taken = await reserveGuest(request, ports, new Set());
      if (taken.kind === 'mine') {
        hold.mine.push(taken.reservation);
        break;
      }
      call.deadline.waitsFor('another call that is creating one of these guests');
      const continues = await whileHeld(call, taken.reservation, ports);
      if (continues) return continues;
      if (await isMade(taken.reservation, ports)) break;
    }
  }
  return undefined;
}

/** Whether the guest of another call exists. If not, its name is free now. */
async function isMade({ id }: Reservation, ports: Ports): Promise<boolean> {
  const { reservations } = await ports.store();
  const made = await reservations.get(id);
  if (!made || !(await isGoneOrRenamed(made, ports))) return made !== undefined;
  await reservations.release(id);
  return false;
}

/**
 * Releases the reservations that the plan does not need, because their guests exist.
 * @returns the half-made guests whose own VMIDs are to be reserved before they are planned again; then nothing is held
 */
export async function keepNeeded(plan: Plan, hold: Hold, ports: Ports): Promise<HalfMade | undefined> {
  const parts = partsOf(plan);
  const held = (vmid: number | undefined) => hold.mine.some((one) => one.vmid === vmid);
  const halfMade = parts.filter(({ continues, demand }) => continues !== undefined && !held(demand?.vmid));
  if (halfMade.length > 0) {
    await giveAllBack(hold, ports);
    const { reservations } = await ports.store();
    // The reservation of the run that made it: its guest exists.
    for (const { demand } of halfMade) await reservations.releaseGuest(ports.cluster.name, demand?.vmid ?? 0);
    const continued = parts.filter(({ continues }) => continues !== undefined);
    return new Map(continued.map(({ target, demand }) => [keyOf({ name: target?.name ?? '' }), demand?.vmid ?? 0]));
  }
  const needed = new Set(parts.map(({ demand }) => demand?.vmid));
  for (const { id } of hold.mine.filter(({ vmid }) => !needed.has(vmid))) await giveBack(id, ports);
  hold.mine = hold.mine.filter(({ vmid }) => needed.has(vmid));
  return undefined;
}
