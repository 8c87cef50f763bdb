import { within } from '../core/clock.ts';
import { listGuests } from '../proxmox/guest/guests.ts';
import type { Clusters, Served } from './clusters/clusters.ts';
import type { Ports } from './ports.ts';

/** The state of each thing at one moment, by its id. A later stamp that differs means a change. */
export interface Stamps {
  /** By VMID. */
  guests: Record<string, string>;
  approvals: Record<string, string>;
  /** Runs, by `run_id`. */
  tasks: Record<string, string>;
}

const RECENT = 100;

/** For transports with subscribers: one request, and our own store. It leaves no line in the audit and shows no content. */
async function stampsOf({ cluster: { api, name: cluster }, store: open }: Ports): Promise<Stamps> {
  const store = await open();
  const [guests, { approvals: pending }, decided, runs] = await Promise.all([
    listGuests(api),
    store.approvals.pending(cluster, RECENT),
    // By time of decision, so that newer requests do not hide the latest decisions.
    store.approvals.decided(cluster, RECENT),
    store.runs.recent({ cluster, limit: RECENT }),
  ]);
  return {
    guests: Object.fromEntries(guests.map((g) => [g.vmid, JSON.stringify([g.status, g.name, g.node, g.lock, g.tags, g.pool, g.template])])),
    approvals: Object.fromEntries(
      [...pending, ...decided].map(({ id, status, agreedBy }) => [id, JSON.stringify([status, agreedBy?.length])]),
    ),
    tasks: Object.fromEntries(runs.map(({ id, status, steps }) => [id, JSON.stringify([status, steps.map(({ state }) => state)])])),
  };
}

/** How long (ms) to wait for one of several clusters. */
const LOOK_MS = 5_000;

/** Stamps of all clusters. Where one of several does not answer, its last stamps count, so nothing there shows as changed. */
export function createStamps({ all, names }: Clusters): () => Promise<Stamps> {
  const known = new Map<string, Stamps>();
  const look = async ({ name, open }: Served) => {
    const now = await within(open().then(stampsOf), LOOK_MS).catch(() => undefined);
    if (now) known.set(name, now);
  };
  return async () => {
    const [only] = all;
    if (names.length === 0 && only) return stampsOf(await only.open());
    await Promise.all(all.map(look));
    return joined(known);
  };
}

/** Guests of several clusters share VMIDs: `home:105`. */
function joined(each: ReadonlyMap<string, Stamps>): Stamps {
  const guests = [...each].flatMap(([name, stamps]) => Object.entries(stamps.guests).map(([vmid, stamp]) => [`${name}:${vmid}`, stamp]));
  const all = [...each.values()];
  return {
    guests: Object.fromEntries(guests),
    approvals: Object.assign({}, ...all.map(({ approvals }) => approvals)),
    tasks: Object.assign({}, ...all.map(({ tasks }) => tasks)),
  };
}
