import { type Mover, memoryOf } from './mover.ts';
import { type Place, type Question, reasonsAgainst, type Taken, withTaken } from './places.ts';

/** Guests that one request moves: more than one where an HA rule keeps them together. */
export type Unit = readonly [Mover, ...Mover[]];

export interface Chosen {
  to: Place;
  /** With what this unit takes. */
  taken: Taken;
}
/** Why no node can take the unit, by node. */
export type Refused = ReadonlyMap<string, readonly string[]>;

export const vmidOf = (mover: Mover): number => mover.target.guest.at.vmid;

/** VMIDs of the guests that HA moves along. */
export function alongOf({ known }: Mover): number[] {
  return known.along.map((sid) => Number(sid.split(':')[1]));
}

/** The greatest first: those are the hardest to place. */
export function unitsOf(movers: readonly Mover[]): Unit[] {
  const placed = new Set<number>();
  const units = movers.flatMap((mover): Unit[] => {
    if (placed.has(vmidOf(mover))) return [];
    const others = movers.filter((other) => other !== mover && alongOf(mover).includes(vmidOf(other)));
    for (const one of [mover, ...others]) placed.add(vmidOf(one));
    return [[mover, ...others]];
  });
  const size = (unit: Unit) => unit.reduce((sum, one) => sum + memoryOf(one), 0);
  return units.sort((a, b) => size(b) - size(a));
}

/**
 * The node with the smallest part of its memory assigned to running guests, then of its CPUs. Present use only rules a node out: it changes all
 * the time, and the plan that is made again at an approval must choose the same node.
 */
export function choose(unit: Unit, places: readonly Place[], question: Question, taken: Taken): Chosen | { refused: Refused } {
  const refused = new Map<string, string[]>();
  const fitting = places.flatMap((to): Chosen[] => {
    let after = taken;
    const reasons: string[] = [];
    for (const mover of unit) {
      reasons.push(...reasonsAgainst(mover, to, question, after));
      after = withTaken(after, mover, to, question.storage);
    }
    if (reasons.length === 0) return [{ to, taken: after }];
    refused.set(to.node.node, reasons);
    return [];
  });
  const [best] = fitting.sort((a, b) => assignedPart(a) - assignedPart(b) || cpusPart(a) - cpusPart(b));
  return best ?? { refused };
}

/** A node whose memory the token does not see comes last. */
function assignedPart({ to, taken }: Chosen): number {
  const { node, memoryMib } = to.node;
  return memoryMib === undefined ? Number.MAX_VALUE : (to.assigned.memory + (taken.get(node) ?? 0)) / memoryMib;
}

function cpusPart({ to }: Chosen): number {
  return to.assigned.cpus / (to.node.cpus ?? 1);
}
