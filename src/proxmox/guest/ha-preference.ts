import type { GetApi } from '../../core/proxmox.ts';
import { isSet } from '../../core/text/sizes.ts';
import { itemsOf } from './property-strings.ts';

interface Rule {
  /** `vm:101,ct:200` */
  resources?: string;
  /** `pve:2,pve2`; a node without a priority has 0. */
  nodes?: string;
  disable?: number | boolean;
}

/**
 * The nodes to which the HA manager brings each of these resources back: those of the highest priority that are online, by node affinity rules
 * (`GET /cluster/ha/rules`, from 9.0). Absent without such a rule, without failback, and where the token may not look.
 * @param sids such as `vm:101`
 */
export async function preferredNodes(api: GetApi, sids: readonly string[], online: readonly string[]): Promise<Map<string, string[]>> {
  const rules = sids.length === 0 ? [] : await listed<Rule>(api, '/cluster/ha/rules', { type: 'node-affinity' });
  const found = new Map<string, string[]>();
  for (const { resources, nodes } of rules.filter(({ disable }) => !isSet(disable))) {
    const best = highest(nodes, online);
    for (const sid of itemsOf(resources)) if (sids.includes(sid) && best.length > 0) found.set(sid, best);
  }
  if (found.size === 0) return found;
  for (const { sid = '', failback = 1 } of await listed<{ sid?: string; failback?: number | boolean }>(api, '/cluster/ha/resources'))
    if (!isSet(failback)) found.delete(sid);
  return found;
}

/** Releases before 9.0 do not know the rules. */
async function listed<Row>(api: GetApi, path: string, params: Record<string, string> = {}): Promise<Row[]> {
  return api.get<Row[]>(path, params).catch(() => []);
}

function highest(nodes: string | undefined, online: readonly string[]): string[] {
  const ranked = itemsOf(nodes).map((one) => ({ node: one.split(':')[0] ?? '', priority: Number(one.split(':')[1] ?? 0) }));
  const here = ranked.filter(({ node }) => online.includes(node));
  const most = Math.max(...here.map(({ priority }) => priority));
  return here.filter(({ priority }) => priority === most).map(({ node }) => node);
}
