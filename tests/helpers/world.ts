import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Audit, openAudit } from '../../src/audit/writer.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { asError, type ProxmoxMcpError } from '../../src/core/errors/errors.ts';
import { lazy } from '../../src/core/lazy.ts';
import type { Caller } from '../../src/core/people/caller.ts';
import { NO_POLICY } from '../../src/core/settings/policy.ts';
import type { Settings } from '../../src/core/settings/settings.ts';
import { TOOLSETS } from '../../src/core/settings/toolset.ts';
import { isObject, type JsonObject } from '../../src/core/text/json.ts';
import { createEngine } from '../../src/engine/engine.ts';
import type { Engine } from '../../src/engine/types.ts';
import type { SimulatorOptions } from '../../src/simulator/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { type Client, clientOf } from '../simulator/client.ts';
import { auditLines, type Calls, callsTo } from './calls.ts';
import { startCluster, type TestCluster } from './simulator.ts';

export const agent: Caller = {
  principal: 'local:agent',
  owner: 'local:agent',
  channel: 'stdio',
  canAsk: { elicitation: false, terminal: false },
  isOperator: false,
};
export const operator = (owner = 'local:operator'): Caller => ({
  principal: owner,
  owner,
  channel: 'cli',
  canAsk: { elicitation: false, terminal: true },
  isOperator: true,
});

interface Another {
  clock?: Clock;
  store?: (store: Store) => Store;
  cluster?: string;
  token?: { id: string; secret: string };
  audit?: (audit: Audit) => Audit;
}
export interface World extends Calls {
  cluster: TestCluster;
  dataDir: string;
  engine: Engine;
  /** Another engine on the same store; on the same cluster unless it is given another name, and with the token of full rights unless another is given. */
  another(settings?: Partial<Settings>, more?: Another): Engine;
  /** Another client of the cluster, with full rights. */
  other(): Client;
  refused(call: Promise<unknown>): Promise<ProxmoxMcpError>;
  audit(): JsonObject[];
  close(): Promise<void>;
}

/** Time that passes while it is slept, a hundred times as fast as real time: minutes of waiting take a moment, and no lease runs out by itself. */
export function hurriedClock(): Clock {
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    elapsed: () => performance.now() + ahead,
    async sleep(ms, signal) {
      await systemClock.sleep(ms / 100, signal);
      ahead += ms - ms / 100;
    },
  };
}

/** A store file as migrations leave it, made once in a process: a copy of it saves half the time that opening a new store takes. */
const migrated = lazy(async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'migrated-'));
  await (await openStore({ dataDir })).close();
  const bytes = readFileSync(join(dataDir, 'store.sqlite'));
  rmSync(dataDir, { recursive: true });
  return bytes;
});

/**
 * With TWO_CLUSTERS every engine serves a second cluster, which has the same VMIDs and names, is named in no call, and must see no change: so the
 * rules of one cluster are held with another one beside it.
 */
function withBeside(name: string, all: Settings, beside: TestCluster): Settings {
  const { connection, defaults, limits, policy } = all;
  const own = { connection, defaults, limits, policy };
  return {
    ...all,
    clusters: [
      { name, ...own },
      { ...own, name: 'beside', connection: beside.connection() },
    ],
  };
}

/** The engine as a caller of one cluster has it: every call names that one. */
function engineOf(cluster: string, options: Parameters<typeof createEngine>[0]): Engine {
  const engine = createEngine(options);
  if (engine.clusters.length === 0) return engine;
  const { perform, standing, quotas, watch, openRuns } = engine;
  return {
    ...engine,
    clusters: [],
    perform: (operation, args, ...rest) => perform(operation, isObject(args) ? { cluster, ...args } : args, ...rest),
    standing: { ...standing, create: (request, caller) => standing.create({ cluster, ...request }, caller) },
    quotas: () => quotas(cluster),
    watch: (only = cluster) => watch(only),
    openRuns: { ...openRuns, list: () => openRuns.list(cluster) },
  };
}

/** The real engine on the embedded cluster, with a real store and a real audit. */
export async function openWorld(settings: Partial<Settings> = {}, simulator: Partial<SimulatorOptions> = {}): Promise<World> {
  const cluster = await startCluster(simulator);
  const beside = process.env.TWO_CLUSTERS ? await startCluster({ certificate: 'second' }) : undefined;
  const dataDir = mkdtempSync(join(tmpdir(), 'engine-'));
  writeFileSync(join(dataDir, 'store.sqlite'), await migrated.get(), { mode: 0o600 });
  const engines: Engine[] = [];
  const another: World['another'] = (
    more = {},
    { clock = systemClock, store = (same: Store) => same, audit = (same: Audit) => same, ...client } = {},
  ) => {
    const all: Settings = {
      connection: cluster.connection(),
      defaults: { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm' },
      limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } },
      approval: { mode: 'relay', ttlSeconds: 900, maxPendingPerPrincipal: 10 },
      policy: NO_POLICY,
      waitSeconds: 45,
      readOnly: false,
      toolsets: TOOLSETS,
      retentionDays: 90,
      dataDir,
      auditFile: join(dataDir, 'audit.jsonl'),
      logLevel: 'silent',
      demo: false,
      ...settings,
      ...more,
    } as Settings;
    const { cluster: name = 'simulator' } = client;
    const token = { id: all.connection.tokenId, secret: all.connection.tokenSecret };
    const engine = engineOf(name, {
      settings: beside ? withBeside(name, all, beside) : all,
      connect: async (asked) =>
        asked === 'beside' ? (beside as TestCluster).open({ cluster: asked }) : cluster.open({ token, clock, ...client }),
      openStore: async () => store(await openStore({ dataDir })),
      clock,
      audit: audit(openAudit({ file: all.auditFile, clock: systemClock })),
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });
    engines.push(engine);
    return engine;
  };
  const engine = another();
  let other: Client | undefined;
  // Served like the other, not only configured.
  if (beside) await engine.watch('beside');
  return {
    cluster,
    dataDir,
    engine,
    another,
    ...callsTo(engine, agent),
    refused: (promise) =>
      promise.then(
        () => {
          throw new Error('it was not refused');
        },
        (thrown) => asError(thrown),
      ),
    audit: () => auditLines(join(dataDir, 'audit.jsonl')),
    other() {
      other ??= clientOf(cluster.simulator);
      return other;
    },
    async close() {
      other?.close();
      for (const one of engines) await one.close();
      await cluster.close();
      await beside?.close();
      expect(beside?.mutations() ?? []).toEqual([]);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
