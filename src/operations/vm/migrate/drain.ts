import { fail, type ProxmoxMcpError } from '../../../core/errors/errors.ts';
import { gravest, raisedTo } from '../../../core/plan/effect.ts';
import { nothingToSend, type PlanDraft } from '../../../core/plan/plan.ts';
import { allPrivileges } from '../../../proxmox/access/privileges.ts';
import { unseenBy } from '../../../proxmox/access/unseen.ts';
import { listGuests } from '../../../proxmox/guest/guests.ts';
import { listNodes } from '../../../proxmox/nodes.ts';
import type { OperationContext } from '../../define.ts';
import { onlineNode } from '../provision/choose/node.ts';
import { assemble } from './assemble.ts';
import { planMoves } from './plan-moves.ts';
import type { Wanted } from './survey.ts';

/** Guests that one plan may cover. */
const MAX_GUESTS = 50;

/**
 * The plan that empties a node. Guests that cannot move stay, and the plan says why.
 * @throws not_possible for a node that is not online, and where no guest of it can move
 */
export async function drain(ctx: OperationContext, node: string, wanted: Wanted): Promise<PlanDraft> {
  if (node === wanted.target_node) fail('invalid_arguments', `from_node and target_node are both ${node}.`);
  const [rows, granted, nodes] = await Promise.all([listGuests(ctx.api), allPrivileges(ctx.api), listNodes(ctx.api)]);
  onlineNode(nodes, node);
  const here = rows.filter((row) => row.node === node).map(({ vmid }) => vmid);
  const hidden = unseenBy(granted, ['guests']);
  if (here.length === 0) return nothingOn(node, hidden);
  if (here.length > MAX_GUESTS) {
    fail('invalid_arguments', `${here.length} guests are on ${node}. One approval covers at most ${MAX_GUESTS}.`, {
      hint: 'Name some of the guests in vmids.',
      details: { vmids: here },
    });
  }
  const moves = await planMoves(ctx, here, wanted);
  const { plans, refused } = moves;
  const [first, ...others] = [...plans.keys()].sort((a, b) => a - b);
  if (first === undefined) failAll(node, refused);
  const plan = await assemble(moves, [first, ...others]);
  const moved = refused.size === 0 ? `all ${plans.size}` : `${plans.size} of ${here.length}`;
  return {
    ...plan,
    summary: `Empty ${node}: move ${moved} visible guests`,
    ...raisedTo(gravest('disrupt', plan.effect), `it moves all guests of ${node}`, plan.raisedBecause),
    warnings: [...[...refused].map(([vmid, { message, hint }]) => `${vmid} stays: ${message} ${hint}`), ...hidden, ...plan.warnings],
  };
}

function failAll(node: string, refused: ReadonlyMap<number, ProxmoxMcpError>): never {
  const list = [...refused].map(([vmid, { code, message, hint }]) => ({ vmid, code, message, hint }));
  fail(list[0]?.code ?? 'not_possible', `None of the guests of ${node} can move.`, {
    hint: 'Do what details.refused says about each. Then call again.',
    details: { refused: list },
  });
}

function nothingOn(node: string, hidden: readonly string[]): PlanDraft {
  const summary = [`no guest that this token can see is on ${node}`, ...hidden].join('; ');
  const existing = { vmid: 0, name: '', node, status: '', from: node, notice: summary };
  return { summary, ...nothingToSend(existing) };
}
