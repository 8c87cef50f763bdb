import { defined } from '../../core/defined.ts';
import { ERRORS, type ProxmoxMcpError } from '../../core/errors/errors.ts';
import { remedyFor, rightsOf } from '../../proxmox/access/grants.ts';
import type { Missing } from '../../proxmox/access/privileges.ts';
import type { Ports } from '../ports.ts';

/**
 * Adds to an error what takes further requests: the path on which the token has its rights, and the cluster's state of a node that does not
 * answer. Where a request fails, the error stays as it is.
 */
export async function explained(error: ProxmoxMcpError, ports: Ports): Promise<ProxmoxMcpError> {
  try {
    if (error.code === 'permission_denied') return await withRemedy(error, ports);
    if (error.code === 'unreachable' && typeof error.details?.node === 'string') return await withState(error, error.details.node, ports);
  } catch {
    // The first error says enough.
  }
  return error;
}

async function withRemedy(error: ProxmoxMcpError, ports: Ports): Promise<ProxmoxMcpError> {
  const missing = (error.details?.missing ?? []) as unknown as Missing[];
  if (missing.length === 0) return error;
  const { tokenId } = ports.cluster;
  const { text, lines } = remedyFor(missing, tokenId, await rightsOf(ports.cluster.api));
  // A hint that is more specific than the catalogue's stays in front.
  const own = [ERRORS.permission_denied.hint, remedyFor(missing, tokenId).text].includes(error.hint) ? '' : `${error.hint} `;
  const { grant: _, ...details } = error.details ?? {};
  return error.with({ hint: `${own}${text}`, details: { ...details, ...(lines.length > 0 ? { grant: lines } : {}) } });
}

async function withState(error: ProxmoxMcpError, node: string, ports: Ports): Promise<ProxmoxMcpError> {
  const rows = await ports.cluster.api.get<{ node: string; status?: string }[]>('/nodes');
  const status = rows.find((row) => row.node === node)?.status;
  const says = status === undefined ? 'the cluster has no node of this name' : `the cluster says it is ${status}`;
  return error.with({ message: `${error.message} Of ${node}, ${says}.`, details: { ...error.details, ...defined({ status }) } });
}
