import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAudit } from '../../src/audit/writer.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { defined } from '../../src/core/defined.ts';
import { NO_POLICY } from '../../src/core/settings/policy.ts';
import type { ClusterSettings, Settings } from '../../src/core/settings/settings.ts';
import { TOOLSETS } from '../../src/core/settings/toolset.ts';
import type { JsonObject } from '../../src/core/text/json.ts';
import { createEngine } from '../../src/engine/engine.ts';
import type { Engine } from '../../src/engine/types.ts';
import { openNamed } from '../../src/proxmox/named-cluster.ts';
import { memoryTrustStore } from '../../src/proxmox/trust/store.ts';
import { openStore } from '../../src/store/index.ts';
import { auditLines, type Calls, callsTo } from './calls.ts';
import { startCluster, type TestCluster } from './simulator.ts';
import { agent } from './world.ts';

export interface Two extends Calls {
  home: TestCluster;
  work: TestCluster;
  engine: Engine;
  /** Another engine on the same store, whose names may mean other clusters. */
  another(options?: { at?: Record<string, TestCluster>; clock?: Clock; timeoutMs?: number } & Partial<Settings>): Engine;
  audit(): JsonObject[];
  close(): Promise<void>;
}

/** One engine on two embedded clusters, `home` and `work`, which share VMIDs and names and have each their own authority. */
export async function openTwo(own: Partial<Record<'home' | 'work', Partial<ClusterSettings>>> = {}): Promise<Two> {
  const [home, work] = await Promise.all([startCluster(), startCluster({ certificate: 'second' })]);
  const dataDir = mkdtempSync(join(tmpdir(), 'two-'));
  const auditFile = join(dataDir, 'audit.jsonl');
  const engines: Engine[] = [];
  const another: Two['another'] = ({ at = { home, work }, clock = systemClock, timeoutMs, ...more } = {}) => {
    const cluster = (name: string): ClusterSettings => ({
      connection: (at[name] as TestCluster).connection(),
      defaults: { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm' },
      limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } },
      policy: NO_POLICY,
      ...own[name as 'home' | 'work'],
    });
    const settings = {
      ...cluster(Object.keys(at)[0] ?? ''),
      clusters: Object.keys(at).map((name) => ({ name, ...cluster(name) })),
      approval: { mode: 'relay', ttlSeconds: 900, maxPendingPerPrincipal: 10 },
      waitSeconds: 45,
      readOnly: false,
      toolsets: TOOLSETS,
      retentionDays: 90,
      dataDir,
      auditFile,
      logLevel: 'silent',
      demo: false,
      ...more,
    } as Settings;
    const engine = createEngine({
      settings,
      connect: (name) =>
        openNamed(name, memoryTrustStore(), (trust) =>
          (at[name] as TestCluster).open({ cluster: name, trust, clock, ...defined({ timeoutMs }) }),
        ),
      openStore: () => openStore({ dataDir }),
      clock,
      audit: openAudit({ file: auditFile, clock: systemClock }),
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });
    engines.push(engine);
    return engine;
  };
  const engine = another();
  return {
    home,
    work,
    engine,
    another,
    ...callsTo(engine, agent),
    audit: () => auditLines(auditFile),
    async close() {
      for (const one of engines) await one.close();
      await Promise.all([home.close(), work.close()]);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
