import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import { lazy } from '../core/lazy.ts';
import type { ProxmoxApi } from '../core/proxmox.ts';
import { choicesOf, clustersOf, nameIn, type Settings } from '../core/settings/settings.ts';
import { untraced } from '../core/trace.ts';
import type { Store } from '../store/index.ts';
import { expireApprovals } from './approvals/decisions.ts';
import { createStanding, revokeStanding } from './approvals/standing.ts';
import { joinedWatched, watchedOn } from './approvals/watched.ts';
import { clusterOf } from './clusters/cluster.ts';
import { type Clusters, clusterNamed, onEach, type Served, servedCluster } from './clusters/clusters.ts';
import { createRouter } from './clusters/route.ts';
import { createVault } from './input/secrets.ts';
import { quotasOf, takeInventory } from './limits/quotas.ts';
import type { Notify, Ports, ServerPorts } from './ports.ts';
import { closeRun } from './runs/outcome/late.ts';
import { Watch } from './runs/outcome/watch.ts';
import { createRetention } from './runs/retention.ts';
import { InFlight } from './runs/steps/in-flight.ts';
import { createUpkeep } from './runs/upkeep.ts';
import { keepAlive, thisWorker } from './runs/worker.ts';
import { createStamps } from './stamps.ts';
import type { Engine } from './types.ts';

interface EngineOptions extends Pick<ServerPorts, 'audit' | 'log' | 'notify'> {
  settings: Settings;
  /**
   * Opens the connection to a cluster; called at the first call that needs it.
   * @param cluster its name in PROXMOX_CLUSTERS_FILE; '' without that file
   */
  connect: (cluster: string) => Promise<ProxmoxApi>;
  /** Opens the store; called at the first change or approval. */
  openStore: () => Promise<Store>;
  /** Default: the system's. */
  clock?: Clock;
}

/** Builds the engine; opens nothing. */
export function createEngine(options: EngineOptions): Engine {
  const { settings, audit, log, clock = systemClock } = options;
  const worker = thisWorker();
  const inFlight = new InFlight(() => untraced(() => upkeep.begin()));
  const announcements = new Set<Promise<void>>();
  let stopRenewing = () => {};
  const store = lazy(async () => {
    const opened = await options.openStore();
    untraced(() => {
      stopRenewing = keepAlive(opened, worker, clock, inFlight);
      retention.begin(opened);
    });
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
  const names = choicesOf(settings);
  const all = clustersOf(settings).map(({ name = '', ...own }) =>
    servedCluster(name, server, async (ports): Promise<Ports> => {
      const api = await options.connect(name);
      return { ...ports, cluster: clusterOf(api, own, names.includes(name) ? name : undefined) };
    }),
  );
  const clusters: Clusters = { all, names };
  const upkeep = createUpkeep(server, clusters);
  const retention = createRetention(server, clusters);
  const route = createRouter(clusters, server);
  /** The dependencies on the cluster that a row of the store belongs to. */
  const owning = async (row: { cluster: string } | undefined): Promise<Ports> => {
    const owner = row && all.find(({ name }) => name === nameIn(row.cluster));
    return (owner ?? (all[0] as Served)).open();
  };
  return {
    clusters: clusters.names,
    perform: (name, args, caller, performOptions = {}) => route({ name, args, caller, options: performOptions }),
    watch: async (cluster) => joinedWatched(await onEach(clusters, watchedOn, cluster)),
    async approval(id) {
      const { approvals } = await store.get();
      const ports = await owning(await approvals.get(id));
      await expireApprovals(ports);
      const found = await approvals.get(id);
      return found?.cluster === ports.cluster.name ? found : undefined;
    },
    stamps: createStamps(clusters),
    standing: {
      create: async ({ cluster, ...request }, caller) => createStanding(request, caller, await clusterNamed(clusters, cluster).open()),
      revoke: async (id, caller) => revokeStanding(id, caller, await owning(await (await store.get()).standing.get(id))),
      list: async () => (await onEach(clusters, async (ports) => (await ports.store()).standing.list(ports.cluster.name))).flat(),
    },
    openRuns: {
      list: async (cluster) => (await onEach(clusters, unknownOn, cluster)).flat(),
      close: async (id, outcome, caller) => closeRun(id, outcome, caller, await owning(await (await store.get()).runs.get(id))),
    },
    async quotas(cluster) {
      const ports = await clusterNamed(clusters, cluster).open();
      return quotasOf(await takeInventory(ports), ports.cluster);
    },
    async close() {
      await upkeep.stop();
      await retention.stop();
      await watch.close();
      await Promise.allSettled([...inFlight.runs.values(), ...announcements]);
      stopRenewing();
      await audit.close();
      await (await store.opened())?.close();
      for (const { opened } of all) await opened()?.cluster.api.close();
    },
  };
}

const unknownOn = async (ports: Ports) => (await ports.store()).runs.unknown(ports.cluster.name);

/** Keeps notifications in flight, so that an engine which is closed right after a request still sends them. */
function remembered(notify: Notify, announcements: Set<Promise<void>>): Notify {
  return (...what) => {
    const announcement = notify(...what).finally(() => announcements.delete(announcement));
    announcements.add(announcement);
    return announcement;
  };
}
