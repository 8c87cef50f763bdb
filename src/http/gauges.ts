import type { Settings } from '../core/settings.ts';
import type { Session } from '../engine/session.ts';
import type { Engine } from '../engine/types.ts';
import type { Gauge } from './metrics.ts';

const FRESH_MS = 30_000;

/** What stands now, for /metrics. The cluster is read once in a while only, however often /metrics is requested; what cannot be read is left out. */
export function createGauges(session: Session): () => Promise<Gauge[]> {
  let quota: { at: number; gauges: Promise<Gauge[]> } | undefined;
  return async () => {
    const now = Date.now();
    if (quota === undefined || now - quota.at > FRESH_MS) quota = { at: now, gauges: quotaGauges(session).catch(() => []) };
    const [asked, open] = await Promise.all([pending(session.engine).catch(() => []), unknown(session.engine).catch(() => [])]);
    return [...asked, ...open, ...(await quota.gauges)];
  };
}

async function pending(engine: Engine): Promise<Gauge[]> {
  return [{ name: 'proxmox_mcp_approvals_pending', value: (await engine.watch()).pending.length }];
}

async function unknown(engine: Engine): Promise<Gauge[]> {
  return [{ name: 'proxmox_mcp_runs_unknown', value: (await engine.openRuns.list()).length }];
}

async function quotaGauges({ settings, connect, store }: Session): Promise<Gauge[]> {
  const [{ currentGuests }, { hiddenPools }, { usage, diskSums }] = await Promise.all([
    import('../proxmox/fresh.ts'),
    import('../proxmox/pools.ts'),
    import('../engine/limits/quota.ts'),
  ]);
  const [api, { reservations, guests: made }] = await Promise.all([connect(), store()]);
  const { limits } = settings;
  if (limits.scope.kind === 'pool' && (await hiddenPools(api, [limits.scope.pool])).size > 0) return [];
  const [guests, reserved] = await Promise.all([currentGuests(api), reservations.all(api.cluster)]);
  const created = limits.scope.kind === 'created' ? new Set(await made.madeVmids(api.cluster)) : new Set<number>();
  const used = usage(guests, reserved, limits, created, limits.maxTotalDiskGib === undefined ? undefined : await diskSums(api));
  return rows(limits).flatMap(({ resource, of, limit }): Gauge[] =>
    limit === undefined
      ? []
      : [
          { name: 'proxmox_mcp_quota_used', labels: { resource }, value: used[of] },
          { name: 'proxmox_mcp_quota_limit', labels: { resource }, value: limit },
        ],
  );
}

function rows(limits: Settings['limits']) {
  return [
    { resource: 'guests', of: 'guests', limit: limits.maxVms },
    { resource: 'vcpus', of: 'cpu', limit: limits.maxTotalCpu },
    { resource: 'memory_mib', of: 'memoryMib', limit: limits.maxTotalRamMib },
    { resource: 'disk_gib', of: 'diskGib', limit: limits.maxTotalDiskGib },
  ] as const;
}
