import type { GetApi } from '../../core/proxmox.ts';
import { isSet } from '../../core/text/sizes.ts';

/**
 * The pools whose members the token cannot see: `/cluster/resources` names the pool of a guest only with Pool.Audit on it. A guest
 * that is listed without a pool may be in one of these, and is in none of the others.
 *
 * A right that does not propagate leaves the nested pools hidden, and those belong to the pool.
 */
export async function hiddenPools(api: GetApi, pools: readonly string[]): Promise<Set<string>> {
  const asked = await Promise.all([...new Set(pools)].map(async (pool) => [pool, await isAudited(api, pool)] as const));
  return new Set(asked.filter(([, audited]) => !audited).map(([pool]) => pool));
}

async function isAudited(api: GetApi, pool: string): Promise<boolean> {
  const place = `/pool/${pool}`;
  const granted = await api.get<Record<string, Record<string, unknown>>>('/access/permissions', { path: place });
  return isSet(granted[place]?.['Pool.Audit']);
}
