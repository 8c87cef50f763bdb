import { fail } from '../../../../core/errors/errors.ts';
import { listNodes, type NodeRow } from '../../../../proxmox/nodes.ts';
import type { OperationContext } from '../../../define.ts';

/**
 * Where a new guest goes: the caller's node, PROXMOX_NODE, the node with the default name, or the only one.
 * @throws ambiguous with the candidates, not_possible for a node that does not exist or is offline
 */
export async function chooseNode(
  ctx: Pick<OperationContext, 'api' | 'defaults'>,
  wanted: string | undefined,
): Promise<{ node: NodeRow; choices: string[] }> {
  const nodes = await listNodes(ctx.api);
  const online = nodes.filter((n) => n.online);
  const { node: usual, nodeIsExplicit } = ctx.defaults;
  const named = wanted ?? (nodeIsExplicit ? usual : undefined);
  const details = { candidates: online.map(described) };
  if (named !== undefined) {
    const node = nodes.find((n) => n.node === named);
    if (!node?.online) {
      const source = wanted === undefined ? ' (PROXMOX_NODE)' : '';
      fail('not_possible', `Node ${named}${source} ${node ? 'is offline' : 'does not exist'}.`, {
        hint: `Online: ${online.map((n) => n.node).join(', ') || 'none'}.`,
        details,
      });
    }
    return { node, choices: wanted === undefined ? [`node: ${named} (PROXMOX_NODE)`] : [] };
  }
  const node = online.find((n) => n.node === usual) ?? (online.length === 1 ? online[0] : undefined);
  if (!node) {
    fail('ambiguous', online.length === 0 ? 'No node is online.' : 'Several nodes are online, and none is the default.', {
      hint: 'Give node, or ask the operator to set PROXMOX_NODE.',
      details,
    });
  }
  return { node, choices: [`node: ${node.node} (${online.length === 1 ? 'the only one online' : 'the default'})`] };
}

function described(node: NodeRow): string {
  const parts = [node.cpus === undefined ? '' : `${node.cpus} CPUs`, node.freeMib === undefined ? '' : `${node.freeMib} MiB free`].filter(
    (p) => p !== '',
  );
  return parts.length === 0 ? node.node : `${node.node} (${parts.join(', ')})`;
}
