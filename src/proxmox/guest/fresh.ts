import type { Clock } from '../../core/clock.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { isSet } from '../../core/text/sizes.ts';
import { path } from './encode.ts';
import { listGuests } from './guests.ts';
import { textOf } from './property-strings.ts';
import { type Figures, type GuestRow, gaugesOf, givenName, tagsOf } from './row.ts';

interface NodeGuest extends Figures {
  vmid: number | string;
  name?: string;
  status?: string;
  cpus?: number;
  template?: number | string;
  tags?: string;
}

/**
 * All guests that the token can see, with what the cluster's cache does not know yet. For 10 s Proxmox VE shows a new guest without name, state
 * and sizes, and a changed one as it was. Guests of a node whose status daemon is silent have neither name nor state.
 */
export async function currentGuests(api: ProxmoxReader): Promise<readonly GuestRow[]> {
  return completed(api, await listGuests(api));
}

/**
 * Completes rows without name or state, and those of guests that this process just changed. `GET /nodes/{node}/qemu` and `/lxc` are current
 * within a second. Only nodes with such rows are asked. A row of a node that does not answer stays as it is.
 */
export async function completed(api: ProxmoxReader, rows: readonly GuestRow[]): Promise<readonly GuestRow[]> {
  const lacking = rows.filter((row) => row.name === '' || row.status === 'unknown' || api.changedLately?.(row.vmid));
  if (lacking.length === 0) return rows;
  const offline = await offlineNodes(api);
  const folders = new Map(lacking.filter(({ node }) => !offline.has(node)).map(({ node, type }) => [`${node}/${type}`, { node, type }]));
  const lists = await Promise.all([...folders.values()].map(({ node, type }) => guestsOf(api, node, type)));
  const known = new Map(lists.flat().map((guest) => [Number(guest.vmid), guest]));
  // A silent node may have thousands of guests.
  const lacks = new Set(lacking);
  return rows.map((row) => {
    const guest = lacks.has(row) ? known.get(row.vmid) : undefined;
    return guest ? complete(api.changedLately?.(row.vmid) ? withoutOld(row, guest) : row, guest) : row;
  });
}

/** A request below a node that is down may take half a minute to fail. */
async function offlineNodes(api: ProxmoxReader): Promise<Set<string>> {
  const nodes = await api.get<{ node: string; status?: string }[]>('/nodes').catch(() => []);
  return new Set(nodes.filter((n) => n.status === 'offline').map((n) => n.node));
}

async function guestsOf(api: ProxmoxReader, node: string, type: GuestRow['type']): Promise<NodeGuest[]> {
  const guests = await api.get<NodeGuest[]>(path`/nodes/${node}/${type}`).catch(() => []);
  return Array.isArray(guests) ? guests : [];
}

/** A row without the fields that the node knows better. A node's list does not show whether a running guest is paused. */
function withoutOld(old: GuestRow, { status }: NodeGuest): GuestRow {
  const { cpus: _cpus, memoryMib: _memory, cpu: _cpu, memoryUsedMib: _used, uptimeSeconds: _uptime, ...row } = old;
  return { ...row, name: '', status: row.status === 'paused' && status === 'running' ? row.status : 'unknown', tags: [] };
}

function complete(row: GuestRow, guest: NodeGuest): GuestRow {
  return {
    ...gaugesOf(guest),
    ...row,
    name: row.name === '' ? givenName({ type: row.type, ...guest }) : row.name,
    status: row.status === 'unknown' ? (guest.status ?? 'unknown') : row.status,
    template: row.template || isSet(guest.template),
    tags: row.tags.length > 0 ? row.tags : tagsOf(textOf(guest.tags)),
  };
}

/** Milliseconds for which the cluster's list may show a guest as it was before a change: its next round, and some slack. */
const STALE_MS = 15_000;

/** The guests to which a change of ours went, or whose task ended, so recently that the cluster's list may not show it yet. */
export function recentChanges(clock: Pick<Clock, 'now'>) {
  const at = new Map<number, number>();
  const isOld = (time: number) => clock.now() - time > STALE_MS;
  return {
    note(vmid: number): void {
      for (const [other, time] of at) if (isOld(time)) at.delete(other);
      at.set(vmid, clock.now());
    },
    has(vmid: number): boolean {
      const time = at.get(vmid);
      return time !== undefined && !isOld(time);
    },
  };
}
