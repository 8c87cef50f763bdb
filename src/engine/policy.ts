import { stricter, type Way } from '../core/approval.ts';
import type { Caller } from '../core/caller.ts';
import type { Effect } from '../core/effect.ts';
import { needsApproval } from '../core/effect.ts';
import { fail } from '../core/errors.ts';
import { isInPool } from '../core/guest.ts';
import { type Plan, type RequestStep, targetsOf } from '../core/plan.ts';
import type { Policy, PolicyMatch } from '../core/policy.ts';
import { listGuests, tagsOf } from '../proxmox/guests.ts';
import type { Ports } from './ports.ts';
import { wayFor } from './way.ts';

/** What a policy looks at: live facts about the guests a plan touches, never what an agent said about them. */
export interface Subject {
  operation: string;
  effect: Effect;
  principal: string;
  guests: { vmid: number; tags: string[]; pool?: string; createdHere: boolean }[];
}

export interface Verdict {
  /** Undefined: runs at once. */
  way?: Way;
  approvals: number;
  requireBackupWithin?: number;
  cooldown?: number;
}

/** Whether a rule fits. Text is compared without regard to case: Proxmox lower-cases tags, people do not. */
function fits(match: PolicyMatch, subject: Subject): boolean {
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const any = (test: (guest: Subject['guests'][number]) => boolean) => subject.guests.some(test);
  return (
    (match.effect?.includes(subject.effect) ?? true) &&
    (match.operation?.includes(subject.operation) ?? true) &&
    (match.principal?.includes(subject.principal) ?? true) &&
    (match.tag === undefined || any((g) => g.tags.some((t) => match.tag?.some((m) => same(m, t))))) &&
    (match.pool === undefined || any((g) => match.pool?.some((m) => isInPool(g.pool?.toLowerCase(), m.toLowerCase())) ?? false)) &&
    (match.vmid === undefined || any((g) => match.vmid?.some((range) => g.vmid >= range.from && g.vmid <= range.to) ?? false))
  );
}

/**
 * What the policy demands of a plan, on top of how the caller would have to be asked anyway.
 * @throws forbidden_by_policy for what is never allowed or outside the guests that may be changed
 */
export function judge(policy: Policy, subject: Subject, base: Way): Verdict {
  const rules = policy.rules.filter((rule) => fits(rule.match, subject));
  if (rules.some((rule) => rule.never)) {
    const vmids = subject.guests.map((guest) => guest.vmid).join(', ');
    fail('forbidden_by_policy', `The policy never allows ${subject.operation}${vmids === '' ? '' : ` for VMID ${vmids}`}.`, {
      hint: 'Tell the user; only the operator changes the policy, and `proxmox-mcp doctor` prints it.',
    });
  }
  const { only } = policy;
  for (const guest of only ? subject.guests : []) {
    const allowed =
      (only?.created && guest.createdHere) ||
      only?.tags.some((t) => guest.tags.some((g) => g.toLowerCase() === t.toLowerCase())) ||
      only?.pools.some((pool) => isInPool(guest.pool, pool));
    if (!allowed) fail('forbidden_by_policy', `The policy allows changes only to certain guests, and ${guest.vmid} is none of them.`);
  }
  const ways = rules.flatMap((rule) => (rule.way ? [rule.way] : []));
  const asked = needsApproval(subject.effect) || ways.length > 0;
  const least = (values: (number | undefined)[]) => values.filter((v) => v !== undefined).sort((a, b) => a - b)[0];
  const most = (values: (number | undefined)[]) => values.filter((v) => v !== undefined).sort((a, b) => b - a)[0];
  const backup = least(rules.map((r) => r.requireBackupWithin));
  const cooldown = most(rules.map((r) => r.cooldown));
  const approvals = most(rules.map((r) => r.approvals)) ?? 1;
  return {
    // Several people can only be told apart out of band.
    ...(asked || approvals > 1 ? { way: approvals > 1 ? 'human' : ways.reduce(stricter, base) } : {}),
    approvals,
    ...(backup === undefined ? {} : { requireBackupWithin: backup }),
    ...(cooldown === undefined ? {} : { cooldown }),
  };
}

/** The guests of a plan with the facts that a policy may ask about; they are only read when it does. */
async function subjectOf(plan: Plan, principal: string, ports: Ports): Promise<Subject> {
  const { policy } = ports.settings;
  const subject = { operation: plan.operation, effect: plan.effect, principal };
  const targets = targetsOf(plan);
  const asksFacts = policy.only !== undefined || policy.rules.some((r) => r.match.tag || r.match.pool);
  if (targets.length === 0) return { ...subject, guests: [newGuest(plan)] };
  if (!asksFacts) return { ...subject, guests: targets.map(({ vmid }) => ({ vmid, tags: [], createdHere: false })) };
  const [api, store] = await Promise.all([ports.api(), ports.store()]);
  const rows = await listGuests(api);
  const guests = await Promise.all(
    targets.map(async ({ vmid, key }) => {
      const row = rows.find((r) => r.vmid === vmid);
      const createdHere = await store.runs.made(api.cluster, vmid, key);
      return { vmid, tags: row?.tags ?? [], createdHere, ...(row?.pool === undefined ? {} : { pool: row.pool }) };
    }),
  );
  return { ...subject, guests };
}

/** A guest that the plan makes: what its requests give it. It counts as created here. */
export function newGuest(plan: Plan): Subject['guests'][number] {
  const params = plan.steps.filter((s): s is RequestStep => s.kind === 'request').map((s) => s.params);
  const last = (key: string) => params.map((p) => p[key]).findLast((v) => typeof v === 'string') as string | undefined;
  const pool = last('pool');
  return {
    vmid: plan.demand?.vmid ?? 0,
    // A clone that is given none takes over those of its source.
    tags: last('tags') === undefined ? (plan.facts?.tags ?? []) : tagsOf(last('tags')),
    createdHere: true,
    ...(pool === undefined ? {} : { pool }),
  };
}

/**
 * The verdict on a plan.
 * @param caller how this one would have to be asked
 * @param requester whom rules about principals look at; somebody else than the caller when a human decides about it
 */
export async function verdictOn(plan: Plan, caller: Caller, ports: Ports, requester = caller.principal): Promise<Verdict> {
  return judge(ports.settings.policy, await subjectOf(plan, requester, ports), wayFor(ports.settings.approval.mode, caller, plan));
}
