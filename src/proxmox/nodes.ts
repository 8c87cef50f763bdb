import { defined } from '../core/defined.ts';
import { asError } from '../core/errors/errors.ts';
import type { GetApi, ProxmoxReader } from '../core/proxmox.ts';
import { byNumber } from '../core/text/order.ts';
import { isSet, mibOf, numberOf } from '../core/text/sizes.ts';
import { plainText } from '../core/text/text.ts';
import { matches } from '../core/text/wildcard.ts';
import { path } from './guest/encode.ts';

export interface NodeRow {
  node: string;
  online: boolean;
  /** The node answers, and its status daemon (pvestatd) has told the cluster nothing for five minutes. */
  silent?: true;
  /** Absent for a token without Sys.Audit on the node. */
  cpus?: number;
  memoryMib?: number;
  freeMib?: number;
  /** The busy part of its CPUs, 0 to 1. */
  cpu?: number;
  uptimeSeconds?: number;
}

/** Sorted by name, from `GET /nodes`. A node whose state the cluster does not know is asked itself. */
export async function listNodes(api: GetApi): Promise<NodeRow[]> {
  const rows =
    await api.get<{ node: string; status?: string; maxcpu?: number; maxmem?: number; mem?: number; cpu?: number; uptime?: number }[]>(
      '/nodes',
    );
  const nodes = await Promise.all(
    rows.map(async (r): Promise<NodeRow> => {
      if (r.status !== 'online' && r.status !== 'offline') return askNode(api, r.node);
      return {
        node: r.node,
        online: r.status === 'online',
        ...sizesOf(r.maxcpu, r.maxmem, r.mem),
        ...defined({ cpu: numberOf(r.cpu), uptimeSeconds: numberOf(r.uptime) }),
      };
    }),
  );
  return nodes.sort((a, b) => a.node.localeCompare(b.node));
}

/** The sentence for a filter by node that no node of the cluster fits; undefined where one does. */
export function noSuchNode(nodes: readonly Pick<NodeRow, 'node'>[], wanted: string): string | undefined {
  if (nodes.some(({ node }) => matches(node, wanted))) return undefined;
  return `Node ${plainText(wanted, 80)} does not exist. Nodes: ${nodes.map(({ node }) => node).join(', ')}.`;
}

interface NodeStatus {
  cpuinfo?: { cpus?: number };
  memory?: { total?: number; used?: number };
}

/**
 * `unknown` is the cluster's word for a node whose status daemon is silent; the node works on. `GET /nodes/{node}/status` needs Sys.Audit, which
 * the endpoint checks itself; the list of guests needs no right and comes from the node.
 */
async function askNode(api: GetApi, node: string): Promise<NodeRow> {
  try {
    const { cpuinfo, memory } = await api.get<NodeStatus>(path`/nodes/${node}/status`);
    return { node, online: true, silent: true, ...sizesOf(cpuinfo?.cpus, memory?.total, memory?.used) };
  } catch (thrown) {
    if (asError(thrown).code !== 'permission_denied') return { node, online: false };
    const answers = await api.get(path`/nodes/${node}/qemu`).then(
      () => true,
      () => false,
    );
    return { node, online: answers, ...(answers ? { silent: true } : {}) };
  }
}

export interface Bridge {
  iface: string;
  /** `bridge`, `OVSBridge`, or `vnet` of the software-defined network. */
  type: string;
  vlanAware: boolean;
  /** The node's own address on it, with the length of the prefix. */
  cidr?: string;
  comment?: string;
}

/** Bridges of a node that the token may use (SDN.Use or SDN.Audit), virtual networks included: `GET /nodes/{node}/network?type=any_bridge`. */
export async function bridgesOf(api: ProxmoxReader, node: string): Promise<Bridge[]> {
  const rows = await api.get<{ iface: string; type?: string; bridge_vlan_aware?: number | string; cidr?: string; comments?: string }[]>(
    path`/nodes/${node}/network`,
    { type: 'any_bridge' },
  );
  return rows
    .map((r) => ({
      iface: r.iface,
      type: r.type ?? 'bridge',
      vlanAware: isSet(r.bridge_vlan_aware),
      ...defined({ cidr: r.cidr, comment: r.comments?.trim() || undefined }),
    }))
    .sort((a, b) => byNumber(a.iface, b.iface));
}

export async function listBridges(api: ProxmoxReader, node: string): Promise<string[]> {
  return (await bridgesOf(api, node)).map(({ iface }) => iface);
}

/** The release of a node, such as `9.2.11`; undefined where it does not tell. */
export async function releaseOf(api: ProxmoxReader, node: string): Promise<string | undefined> {
  const { version } = await api.get<{ version?: string }>(path`/nodes/${node}/version`).catch(() => ({ version: undefined }));
  return version;
}

/** @param total bytes @param used bytes */
function sizesOf(cpus: number | undefined, total: number | undefined, used: number | undefined) {
  const free = total === undefined || used === undefined ? undefined : Number(total) - Number(used);
  const mib = (bytes: number | undefined) => bytes && Math.round(mibOf(bytes));
  return defined({ cpus: numberOf(cpus), memoryMib: mib(total), freeMib: mib(free) });
}
