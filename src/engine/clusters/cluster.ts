import { defined } from '../../core/defined.ts';
import type { ProxmoxApi } from '../../core/proxmox.ts';
import type { ClusterSettings, ConnectionSettings } from '../../core/settings/settings.ts';

/** One Proxmox VE cluster for a call: the connection and the operator's settings. */
export interface Cluster extends Omit<ClusterSettings, 'connection'> {
  /** Names it in approvals, runs and reservations. */
  name: string;
  /** How callers name it; absent where only one is served. */
  calledAs?: string;
  api: ProxmoxApi;
  /** Where its API is reached. */
  endpoints: ConnectionSettings['endpoints'];
  /** The API token that acts on it, for texts about rights; never its secret. */
  tokenId: string;
}

export function clusterOf(api: ProxmoxApi, { connection, limits, policy, defaults }: ClusterSettings, calledAs?: string): Cluster {
  const { endpoints, tokenId } = connection;
  return { name: api.cluster, ...defined({ calledAs }), api, endpoints, tokenId, limits, policy, defaults };
}
