import { listGuests } from '../proxmox/guests.ts';
import type { Ports } from './ports.ts';

/** How each thing looked at one moment, by its id; a later one that differs has changed. */
export interface Stamps {
  /** By VMID. */
  guests: Record<string, string>;
  approvals: Record<string, string>;
  /** Runs, by `run_id`. */
  tasks: Record<string, string>;
}

const RECENT = 100;

/** For transports that tell subscribers of changes: one request, and our own store. It leaves no line in the audit and tells no content. */
export async function stampsOf({ cluster: { api, name: cluster }, store: open }: Ports): Promise<Stamps> {
  const store = await open();
  const [guests, { approvals }, runs] = await Promise.all([
    listGuests(api),
    store.approvals.list({ cluster, limit: RECENT }),
    store.runs.recent({ cluster, limit: RECENT }),
  ]);
  return {
    guests: Object.fromEntries(guests.map((g) => [g.vmid, JSON.stringify([g.status, g.name, g.node, g.lock, g.tags, g.pool, g.template])])),
    approvals: Object.fromEntries(approvals.map(({ id, status, agreedBy }) => [id, JSON.stringify([status, agreedBy?.length])])),
    tasks: Object.fromEntries(runs.map(({ id, status, steps }) => [id, JSON.stringify([status, steps.map(({ state }) => state)])])),
  };
}

/** Those of several clusters, whose guests share VMIDs: `home:105`. */
export function joinedStamps(each: readonly { name: string; stamps: Stamps }[]): Stamps {
  const guests = each.flatMap(({ name, stamps }) =>
    Object.entries(stamps.guests).map(([vmid, stamp]) => [each.length > 1 ? `${name}:${vmid}` : vmid, stamp]),
  );
  return {
    guests: Object.fromEntries(guests),
    approvals: Object.assign({}, ...each.map(({ stamps }) => stamps.approvals)),
    tasks: Object.assign({}, ...each.map(({ stamps }) => stamps.tasks)),
  };
}
