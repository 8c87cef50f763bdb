import type { Place } from '../e2e/harness.ts';
import { clientOf } from '../simulator/client.ts';

/** The cluster itself, asked without the product. */
export interface Cluster {
  // biome-ignore lint/suspicious/noExplicitAny: answers of the API are loosely typed.
  get(path: string): Promise<any>;
  names(): Promise<string[]>;
  /** Configuration and state of a guest. Throws where it does not exist. */
  guest(of: string | number): Promise<{ vmid: number; node: string; type: string; status: string; config: Record<string, string> }>;
  /** Changes that reached the cluster during this job, such as `POST /nodes/pve/qemu/100/status/start`. */
  sent: string[];
}

/** @param since number of changes that reached the cluster before the job */
export function clusterOf(place: Place, since: number): Cluster & { close(): void } {
  const client = clientOf(place.simulator);
  const get = async (path: string) => {
    const { status, data, reason } = await client.get(path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${reason}`);
    return data;
  };
  // A node knows a new name at once, /cluster/resources only once the status daemon has told it.
  const guests = async (): Promise<{ vmid: number; name: string; node: string; type: string }[]> => {
    const nodes: { node: string }[] = await get('/nodes');
    const lists = nodes.flatMap(({ node }) =>
      ['qemu', 'lxc'].map(async (type) => (await get(`/nodes/${node}/${type}`)).map((row: object) => ({ ...row, node, type }))),
    );
    return (await Promise.all(lists)).flat();
  };
  return {
    get,
    names: async () => (await guests()).map(({ name }) => name),
    async guest(of) {
      const row = (await guests()).find(({ vmid, name }) => vmid === of || name === of);
      if (!row) throw new Error(`the cluster has no guest ${of}`);
      const base = `/nodes/${row.node}/${row.type}/${row.vmid}`;
      const [{ status }, config] = await Promise.all([get(`${base}/status/current`), get(`${base}/config`)]);
      return { vmid: row.vmid, node: row.node, type: row.type, status, config };
    },
    sent: place
      .mutations()
      .slice(since)
      .map(({ method, path }) => `${method} ${path}`),
    close: () => client.close(),
  };
}
