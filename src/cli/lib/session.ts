import { setImmediate as nextTurn } from 'node:timers/promises';
import pkg from '../../../package.json' with { type: 'json' };
import { checkPolicyOperations } from '../../config/policy.ts';
import { systemClock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { lazy } from '../../core/lazy.ts';
import type { Log } from '../../core/log.ts';
import { clustersOf, pinnedAs, type Settings } from '../../core/settings/settings.ts';
import type { Session } from '../../engine/session.ts';
import type { ProxmoxClient, ProxmoxOptions } from '../../proxmox/client.ts';
import type { TrustStore } from '../../proxmox/trust/store.ts';
import { openAuditOf, openLog, openStoreOf } from './open.ts';
import { configureConnection, type GlobalOptions } from './options.ts';

/**
 * Throws `missing_credentials`, `invalid_configuration`, or `store_unavailable` without SQLite's library; sends nothing and opens no store.
 * @param onRequest sees every request that leaves, for the metrics
 */
export async function openSession(options: GlobalOptions, onRequest?: ProxmoxOptions['onRequest']): Promise<Session> {
  // Store and audit need it. An installation without it says so before anything else.
  await import('../../sqlite.ts');
  const { settings: configured, loaded } = configureConnection(options);
  const [{ createEngine }, { operationNames }, log] = await Promise.all([
    import('../../engine/engine.ts'),
    import('../../operations/find.ts'),
    openLog(configured),
  ]);
  for (const text of loaded.mistaken) log.warn({}, text);
  for (const { policy } of clustersOf(configured)) checkPolicyOperations(policy, operationNames);
  const demo = configured.demo ? await startDemo(configured) : undefined;
  const settings = demo?.settings ?? configured;
  const clusters = clustersOf(settings);
  const [only] = clusters;
  const clusterName = settings.clusters || !only ? undefined : demo ? 'simulator' : pinnedAs(only);

  const opened: { cluster: string; client: ProxmoxClient; noticed: number }[] = [];
  const clients = new Map(
    clusters.map((one) => {
      const { name = '' } = one;
      const cluster = clusterName ?? name;
      const open = async () => {
        const [{ createProxmox }, { openTrustStore }] = await Promise.all([
          import('../../proxmox/client.ts'),
          import('../../proxmox/trust/store.ts'),
        ]);
        const create = (trust: TrustStore) => {
          const client = createProxmox({ connection: one.connection, cluster, trust, clock: systemClock, log, ...defined({ onRequest }) });
          opened.push({ cluster, client, noticed: 0 });
          return client;
        };
        const trust = openTrustStore(settings.dataDir);
        return name === '' ? create(trust) : (await import('../../proxmox/named-cluster.ts')).openNamed(name, trust, create);
      };
      return [name, lazy(open)] as const;
    }),
  );
  const connect = async (name = only?.name ?? '') =>
    clients.get(name)?.get() ?? fail('invalid_arguments', `No cluster is called ${JSON.stringify(name)}.`);
  const audit = await openAuditOf(settings, log);
  const notice = (message: string, cluster = clusterName) =>
    void audit.append({ kind: 'notice', ...defined({ cluster }), message }, { durable: true }).catch(() => {});
  const store = lazy(() =>
    openStoreOf(settings, (text) => {
      log.warn({}, text);
      notice(text);
    }),
  );
  const { notify } = settings;
  const engine = createEngine({
    settings,
    connect,
    openStore: store.get,
    audit,
    log,
    ...(notify ? { notify: (await import('../../engine/approvals/notify.ts')).createNotify(notify, log) } : {}),
  });
  const endTraces = await beginTraces(log);
  return {
    settings,
    engine,
    store: store.get,
    connect,
    notices: () =>
      opened.flatMap((one) => {
        const { cluster, client } = one;
        const fresh = client.notices.slice(one.noticed);
        one.noticed = client.notices.length;
        for (const message of fresh) notice(message, cluster);
        return settings.clusters ? fresh.map((message) => `${cluster}: ${message}`) : fresh;
      }),
    async close() {
      await engine.close();
      await (await store.opened())?.close();
      for (const { client } of opened) await client.close();
      await demo?.close();
      await endTraces();
    },
  };
}

/** Opens a session, and closes it after the work. */
export async function withSession<const T>(options: GlobalOptions, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(options);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

/** Traces are off, and their code is not loaded, without an address of a collector. */
async function beginTraces(log: Log): Promise<() => Promise<void>> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } = process.env;
  if (!OTEL_EXPORTER_OTLP_ENDPOINT && !OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return async () => {};
  const { startTraces } = await import('../../telemetry/index.ts');
  return startTraces(pkg.version, log);
}

/** The settings with the connections of the embedded clusters. */
async function startDemo(settings: Settings): Promise<{ settings: Settings; close: () => Promise<void> }> {
  const { closeClusters, connectionTo, startClusters } = await import('./simulator.ts');
  const served = await startClusters(settings);
  const close = () => closeClusters(served);
  const [only] = served;
  if (only && !only.cluster) return { settings: { ...settings, connection: connectionTo(only.simulator) }, close };
  const clusters = served.flatMap(({ cluster, simulator }) => (cluster ? { ...cluster, connection: connectionTo(simulator) } : []));
  return { settings: { ...settings, clusters }, close };
}

/** Loads the code that a session needs. Between two parts, requests have their turn. */
export async function loadForSession(): Promise<void> {
  const parts = [
    () => import('../../engine/engine.ts'),
    () => import('../../sqlite.ts'),
    () => import('pino'),
    () => import('../../audit/writer.ts'),
    () => import('../../proxmox/client.ts'),
    () => import('../../proxmox/trust/store.ts'),
    () => import('../../store/index.ts'),
    () => import('../../store/sqlite.ts'),
  ];
  for (const load of parts) {
    await load();
    await nextTurn();
  }
}
