import type { ProxmoxApi } from '../../core/proxmox.ts';
import { isFree, listGuests, readGuest } from '../../proxmox/guest/guests.ts';
import type { Store } from '../../store/index.ts';
import { type Clusters, onEach } from '../clusters/clusters.ts';
import { isoNow, type Ports, type ServerPorts } from '../ports.ts';

const DAY_MS = 86_400_000;
/** The first look (ms) waits until the call that opened the store is served. */
const FIRST_MS = 60_000;
/** Guests whose names are checked in one day: each costs one or two reads. */
const NAMES_A_DAY = 100;

/** Removes rows that ended more than `PROXMOX_RETENTION_DAYS` days ago: once a day, in one of the processes on the store. */
export function createRetention(
  { settings, clock, log }: ServerPorts,
  clusters: Clusters,
): { begin(store: Store): void; stop(): Promise<void> } {
  const closing = new AbortController();
  let working: Promise<void> | undefined;
  async function work(store: Store): Promise<void> {
    for (let pauseMs = FIRST_MS; ; pauseMs = DAY_MS) {
      await clock.sleep(pauseMs, closing.signal);
      await onEach(clusters, (ports, name) => prune(store, ports, name)).catch((err) =>
        log.warn({ err }, 'pruning the store failed and is retried later'),
      );
    }
  }
  return {
    begin(store) {
      if (settings.retentionDays > 0) working ??= work(store).catch(() => {});
    },
    async stop() {
      closing.abort();
      await working;
    },
  };
}

/**
 * @param name of the cluster in its file; '' without that file
 * @returns false when another process did it within the last day
 */
export async function prune(store: Store, ports: Ports, name: string): Promise<boolean> {
  const mark = name === '' ? 'retention' : `retention ${name}`;
  const now = ports.clock.now();
  const daysAgo = (days: number) => new Date(now - days * DAY_MS).toISOString();
  if (!(await store.retention.isDue(mark, isoNow(ports.clock), daysAgo(1)))) return false;
  const before = daysAgo(ports.settings.retentionDays);
  const removed = await store.retention.prune(before);
  const { api, name: cluster } = ports.cluster;
  const names = await store.retention.oldNames(cluster, before, NAMES_A_DAY);
  const gone = [];
  for (const { vmid, key } of names) if (await isGone(api, vmid, key)) gone.push(key);
  await store.retention.forgetNames(cluster, gone);
  ports.log.info({ ...removed, names: gone.length, before }, 'old rows of the store were pruned');
  return true;
}

/** False also where that is unknown: the names of a guest that may live are kept. */
async function isGone(api: ProxmoxApi, vmid: number, key: string): Promise<boolean> {
  try {
    if (await isFree(api, vmid)) return true;
    const row = (await listGuests(api)).find((guest) => guest.vmid === vmid);
    return row !== undefined && (await readGuest(api, row)).identity.key !== key;
  } catch {
    return false;
  }
}
