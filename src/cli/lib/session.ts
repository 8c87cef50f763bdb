import { setImmediate as nextTurn } from 'node:timers/promises';
import { checkPolicyOperations } from '../../config/policy.ts';
import { defined } from '../../core/defined.ts';
import { lazy } from '../../core/lazy.ts';
import type { Log } from '../../core/log.ts';
import { type ConnectionSettings, clusterNameOf, type Settings } from '../../core/settings.ts';
import type { Session } from '../../engine/session.ts';
import type { ProxmoxClient, ProxmoxOptions } from '../../proxmox/client.ts';
import { openAuditOf } from './open-audit.ts';
import { configureConnection, type GlobalOptions } from './options.ts';

/**
 * Throws `missing_credentials`, `invalid_configuration`, or `store_unavailable` without SQLite's library; sends nothing and opens no store.
 * @param onRequest sees every request that leaves, for the metrics
 */
export async function openSession(options: GlobalOptions, onRequest?: ProxmoxOptions['onRequest']): Promise<Session> {
  // Store and audit need it. An installation without it says so first, whatever else is missing.
  await import('../../sqlite.ts');
  const { settings: configured } = configureConnection(options);
  const [{ createEngine }, { operations }, log] = await Promise.all([
    import('../../engine/engine.ts'),
    import('../../operations/index.ts'),
    openLog(configured.logLevel),
  ]);
  checkPolicyOperations(
    configured.policy,
    operations.map(({ name }) => name),
  );
  const cluster = configured.demo ? await demoCluster(configured) : undefined;
  const settings = cluster ? { ...configured, connection: cluster.connection } : configured;
  const clusterName = cluster ? 'simulator' : clusterNameOf(settings.connection);

  let told = 0;
  let notices: readonly string[] = [];
  const { get: connect } = lazy(async () => {
    const opened = await openClient(settings, clusterName, log, onRequest);
    notices = opened.notices;
    return opened;
  });
  const audit = await openAuditOf(settings, log);
  const store = lazy(async () => {
    const { dataDir, databaseUrl } = settings;
    const notice = (text: string) => {
      log.warn({}, text);
      void audit.append({ kind: 'notice', cluster: clusterName, message: text }, { durable: true }).catch(() => {});
    };
    const { openStore } = await import('../../store/index.ts');
    return openStore({ dataDir, notice, ...defined({ databaseUrl }) });
  });
  const { notify } = settings;
  const engine = createEngine({
    settings,
    connect,
    openStore: store.get,
    audit,
    log,
    ...(notify ? { notify: (await import('../../engine/approvals/notify.ts')).createNotify(notify, log) } : {}),
  });
  return {
    settings,
    engine,
    store: store.get,
    connect,
    notices: () => {
      const fresh = notices.slice(told);
      told = notices.length;
      for (const message of fresh) void audit.append({ kind: 'notice', cluster: clusterName, message }, { durable: true }).catch(() => {});
      return fresh;
    },
    async close() {
      await engine.close();
      await (await store.opened())?.close();
      await cluster?.close();
    },
  };
}

async function openClient(settings: Settings, cluster: string, log: Log, onRequest: ProxmoxOptions['onRequest']): Promise<ProxmoxClient> {
  const [{ createProxmox }, { openTrustStore }, { systemClock }] = await Promise.all([
    import('../../proxmox/client.ts'),
    import('../../proxmox/trust/store.ts'),
    import('../../core/clock.ts'),
  ]);
  return createProxmox({
    connection: settings.connection,
    cluster,
    trust: openTrustStore(settings.dataDir),
    clock: systemClock,
    log,
    ...defined({ onRequest }),
  });
}

async function demoCluster({ dataDir }: Settings): Promise<{ connection: ConnectionSettings; close: () => Promise<void> }> {
  const { startCluster, connectionTo } = await import('./simulator.ts');
  const simulator = await startCluster(dataDir);
  return { connection: connectionTo(simulator), close: () => simulator.close() };
}

/** Loads the code that a session needs. Between two parts, requests have their turn. */
export async function loadForSession(): Promise<void> {
  const parts = [
    () => import('../../operations/index.ts'),
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

/** Logs go to stderr: stdout belongs to the protocol or to the result. */
export async function openLog(level: Settings['logLevel']): Promise<Log> {
  const { default: pino } = await import('pino');
  const log: Log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
  return log;
}
