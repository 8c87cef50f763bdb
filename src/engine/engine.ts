import type { Audit } from '../audit/writer.ts';
import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import { fail } from '../core/errors.ts';
import { lazy } from '../core/lazy.ts';
import type { Log } from '../core/log.ts';
import type { ProxmoxApi } from '../core/proxmox.ts';
import type { Settings } from '../core/settings.ts';
import { operations } from '../operations/index.ts';
import type { Store } from '../store/index.ts';
import { expireApprovals } from './approvals/decisions.ts';
import { createStanding, revokeStanding } from './approvals/standing.ts';
import { clusterOf } from './cluster.ts';
import { unreachableSecrets } from './input/conceal.ts';
import { createVault } from './input/secrets.ts';
import { quotasOf, takeInventory } from './limits/quotas.ts';
import { perform } from './perform.ts';
import type { Notify, Ports, ServerPorts } from './ports.ts';
import { InFlight } from './runs/in-flight.ts';
import { closeRun } from './runs/late.ts';
import { createRetention } from './runs/retention.ts';
import { createUpkeep } from './runs/upkeep.ts';
import { Watch } from './runs/watch.ts';
import { keepAlive, thisWorker } from './runs/worker.ts';
import { stampsOf } from './stamps.ts';
import type { Engine } from './types.ts';

interface EngineOptions {
  settings: Settings;
  /** Opens the connection; called at the first call that needs it. */
  connect: () => Promise<ProxmoxApi>;
  /** Opens the store; called at the first change or approval. */
  openStore: () => Promise<Store>;
  audit: Audit;
  log: Log;
  /** Tells the operator about a new approval. Default: no notification. */
  notify?: Notify;
  /** Default: the system's. */
  clock?: Clock;
}

/** Approvals that those who watch are sent at every change; the rest is counted, or asked for by its id. */
const PENDING_SHOWN = 200;
const DECIDED_SHOWN = 50;

/** Builds the engine; opens nothing. */
export function createEngine(options: EngineOptions): Engine {
  const { settings, audit, log, clock = systemClock } = options;
  refuseOpenSecrets();
  const worker = thisWorker();
  const inFlight = new InFlight(() => upkeep.begin());
  const announcements = new Set<Promise<void>>();
  let stopRenewing = () => {};
  const store = lazy(async () => {
    const opened = await options.openStore();
    stopRenewing = keepAlive(opened, worker, clock, inFlight);
    retention.begin(opened);
    return opened;
  });
  const watch = new Watch();
  const server: ServerPorts = {
    settings,
    watch,
    audit,
    log,
    clock,
    worker,
    inFlight,
    ...(options.notify ? { notify: remembered(options.notify, announcements) } : {}),
    vault: createVault(settings.dataDir),
    store: store.get,
  };
  const onCluster = lazy(async (): Promise<Ports> => ({ ...server, cluster: clusterOf(await options.connect(), settings) }));
  const upkeep = createUpkeep(server, onCluster.get);
  const retention = createRetention(server, onCluster.get);
  return {
    perform: (name, args, caller, performOptions = {}) => perform({ name, args, caller, options: performOptions }, server, onCluster.get),
    async watch() {
      const ports = await onCluster.get();
      const { approvals } = await ports.store();
      const cluster = ports.cluster.name;
      await expireApprovals(ports);
      const [{ approvals: pending, total }, recent] = await Promise.all([
        approvals.pending(cluster, PENDING_SHOWN),
        approvals.decided(cluster, DECIDED_SHOWN),
      ]);
      return { pending, total, recent };
    },
    async approval(id) {
      const ports = await onCluster.get();
      const found = await (await ports.store()).approvals.get(id);
      return found?.cluster === ports.cluster.name ? found : undefined;
    },
    stamps: async () => stampsOf(await onCluster.get()),
    standing: {
      create: async (request, caller) => createStanding(request, caller, await onCluster.get()),
      revoke: async (id, caller) => revokeStanding(id, caller, await onCluster.get()),
      list: async () => (await store.get()).standing.list((await onCluster.get()).cluster.name),
    },
    openRuns: {
      list: async () => (await store.get()).runs.unknown((await onCluster.get()).cluster.name),
      close: async (id, outcome, caller) => closeRun(id, outcome, caller, await onCluster.get()),
    },
    async quotas() {
      const ports = await onCluster.get();
      return quotasOf(await takeInventory(ports), ports.cluster.limits, ports.cluster.api);
    },
    async close() {
      await upkeep.stop();
      await retention.stop();
      await watch.close();
      await Promise.allSettled([...inFlight.runs.values(), ...announcements]);
      stopRenewing();
      await audit.close();
      await (await store.opened())?.close();
      await (await onCluster.opened())?.cluster.api.close();
    },
  };
}

/** The operations are the same for all engines of a process. */
let secretsChecked = false;

/** Rejects an operation whose secrets would pass the entry point as plain text. */
function refuseOpenSecrets(): void {
  if (secretsChecked) return;
  for (const { name, input } of operations) {
    const open = unreachableSecrets(input);
    if (open.length > 0) fail('internal', `Operation ${name} marks a secret where it cannot be concealed: ${open.join(', ')}.`);
  }
  secretsChecked = true;
}

/** Keeps notifications in flight, so that an engine which is closed right after a request still sends them. */
function remembered(notify: Notify, announcements: Set<Promise<void>>): Notify {
  return (...what) => {
    const announcement = notify(...what).finally(() => announcements.delete(announcement));
    announcements.add(announcement);
    return announcement;
  };
}
