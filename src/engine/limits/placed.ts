import type { Scope } from '../../core/people/caller.ts';
import { targetsOf } from '../../core/plan/parts.ts';
import type { Placed, Plan } from '../../core/plan/plan.ts';
import type { Policy } from '../../core/settings/policy.ts';
import type { GuestRow } from '../../proxmox/guest/guests.ts';

/**
 * The pools and tags of a plan's guests, as far as the policy or the requester's scope uses them. Others may lead to another decision, so an approval
 * is bound to them. Undefined where neither uses any.
 */
export function placedOf(plan: Plan, policy: Policy, scope: Scope | undefined, rows: readonly GuestRow[]): Placed[] | undefined {
  const pools = scope?.pools !== undefined || (policy.only?.pools.length ?? 0) > 0 || policy.rules.some(({ match }) => match.pool);
  const tags = scope?.tags !== undefined || (policy.only?.tags.length ?? 0) > 0 || policy.rules.some(({ match }) => match.tag);
  if (!pools && !tags) return undefined;
  const vmids = [...targetsOf(plan), ...(plan.sources ?? [])].map(({ vmid }) => vmid);
  return vmids.length === 0 ? undefined : vmids.map((vmid) => placed(vmid, { pools, tags }, rows));
}

/** The same guests and facts as they are now. */
export function placedNow(before: readonly Placed[], rows: readonly GuestRow[]): Placed[] {
  return before.map(({ vmid, pool, tags }) => placed(vmid, { pools: pool !== undefined, tags: tags !== undefined }, rows));
}

function placed(vmid: number, uses: { pools: boolean; tags: boolean }, rows: readonly GuestRow[]): Placed {
  const row = rows.find((one) => one.vmid === vmid);
  return {
    vmid,
    ...(uses.pools ? { pool: row?.pool ?? null } : {}),
    ...(uses.tags ? { tags: [...(row?.tags ?? [])].sort() } : {}),
  };
}
