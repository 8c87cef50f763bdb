import { isInPool, isTagged } from '../../core/guest.ts';
import { raisedTo } from '../../core/plan/effect.ts';
import type { PlanDraft } from '../../core/plan/plan.ts';
import type { Policy, PolicyMatch } from '../../core/settings/policy.ts';
import { isoNow, type Ports } from '../ports.ts';

/** Tags and pools that decide something, and what names them. */
interface Names extends Pick<PolicyMatch, 'tag' | 'pool'> {
  by: string;
}

/** A tag or pool that decides what may happen to a guest, or inside it: giving or taking it counts as `destroy`. */
export async function raisedByMove(plan: PlanDraft, ports: Ports): Promise<PlanDraft> {
  const { tags = [], pools = [] } = plan.moves ?? {};
  if (tags.length + pools.length === 0) return plan;
  for (const { tag = [], pool = [], by } of [...namedIn(ports.cluster.policy), ...(await standingIn(ports))]) {
    const named = tags.find((one) => isTagged(tag, one));
    const place = pools.find((one) => pool.some((name) => isInPool(one.toLowerCase(), name.toLowerCase())));
    if (named === undefined && place === undefined) continue;
    const what = named === undefined ? `pool ${place}` : `tag ${named}`;
    return { ...plan, ...raisedTo('destroy', plan.raisedBecause, `${by} names the ${what}`) };
  }
  return plan;
}

function namedIn({ rules, only, run = [] }: Policy): Names[] {
  return [
    ...rules.map(({ match }) => ({ ...match, by: 'a rule of the policy' })),
    ...(only ? [{ tag: only.tags, pool: only.pools, by: 'a rule of the policy' }] : []),
    ...run.map(({ match }) => ({ ...match, by: 'a rule of the policy for run_in_guest' })),
  ];
}

/** A requester who gives a guest such a tag would extend the standing approval of a human to it. */
async function standingIn(ports: Ports): Promise<Names[]> {
  const { standing } = await ports.store();
  const open = await standing.open(ports.cluster.name, isoNow(ports.clock));
  return open.map(({ id, tag, pool }) => ({
    ...(tag === undefined ? {} : { tag: [tag] }),
    ...(pool === undefined ? {} : { pool: [pool] }),
    by: `the standing approval ${id}`,
  }));
}
