import { ProxmoxMcpError } from '../../../core/errors/errors.ts';
import type { PlanDraft } from '../../../core/plan/plan.ts';
import { counted } from '../../../core/text/text.ts';
import type { OperationContext } from '../../define.ts';
import { alreadySo } from '../lib/outcome.ts';
import { label } from '../lib/target.ts';
import { thinWarnings } from '../provision/choose/storage.ts';
import { alongOf, type Chosen, choose, type Refused, type Unit, unitsOf, vmidOf } from './choose.ts';
import { planMove } from './move.ts';
import type { Mover } from './mover.ts';
import { obstaclesOf } from './obstacles.ts';
import { freeMemory, type Place, type Taken } from './places.ts';
import { type Survey, survey, type Wanted } from './survey.ts';

/** The plans of the guests that can move, and the errors of those that cannot. */
export interface Moves {
  plans: Map<number, PlanDraft>;
  refused: Map<number, ProxmoxMcpError>;
  /** The memory that the nodes have free before and after. */
  capacity: { before: NonNullable<PlanDraft['before']>; after: NonNullable<PlanDraft['after']>; warnings: string[] };
}

/** Places the guests one after another, so that each counts what the others take. Nothing is sent. */
export async function planMoves(ctx: OperationContext, vmids: readonly number[], wanted: Wanted): Promise<Moves> {
  const found = await survey(ctx, vmids, wanted);
  const { goals, homes, replications } = found;
  const moves: Moves = { plans: new Map(), refused: found.refused, capacity: { before: {}, after: {}, warnings: [] } };
  const open = found.movers.filter((mover) => !isThere(mover, wanted, moves) && !isHeld(mover, found, wanted, moves));
  let taken: Taken = new Map();
  for (const unit of unitsOf(withoutTorn(open, moves))) {
    const home = homes.get(nodeOf(unit[0])) as Place;
    const others = goals.filter(({ node }) => node.node !== home.node.node);
    const question = { home, replications, storage: wanted.storage, reservedGib: ctx.reservedGib };
    const chosen = choose(unit, others, question, taken);
    if ('refused' in chosen) {
      for (const mover of unit) moves.refused.set(vmidOf(mover), noNode(mover, chosen.refused));
    } else {
      taken = chosen.taken;
      accept(unit, chosen, { ...wanted, preferred: found.preferred }, moves);
    }
  }
  const capacity = capacityOf(goals, taken);
  moves.capacity = { ...capacity, warnings: [...capacity.warnings, ...(await thinOf(ctx, goals, taken))] };
  return moves;
}

const nodeOf = (mover: Mover): string => mover.target.guest.at.node;

function isThere(mover: Mover, { target_node: node }: Wanted, { plans }: Moves): boolean {
  if (nodeOf(mover) !== node) return false;
  const { target } = mover;
  const summary = `${label(target.guest)} is on ${node} already`;
  plans.set(vmidOf(mover), alreadySo(target, summary, { from: node }));
  return true;
}

function isHeld(mover: Mover, { homes, replications, used }: Survey, { storage }: Wanted, { refused }: Moves): boolean {
  const storages = homes.get(nodeOf(mover))?.storages ?? [];
  const found = obstaclesOf(mover, { storages, replications, used, mapped: storage !== undefined });
  const [first] = found;
  if (!first) return false;
  const reasons = found.map(({ why }) => why);
  refused.set(vmidOf(mover), cannotMove(mover, reasons, first.hint));
  return true;
}

/** Refuses guests with which an HA rule would move others that the plan does not name. */
function withoutTorn(movers: readonly Mover[], moves: Moves): Mover[] {
  const { refused } = moves;
  const isLeft = (mover: Mover) => alongOf(mover).some((vmid) => !movers.some((other) => vmidOf(other) === vmid));
  const torn = movers.filter(isLeft);
  if (torn.length === 0) return [...movers];
  for (const mover of torn) {
    const along = alongOf(mover);
    const held = along.filter((vmid) => refused.has(vmid));
    const hint = held.length > 0 ? `First follow the hint for ${held.join(', ')}.` : `Name ${along.join(', ')} in vmids too.`;
    refused.set(vmidOf(mover), cannotMove(mover, [`an HA rule moves ${along.join(', ')} along with it`], hint));
  }
  const others = movers.filter((mover) => !torn.includes(mover));
  return withoutTorn(others, moves);
}

/** Most reasons in the message of an error; its details have all. */
const MAX_REASONS = 3;

function cannotMove(mover: Mover, why: readonly string[], hint: string): ProxmoxMcpError {
  const more = why.length - MAX_REASONS;
  const shown = [...why.slice(0, MAX_REASONS), ...(more > 0 ? [`for ${counted(more, 'further reason')}`] : [])];
  return new ProxmoxMcpError(
    'not_possible',
    `${label(mover.target.guest)} cannot leave ${nodeOf(mover)}, because ${shown.join(', and ')}.`,
    {
      hint,
      details: { blocked_by: [...why] },
    },
  );
}

function noNode(mover: Mover, refused: Refused): ProxmoxMcpError {
  const of = label(mover.target.guest);
  const nodes = [...refused].map(([node, reasons]) => `${node}: ${reasons.join(', ')}`);
  if (nodes.length === 0) {
    return new ProxmoxMcpError('not_possible', `No other node that is online can take ${of}.`, {
      hint: 'Ask the operator to start a node.',
    });
  }
  return new ProxmoxMcpError('not_possible', `No node can take ${of}. ${nodes.map((one) => `On ${one}.`).join(' ')}`, {
    hint: 'Choose another node or storage, or ask the operator for what is missing.',
    details: { blocked_by: nodes },
  });
}

type Wish = Wanted & Pick<Survey, 'preferred'>;

function accept([leader, ...others]: Unit, { to: place }: Chosen, { target_node, storage, preferred }: Wish, { plans }: Moves): void {
  const common = { to: place.node.node, storage, ...(target_node === undefined ? { choice: choiceOf(place) } : {}) };
  const of = (mover: Mover) => ({ mover, ...common, preferred: preferred.get(vmidOf(mover)) });
  plans.set(vmidOf(leader), planMove(of(leader)));
  for (const mover of others) plans.set(vmidOf(mover), planMove({ ...of(mover), with: leader }));
}

function choiceOf({ node }: Place): string {
  const why = node.freeMib === undefined ? 'its memory is not visible to this token' : 'the least of its memory is assigned to guests';
  return `${node.node} (${why})`;
}

/** Nodes share some pools, and each names them. */
async function thinOf(ctx: OperationContext, places: readonly Place[], taken: Taken): Promise<string[]> {
  const used = places.filter(({ node }) => taken.has(node.node));
  const found = await Promise.all(used.map(({ node, storages }) => thinWarnings(ctx, node.node, storages, Object.fromEntries(taken))));
  return [...new Set(found.flat())];
}

/** Percentage of memory in use above which a warning names the node. */
const FULL_PERCENT = 90;

function capacityOf(places: readonly Place[], taken: Taken): Moves['capacity'] {
  const used = places.filter(({ node }) => taken.has(node.node));
  const sides = used.flatMap(({ node }) => {
    const { freeMib, memoryMib } = node;
    if (freeMib === undefined || memoryMib === undefined) return [];
    const after = freeMemory(node, taken) ?? 0;
    const [was, is] = [`${freeMib} of ${memoryMib}`, `${Math.floor(after)} of ${memoryMib}`];
    return [{ node: node.node, key: `free memory of ${node.node} (MiB)`, was, is, part: after / memoryMib }];
  });
  const hidden = used.filter(({ node }) => node.freeMib === undefined).map(({ node }) => node.node);
  return {
    before: Object.fromEntries(sides.map(({ key, was }) => [key, was])),
    after: Object.fromEntries(sides.map(({ key, is }) => [key, is])),
    warnings: [
      ...sides
        .filter(({ part }) => 100 * part < 100 - FULL_PERCENT)
        .map(({ node, part }) => `${node} has ${Math.round(100 - 100 * part)} % of its memory in use afterwards`),
      ...(hidden.length > 0 ? [`whether ${hidden.join(', ')} has enough memory is not visible to this token (Sys.Audit on the node)`] : []),
    ],
  };
}
