import { within } from '../core/clock.ts';
import type { Session } from '../engine/session.ts';
import type { Engine } from '../engine/types.ts';
import type { Gauge } from './metrics.ts';

const FRESH_MS = 30_000;
/** How long (ms) /metrics waits for a value: Prometheus gives up after 10 s, and would have none then. */
const LOOK_MS = 5_000;

/**
 * The present values for /metrics, with a label for each of several clusters. A cluster is read every 30 s at most, however often /metrics is
 * requested. A value that cannot be read now is left out, and takes no other with it.
 */
export function createGauges({ engine }: Pick<Session, 'engine'>): () => Promise<Gauge[]> {
  const { clusters } = engine;
  if (clusters.length === 0) return gaugesOf(engine);
  const each = clusters.map((cluster) => {
    const gauges = gaugesOf(engine, cluster);
    return async () => labelled(await gauges(), cluster);
  });
  return async () => (await Promise.all(each.map((gauges) => gauges()))).flat();
}

function labelled(gauges: readonly Gauge[], cluster: string): Gauge[] {
  return gauges.map(({ labels, ...gauge }) => ({ ...gauge, labels: { cluster, ...labels } }));
}

function gaugesOf(engine: Engine, cluster?: string): () => Promise<Gauge[]> {
  let quota: { at: number; gauges: Promise<Gauge[]> } | undefined;
  return async () => {
    const now = Date.now();
    if (quota === undefined || now - quota.at > FRESH_MS) quota = { at: now, gauges: quotaGauges(engine, cluster).catch(() => []) };
    const parts = [
      counter('proxmox_mcp_approvals_pending', async () => (await engine.watch(cluster)).total),
      counter('proxmox_mcp_runs_unknown', async () => (await engine.openRuns.list(cluster)).length),
      quota.gauges,
    ];
    return (await Promise.all(parts.map((part) => within(part, LOOK_MS)))).flatMap((gauges) => gauges ?? []);
  };
}

function counter(name: Gauge['name'], count: () => Promise<number>): Promise<Gauge[]> {
  return count().then(
    (value) => [{ name, value }],
    () => [],
  );
}

async function quotaGauges(engine: Engine, cluster?: string): Promise<Gauge[]> {
  return (await engine.quotas(cluster)).quotas.flatMap(({ size, limit, used, reserved = 0 }): Gauge[] => {
    if (limit === undefined || used === undefined) return [];
    const labels = { resource: RESOURCES[size] };
    return [
      { name: 'proxmox_mcp_quota_used', labels, value: used + reserved },
      { name: 'proxmox_mcp_quota_limit', labels, value: limit },
    ];
  });
}

const RESOURCES = { guests: 'guests', cpu: 'vcpus', memoryMib: 'memory_mib', diskGib: 'disk_gib' } as const;
