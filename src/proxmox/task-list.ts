import { defined } from '../core/defined.ts';
import type { GetApi } from '../core/proxmox.ts';
import { path } from './guest/encode.ts';

/** A worker task as its node lists it. */
export interface TaskRow {
  upid: string;
  node: string;
  type: string;
  /** The object of the task, mostly a VMID. */
  id: string;
  /** `user@realm` or `user@realm!token`. */
  user: string;
  /** Epoch seconds. */
  startedAt: number;
  endedAt?: number;
  /** `OK`, `WARNINGS: n` or the text of the failure; absent while it runs. */
  exit?: string;
}

/**
 * The newest tasks of a node: `GET /nodes/{node}/tasks`. A token sees its own, and those of others with Sys.Audit on the node. The cluster's
 * list is not used: without Sys.Audit on `/` it hides even the token's own.
 */
export async function tasksOf(
  api: GetApi,
  node: string,
  { failed, running, vmid, limit }: { failed?: boolean; running?: boolean; vmid?: number; limit: number },
): Promise<TaskRow[]> {
  const rows = await api.get<
    {
      upid: string;
      type?: string;
      id?: string | number;
      user?: string;
      tokenid?: string;
      starttime?: number;
      endtime?: number;
      status?: string;
    }[]
  >(path`/nodes/${node}/tasks`, { source: running ? 'active' : 'all', limit, ...(failed ? { errors: 1 } : {}), ...defined({ vmid }) });
  return rows
    .map((row) => ({
      upid: row.upid,
      node,
      type: String(row.type ?? ''),
      id: String(row.id ?? ''),
      user: row.tokenid === undefined ? String(row.user ?? '') : `${row.user}!${row.tokenid}`,
      startedAt: Number(row.starttime ?? 0),
      ...defined({ endedAt: row.endtime }),
      ...(row.status === undefined || row.status === 'RUNNING' ? {} : { exit: String(row.status) }),
    }))
    .filter(({ exit }) => !running || exit === undefined);
}
