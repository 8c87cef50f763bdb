import { type Clusters, onEach } from '../clusters/clusters.ts';
import type { Ports, ServerPorts } from '../ports.ts';
import { adoptOrphans } from './outcome/adopt.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Completes in the background what a fault of the store or the audit interrupted in this process. */
export function createUpkeep({ inFlight, clock, log }: ServerPorts, clusters: Clusters): { begin(): void; stop(): Promise<void> } {
  const closing = new AbortController();
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; inFlight.owes; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      await clock.sleep(pauseMs, closing.signal);
      await onEach(clusters, repair).catch((err) => log.warn({ err }, 'cleaning up after a fault failed and is retried later'));
    }
  }

  return {
    begin() {
      if (closing.signal.aborted) return;
      working ??= work()
        // The engine is closing: the next process repairs the rest.
        .catch(() => {})
        .finally(() => {
          working = undefined;
          if (inFlight.owes) this.begin();
        });
    },
    async stop() {
      closing.abort();
      await working;
    },
  };
}

/** Releases reservations and finishes runs of which the store has only the beginning. */
async function repair(ports: Ports): Promise<void> {
  const { inFlight } = ports;
  const store = await ports.store();
  for (const id of inFlight.unreleased) {
    await store.reservations.release(id);
    inFlight.unreleased.delete(id);
  }
  await adoptOrphans(ports);
  for (const id of inFlight.left) {
    if (inFlight.has(id) || (await store.runs.get(id))?.status === 'executing') continue;
    inFlight.known.delete(id);
    inFlight.left.delete(id);
  }
}
