import type { Audit } from '../audit/writer.ts';
import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import { fail } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ProxmoxApi } from '../core/proxmox.ts';
import type { Settings } from '../core/settings.ts';
import { operations } from '../operations/index.ts';
import type { Store } from '../store/index.ts';
import { expireApprovals } from './approvals/requests.ts';
import { mintLease, revokeLease } from './approvals/standing.ts';
import { unreachableSecrets } from './input/conceal.ts';
import { createVault } from './input/secrets.ts';
import { quotasOf, takeInventory } from './limits/quotas.ts';
import { perform } from './perform.ts';
import type { Notify, Ports } from './ports.ts';
import { InFlight } from './runs/in-flight.ts';
import { closeRun } from './runs/late.ts';
import { createRetention } from './runs/retention.ts';
import { createUpkeep } from './runs/upkeep.ts';
import { Watch } from './runs/watch.ts';
import { keepAlive, thisWorker } from './runs/worker.ts';
import type { Engine } from './types.ts';

export interface EngineOptions {
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

/** Puts the engine together; opens nothing. */
export function createEngine(options: EngineOptions): Engine {
  const { settings, audit, log, clock = systemClock } = options;
  refuseOpenSecrets();
  const worker = thisWorker();
  const inFlight = new InFlight(() => upkeep.begin());
  const announcements = new Set<Promise<void>>();
  let api: Promise<ProxmoxApi> | undefined;
  let store: Promise<Store> | undefined;
  let stopRenewing = () => {};
  const watch = new Watch(() => ports);
  const ports: Ports = {
    settings,
    watch,
    audit,
    log,
    clock,
    worker,
    inFlight,
    ...(options.notify ? { notify: remembered(options.notify, announcements) } : {}),
    vault: createVault(settings.dataDir),
    api: () => {
      api ??= options.connect().catch((error) => {
        api = undefined;
        throw error;
      });
      return api;
    },
    store: () => {
      store ??= options
        .openStore()
        .then((opened) => {
          stopRenewing = keepAlive(opened, worker, clock, inFlight);
          retention.begin(opened);
          return opened;
        })
        .catch((error) => {
          store = undefined;
          throw error;
        });
      return store;
    },
  };
  const upkeep = createUpkeep(ports);
  const retention = createRetention(ports);
  return {
    perform: (operation, args, caller, performOptions = {}) => perform(operation, args, caller, performOptions, ports),
    async watch() {
      const [{ cluster }, { approvals }] = await Promise.all([ports.api(), ports.store()]);
      await expireApprovals(ports);
      const [pending, recent] = await Promise.all([
        approvals.list({ cluster, status: 'pending', limit: 200 }),
        approvals.list({ cluster, limit: 50 }),
      ]);
      return { pending: pending.approvals, recent: recent.approvals };
    },
    leases: {
      mint: (wish, caller) => mintLease(wish, caller, ports),
      revoke: (id, caller) => revokeLease(id, caller, ports),
      list: async () => (await ports.store()).leases.list((await ports.api()).cluster),
    },
    openRuns: {
      list: async () => (await ports.store()).runs.unknown((await ports.api()).cluster),
      close: (id, outcome, caller) => closeRun(id, outcome, caller, ports),
    },
    quotas: async () => quotasOf(await takeInventory(ports), settings.limits, await ports.api()),
    async close() {
      await upkeep.stop();
      await retention.stop();
      await watch.close();
      await Promise.allSettled([...inFlight.runs.values(), ...announcements]);
      stopRenewing();
      await audit.close();
      await (await store?.catch(() => undefined))?.close();
      await (await api?.catch(() => undefined))?.close();
    },
  };
}

/** Rejects an operation whose secrets would pass the entry point as plain text. */
function refuseOpenSecrets(): void {
  for (const { name, input } of operations) {
    const open = unreachableSecrets(input);
    if (open.length > 0) fail('internal', `Operation ${name} marks a secret where it cannot be concealed: ${open.join(', ')}.`);
  }
}

/** Keeps what is on its way, so that an engine which is closed right after a request still announces it. */
function remembered(notify: Notify, announcements: Set<Promise<void>>): Notify {
  return (...what) => {
    const announcement = notify(...what).finally(() => announcements.delete(announcement));
    announcements.add(announcement);
    return announcement;
  };
}
