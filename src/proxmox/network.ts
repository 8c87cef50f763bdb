import type { ProxmoxReader } from '../core/proxmox.ts';
import { path } from './encode.ts';

/** Bridges of a node that the token may use (SDN.Use or SDN.Audit), virtual networks included: `GET /nodes/{node}/network?type=any_bridge`. */
export async function listBridges(api: ProxmoxReader, node: string): Promise<string[]> {
  const rows = await api.get<{ iface: string }[]>(path`/nodes/${node}/network`, { type: 'any_bridge' });
  return rows.map((r) => r.iface).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
