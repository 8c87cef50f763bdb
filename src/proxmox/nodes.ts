import type { ProxmoxReader } from '../core/proxmox.ts';

export interface NodeRow {
  node: string;
  online: boolean;
  /** Absent for a token without Sys.Audit on the node. */
  cpus?: number;
  memoryMib?: number;
  freeMib?: number;
}

/** `GET /nodes`, by name. */
export async function listNodes(api: ProxmoxReader): Promise<NodeRow[]> {
  const rows = await api.get<{ node: string; status?: string; maxcpu?: number; maxmem?: number; mem?: number }[]>('/nodes');
  return rows
    .map((r) => ({
      node: r.node,
      online: r.status === 'online',
      ...(r.maxcpu === undefined ? {} : { cpus: Number(r.maxcpu) }),
      ...(r.maxmem === undefined ? {} : { memoryMib: Math.round(Number(r.maxmem) / 2 ** 20) }),
      ...(r.maxmem === undefined || r.mem === undefined ? {} : { freeMib: Math.round((Number(r.maxmem) - Number(r.mem)) / 2 ** 20) }),
    }))
    .sort((a, b) => a.node.localeCompare(b.node));
}
