import { present } from '../../../../core/defined.ts';
import { fail } from '../../../../core/errors/errors.ts';
import { listNodes, type NodeRow } from '../../../../proxmox/nodes.ts';
import type { OperationContext } from '../../../define.ts';

/**
 * The node for a new guest: the caller's, PROXMOX_NODE, the node with the default name, or the only one.
 * @throws ambiguous with the candidates, not_possible for a node that does not exist or is offline
 */
export async function chooseNode(
  ctx: Pick<OperationContext, 'api' | 'defaults'>,
  wanted: string | undefined,
): Promise<{ node: NodeRow; choices: string[] }> {
  const nodes = await listNodes(ctx.api);
  const { node: usual, nodeIsExplicit } = ctx.defaults;
  if (wanted !== undefined) return { node: onlineNode(nodes, wanted), choices: [] };
  if (nodeIsExplicit) return { node: onlineNode(nodes, usual, ' (PROXMOX_NODE)'), choices: [`node: ${usual} (PROXMOX_NODE)`] };
  const online = nodes.filter((n) => n.online);
  const node = online.find((n) => n.node === usual) ?? (online.length === 1 ? online[0] : undefined);
  if (!node) {
    fail('ambiguous', online.length === 0 ? 'No node is online.' : 'Several nodes are online, and none is the default.', {
      hint: 'Give node, or ask the operator to set PROXMOX_NODE.',
      details: { candidates: online.map(described) },
    });
  }
  return { node, choices: [`node: ${node.node} (${online.length === 1 ? 'the only one online' : 'the default'})`] };
}

/**
 * The node of this name.
 * @param source of the name, where the caller did not give it
 * @throws not_possible with those that are online
 */
export function onlineNode(nodes: readonly NodeRow[], wanted: string, source = ''): NodeRow {
  const node = nodes.find((n) => n.node === wanted);
  if (node?.online) return node;
  const online = nodes.filter((n) => n.online);
  fail('not_possible', `Node ${wanted}${source} ${node ? 'is offline' : 'does not exist'}.`, {
    hint: `Online: ${online.map((n) => n.node).join(', ') || 'none'}.`,
    details: { candidates: online.map(described) },
  });
}

function described({ node, cpus, freeMib }: NodeRow): string {
  const parts = present(cpus !== undefined && `${cpus} CPUs`, freeMib !== undefined && `${freeMib} MiB free`);
  return parts.length === 0 ? node : `${node} (${parts.join(', ')})`;
}
