import { defined } from '../../core/defined.ts';
import type { Requester, Scope } from '../../core/people/caller.ts';
import type { Effect } from '../../core/plan/effect.ts';
import { partOf, partsOf, requestsOf, targetsOf } from '../../core/plan/parts.ts';
import { isGuarded, type Placed, type Plan } from '../../core/plan/plan.ts';
import type { Policy } from '../../core/settings/policy.ts';
import { hiddenPools } from '../../proxmox/access/pools.ts';
import { type GuestRow, listGuests, tagsOf } from '../../proxmox/guest/guests.ts';
import type { Ports } from '../ports.ts';

/** A guest as a policy sees it. */
export interface PolicyGuest {
  /** 0 for a plan that is about no guest, such as the download of a file. Rules that name guests do not fit it. */
  vmid: number;
  tags: readonly string[];
  /** Null: surely in none. */
  pool?: string | null;
  createdHere: boolean;
  /** Not changed: the plan copies its disks. */
  copied?: { template: boolean; guarded: boolean };
  /** The token sees nothing of it, so tags and pool may be any. */
  unseen?: true;
}

/** The input of the policy: live facts about the guests a plan touches, never what an agent said about them. */
export interface Subject {
  operation: string;
  effect: Effect;
  principal: string;
  /** The changed or created guests, then the guests whose disks are copied. */
  guests: PolicyGuest[];
  /** Pools in which a guest may be that is listed without one, see hiddenPools. */
  hidden?: ReadonlySet<string>;
}

/** The guests of a plan with the facts that policy and scope need. Facts that neither needs are not read. */
export async function subjectOf(
  plan: Plan,
  { principal, scope }: Requester,
  ports: Ports,
): Promise<{ subject: Subject; placed?: Placed[] }> {
  const { policy } = ports.cluster;
  const targets = targetsOf(plan);
  const sources = (plan.sources ?? []).map((source) => ({ ...source, copied: { template: source.template, guarded: isGuarded(source) } }));
  const asksFacts = policy.only !== undefined || scope !== undefined || policy.rules.some((r) => r.match.tag || r.match.pool);
  const made = partsOf(plan)
    .filter((part) => targetsOf(part).length === 0)
    .map((part) => {
      const fresh = newGuest(part);
      return { pool: null, ...fresh, createdHere: fresh.vmid !== 0 };
    });
  const what = { operation: plan.operation, effect: plan.effect, principal };
  if (!asksFacts || targets.length + sources.length === 0) {
    const known = { tags: [], createdHere: false };
    const changed = targets.map(({ vmid }) => ({ vmid, ...known }));
    const copied = sources.map((source) => ({ vmid: source.vmid, ...known, copied: source.copied }));
    return { subject: { ...what, guests: [...made, ...changed, ...copied] } };
  }
  const { api, name: cluster } = ports.cluster;
  const store = await ports.store();
  const rows = await listGuests(api);
  const guestOf = async (vmid: number, key: string | undefined): Promise<PolicyGuest> => {
    const createdHere = key !== undefined && (await store.guests.made(cluster, vmid, key));
    const row = rows.find((r) => r.vmid === vmid);
    return { vmid, createdHere, ...(row ? { tags: row.tags, ...defined({ pool: row.pool }) } : { tags: [], unseen: true }) };
  };
  const guests = await Promise.all([
    ...targets.map(async ({ vmid, key }) => {
      const found = await guestOf(vmid, key);
      const guest = plan.becomes ? { ...found, tags: [...found.tags, ...plan.becomes.tags] } : found;
      // A half-made guest is evaluated as the finished one: its tags may be among the missing steps.
      const part = plan.makes ? partOf(plan, vmid) : plan;
      return part.continues === undefined ? guest : { ...guest, tags: [...guest.tags, ...newGuest(part).tags] };
    }),
    ...sources.map(async ({ vmid, identity, gone, copied }) => {
      if (gone) return { vmid, tags: [], pool: null, createdHere: false, copied };
      return { ...(await guestOf(vmid, identity?.key)), copied };
    }),
  ]);
  const named = [...policy.rules.flatMap((r) => r.match.pool ?? []), ...(policy.only?.pools ?? [])];
  const hidden = guests.some(({ pool }) => pool === undefined) ? await hiddenPools(api, named) : undefined;
  const placed = placedOf(plan, policy, scope, rows);
  return { subject: { ...what, guests: [...made, ...guests], ...defined({ hidden }) }, ...defined({ placed }) };
}

/** A guest that the plan makes, with the pool and tags that its requests give it. It counts as created here. */
export function newGuest(plan: Plan): Pick<GuestRow, 'vmid' | 'pool' | 'tags'> & { createdHere: true } {
  const last = (key: string) =>
    requestsOf(plan)
      .map(({ params }) => params[key])
      .findLast((value) => typeof value === 'string');
  const pool = last('pool');
  return {
    vmid: plan.demand?.vmid ?? 0,
    // A clone without tags of its own gets those of its source, and a restored guest those in its backup.
    tags: last('tags') === undefined ? (plan.facts?.tags ?? plan.becomes?.tags ?? []) : tagsOf(last('tags')),
    createdHere: true,
    ...defined({ pool }),
  };
}

/**
 * The pools and tags of a plan's guests, as far as the policy or the requester's scope uses them. Others may lead to another decision, so an approval
 * is bound to them. Undefined where neither uses any.
 */
function placedOf(plan: Plan, policy: Policy, scope: Scope | undefined, rows: readonly GuestRow[]): Placed[] | undefined {
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
