import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { isInPool, isTagged } from '../../core/guest.ts';
import type { Caller, Requester } from '../../core/people/caller.ts';
import { type ApprovalMethod, stricter } from '../../core/plan/approval.ts';
import { needsApproval } from '../../core/plan/effect.ts';
import type { Placed, Plan } from '../../core/plan/plan.ts';
import type { Policy, PolicyMatch } from '../../core/settings/policy.ts';
import { plainText } from '../../core/text/text.ts';
import { methodFor } from '../approvals/method.ts';
import type { Ports } from '../ports.ts';
import { type PolicyGuest, type Subject, subjectOf } from './subject.ts';

export interface PolicyDecision {
  /** Undefined: runs at once. */
  method?: ApprovalMethod;
  approvals: number;
  requireBackupWithin?: number;
  cooldown?: number;
  /** Facts beside the plan that an approval is bound to. */
  placed?: Placed[];
}

/** Undefined where it cannot be known: that fits every rule and never allows anything. */
function isIn(guest: PolicyGuest, pool: string, hidden: ReadonlySet<string> = new Set()): boolean | undefined {
  if (guest.pool !== undefined) return guest.pool !== null && isInPool(guest.pool.toLowerCase(), pool.toLowerCase());
  return guest.unseen || hidden.has(pool) ? undefined : false;
}

function carries(guest: PolicyGuest, tag: string): boolean | undefined {
  return isTagged(guest.tags, tag) || (guest.unseen ? undefined : false);
}

/** Whether a rule fits one of the guests, or may fit it. */
function fits(match: PolicyMatch, subject: Subject): boolean {
  const { tag, pool, vmid } = match;
  const any = (test: (guest: PolicyGuest) => boolean) => subject.guests.some(test);
  return (
    (match.effect?.includes(subject.effect) ?? true) &&
    (match.operation?.includes(subject.operation) ?? true) &&
    (match.principal?.includes(subject.principal) ?? true) &&
    (tag === undefined || any((g) => tag.some((one) => carries(g, one) !== false))) &&
    (pool === undefined || any((g) => pool.some((one) => isIn(g, one, subject.hidden) !== false))) &&
    (vmid === undefined || any((g) => vmid.some((range) => g.vmid >= range.from && g.vmid <= range.to)))
  );
}

/**
 * The policy's demands on a plan, on top of the approval method that applies anyway.
 * @throws forbidden_by_policy for what is never allowed or outside the guests that may be changed
 */
export function evaluate(policy: Policy, subject: Subject, base: ApprovalMethod): PolicyDecision {
  const rules = policy.rules.filter((rule) => fits(rule.match, subject));
  const never = rules.filter((rule) => rule.never);
  if (never.length > 0) {
    // The others of a plan for several may be allowed in a call of their own.
    const own = subject.guests.filter((guest) => never.some((rule) => fits(rule.match, { ...subject, guests: [guest] })));
    fail('forbidden_by_policy', `The policy never allows ${subject.operation}${about(own.length > 0 ? own : subject.guests)}.`, {
      hint: `Tell the user. Only the operator can change the policy, which \`proxmox-mcp doctor\` prints.${blindness(subject)}`,
    });
  }
  if (policy.only) checkOnly(policy.only, subject);
  const methods = rules.flatMap((rule) => rule.method ?? []);
  const copiesGuarded = subject.guests.some(({ copied }) => copied?.guarded);
  const asked = needsApproval(subject.effect) || methods.length > 0 || copiesGuarded;
  const inOrder = (values: (number | undefined)[]) => values.filter((v) => v !== undefined).sort((a, b) => a - b);
  const requireBackupWithin = inOrder(rules.map((r) => r.requireBackupWithin))[0];
  const cooldown = inOrder(rules.map((r) => r.cooldown)).at(-1);
  const approvals = inOrder(rules.map((r) => r.approvals)).at(-1) ?? 1;
  return {
    // Only the method `human` distinguishes several people.
    ...(asked || approvals > 1 ? { method: approvals > 1 ? 'human' : methods.reduce(stricter, base) } : {}),
    approvals,
    ...defined({ requireBackupWithin, cooldown }),
  };
}

/** The highest VMID of Proxmox VE. */
const LAST_VMID = 999_999_999;

/** The first VMID from this one on that no rule bans by its range alone. Where none is left, this one: its refusal names the rule. */
export function outsideBans(vmid: number, { rules }: Policy): number {
  const bans = rules.flatMap(({ never, match: { vmid: ranges = [], effect, ...more } }) => {
    const isByRange = Object.values(more).every((one) => one === undefined) && (effect?.includes('change') ?? true);
    return never && isByRange ? ranges : [];
  });
  for (let next = vmid; next <= LAST_VMID; ) {
    const ban = bans.find(({ from, to }) => from <= next && next <= to);
    if (!ban) return next;
    next = ban.to + 1;
  }
  return vmid;
}

/** A changed guest must be one that the policy names; so must a copied one, unless it is a template. */
function checkOnly(only: NonNullable<Policy['only']>, subject: Subject): void {
  for (const guest of subject.guests) {
    const allowed =
      guest.copied?.template ||
      (only.created && guest.createdHere) ||
      only.tags.some((tag) => carries(guest, tag) === true) ||
      only.pools.some((pool) => isIn(guest, pool, subject.hidden) === true);
    if (allowed) continue;
    const what = guest.copied ? 'copies of' : 'changes to';
    const whom = guest.vmid === 0 ? 'changes that are about no guest' : `${what} guest ${guest.vmid}`;
    fail('forbidden_by_policy', `The policy does not allow ${whom}.`, {
      hint: `Tell the user. Only the operator can change the policy.${blindness(subject)}`,
    });
  }
}

/** ` for VMID 105 with the disks of 106` */
function about(guests: readonly PolicyGuest[]): string {
  const vmids = (copied: boolean) =>
    guests.filter(({ vmid, copied: by }) => vmid !== 0 && (by !== undefined) === copied).map(({ vmid }) => vmid);
  const [changed, copied] = [vmids(false).join(', '), vmids(true).join(', ')];
  return `${changed === '' ? '' : ` for VMID ${changed}`}${copied === '' ? '' : ` with the disks of ${copied}`}`;
}

/** For the operator: why a rule by pool counts for a guest that may be elsewhere. */
function blindness({ guests, hidden }: Subject): string {
  const pools = [...(hidden ?? [])];
  if (pools.length === 0 || guests.every(({ pool }) => pool !== undefined)) return '';
  const paths = pools.map((pool) => `/pool/${plainText(pool, 60)}`).join(', ');
  return ` The Proxmox token lacks Pool.Audit on ${paths}, so a guest listed without a pool counts as a member.`;
}

/**
 * Evaluates the policy on a plan.
 * @param caller decides the approval method
 * @param requester the principal that rules compare; not the caller when a human decides about the plan
 */
export async function evaluatePolicy(plan: Plan, caller: Caller, ports: Ports, requester: Requester = caller): Promise<PolicyDecision> {
  const { subject, placed } = await subjectOf(plan, requester, ports);
  const decision = evaluate(ports.cluster.policy, subject, methodFor(ports.settings.approval.mode, caller, plan));
  return { ...decision, ...defined({ placed }) };
}
