import { defined } from '../core/defined.ts';
import { asError } from '../core/errors.ts';
import type { ProxmoxReader } from '../core/proxmox.ts';
import { mibOf, numberOf } from '../core/sizes.ts';
import { path } from './encode.ts';

export interface NodeRow {
  node: string;
  online: boolean;
  /** The node answers, and its status daemon (pvestatd) has told the cluster nothing for five minutes. */
  silent?: true;
  /** Absent for a token without Sys.Audit on the node. */
  cpus?: number;
  memoryMib?: number;
  freeMib?: number;
}

/** By name: `GET /nodes`, and the node itself where the cluster does not know how it is. */
export async function listNodes(api: Pick<ProxmoxReader, 'get'>): Promise<NodeRow[]> {
  const rows = await api.get<{ node: string; status?: string; maxcpu?: number; maxmem?: number; mem?: number }[]>('/nodes');
  const nodes = await Promise.all(
    rows.map(async (r): Promise<NodeRow> => {
      if (r.status !== 'online' && r.status !== 'offline') return askNode(api, r.node);
      return {
        node: r.node,
        online: r.status === 'online',
        ...sizesOf(r.maxcpu, r.maxmem, r.mem),
      };
    }),
  );
  return nodes.sort((a, b) => a.node.localeCompare(b.node));
}

interface NodeStatus {
  cpuinfo?: { cpus?: number };
  memory?: { total?: number; used?: number };
}

/**
 * `unknown` is the cluster's word for a node whose status daemon is silent; the node works on. `GET /nodes/{node}/status` needs Sys.Audit, which
 * the endpoint checks itself; the list of guests needs no right and comes from the node.
 */
async function askNode(api: Pick<ProxmoxReader, 'get'>, node: string): Promise<NodeRow> {
  try {
    const { cpuinfo, memory } = await api.get<NodeStatus>(path`/nodes/${node}/status`);
    return {
      node,
      online: true,
      silent: true,
      ...sizesOf(cpuinfo?.cpus, memory?.total, memory?.used),
    };
  } catch (thrown) {
    if (asError(thrown).code !== 'permission_denied') return { node, online: false };
    const answers = await api.get(path`/nodes/${node}/qemu`).then(
      () => true,
      () => false,
    );
    return { node, online: answers, ...(answers ? { silent: true } : {}) };
  }
}

/** Bridges of a node that the token may use (SDN.Use or SDN.Audit), virtual networks included: `GET /nodes/{node}/network?type=any_bridge`. */
export async function listBridges(api: ProxmoxReader, node: string): Promise<string[]> {
  const rows = await api.get<{ iface: string }[]>(path`/nodes/${node}/network`, { type: 'any_bridge' });
  return rows.map((r) => r.iface).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** @param total bytes @param used bytes */
function sizesOf(cpus: number | undefined, total: number | undefined, used: number | undefined) {
  const free = total === undefined || used === undefined ? undefined : Number(total) - Number(used);
  const mib = (bytes: number | undefined) => bytes && Math.round(mibOf(bytes));
  return defined({ cpus: numberOf(cpus), memoryMib: mib(total), freeMib: mib(free) });
}
