import type { Session } from '../engine/session.ts';
import type { Engine } from '../engine/types.ts';
import type { Gauge } from './metrics.ts';

const FRESH_MS = 30_000;

/** The present values for /metrics. The cluster is read once in a while only, however often /metrics is requested; what cannot be read is left out. */
export function createGauges(session: Session): () => Promise<Gauge[]> {
  let quota: { at: number; gauges: Promise<Gauge[]> } | undefined;
  return async () => {
    const now = Date.now();
    if (quota === undefined || now - quota.at > FRESH_MS) quota = { at: now, gauges: quotaGauges(session.engine).catch(() => []) };
    const [asked, open] = await Promise.all([pending(session.engine).catch(() => []), unknown(session.engine).catch(() => [])]);
    return [...asked, ...open, ...(await quota.gauges)];
  };
}

async function pending(engine: Engine): Promise<Gauge[]> {
  return [{ name: 'proxmox_mcp_approvals_pending', value: (await engine.watch()).total }];
}

async function unknown(engine: Engine): Promise<Gauge[]> {
  return [{ name: 'proxmox_mcp_runs_unknown', value: (await engine.openRuns.list()).length }];
}

async function quotaGauges(engine: Engine): Promise<Gauge[]> {
  return (await engine.quotas()).quotas.flatMap(({ size, limit, used, reserved = 0 }): Gauge[] => {
    if (limit === undefined || used === undefined) return [];
    const labels = { resource: RESOURCES[size] };
    return [
      { name: 'proxmox_mcp_quota_used', labels, value: used + reserved },
      { name: 'proxmox_mcp_quota_limit', labels, value: limit },
    ];
  });
}

const RESOURCES = { guests: 'guests', cpu: 'vcpus', memoryMib: 'memory_mib', diskGib: 'disk_gib' } as const;
