import type { ApprovalMethod, ApprovalRecord, ApprovalStatus } from '../../core/approval.ts';
import type { Caller } from '../../core/caller.ts';
import { canonical } from '../../core/canonical.ts';
import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { type Plan, targetsOf } from '../../core/plan.ts';
import { plainText } from '../../core/text.ts';
import { newId } from '../ids.ts';
import { refuseRevoked } from '../limits/access-token.ts';
import { seesAllApprovals } from '../limits/roles.ts';
import { isoNow, type Ports } from '../ports.ts';
import { argsDigest, auditCaller, auditTarget, planDigest, SERVER } from '../records.ts';
import type { ChangeCall } from '../types.ts';
import { announce } from './notify.ts';

/** Stores a pending approval for a plan, or finds the identical one that is pending already. */
export async function requestApproval(
  call: ChangeCall & { plan: Plan; method: ApprovalMethod; needed: number },
  ports: Ports,
): Promise<ApprovalRecord> {
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  const { args, caller, options } = call;
  const now = isoNow(ports.clock);
  const plan = await withFormerNames(call.plan, ports);
  await refuseRevoked([caller.principal], ports);
  const id = newId('apr');
  const sealed = ports.vault.idsIn(plan).map((secret) => ports.vault.seal(secret));
  const asked = await store.approvals.request(
    {
      id,
      cluster,
      ...auditCaller(caller),
      operation: plan.operation,
      args,
      argsDigest: argsDigest(plan.operation, args),
      plan,
      digest: planDigest(plan, args, cluster),
      effect: plan.effect,
      method: call.method,
      needed: call.needed,
      ...(caller.scope ? { scope: caller.scope } : {}),
      ...defined({ reason: options.reason }),
      expiresAt: new Date(ports.clock.now() + ports.settings.approval.ttlSeconds * 1000).toISOString(),
    },
    now,
    ports.settings.approval.maxPendingPerPrincipal,
  );
  if (asked === 'full') return refuseFull(caller, ports);
  const { ended = [], ...approval } = asked;
  if (approval.id === id) await store.secrets.keep(id, sealed);
  for (const one of ended) await recordDecision(one, one.status === 'expired' ? SERVER : caller, ports, one.status);
  await ports.audit.append(
    {
      kind: 'approval',
      operation: plan.operation,
      cluster,
      ...auditCaller(caller),
      args,
      ...auditTarget(plan),
      approvalId: approval.id,
      planDigest: approval.digest,
      status: 'pending',
    },
    { durable: true },
  );
  // Not waited for: a failed announcement must not stop a request.
  if (approval.id === id) await announce(approval, ports);
  return approval;
}

/** Names what the caller may know of: its own pending approvals. Those of others about the same guest only count. */
async function refuseFull(caller: Caller, ports: Ports): Promise<never> {
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  const limit = ports.settings.approval.maxPendingPerPrincipal;
  const { approvals, total } = await store.approvals.list({ cluster, principal: caller.principal, status: 'pending', limit });
  const own = approvals.map((one) => ({ approval_id: one.id, summary: plainText(one.plan.summary, 120), expires_at: one.expiresAt }));
  const listed = own.map((one) => `${one.approval_id} (expires ${one.expires_at})`).join(', ');
  const whose = total >= limit ? 'approvals of yours' : 'approvals about this guest';
  fail('too_many_pending', `${limit} ${whose} are pending already${own.length > 0 ? `. Yours: ${listed}` : ''}.`, {
    details: { pending: own },
  });
}

/** Remembers the names of the guests and adds the others they were seen under: renaming before asking must not hide what it was. */
async function withFormerNames(plan: Plan, ports: Ports): Promise<Plan> {
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  const guests = targetsOf(plan);
  const formerNames: string[] = [];
  for (const { key, name, vmid } of guests) {
    if (name !== '') await store.guests.sawName(cluster, { key, name, vmid }, isoNow(ports.clock));
    const others = (await store.guests.names(cluster, key)).filter((other) => other !== name);
    formerNames.push(...(guests.length === 1 ? others : others.map((other) => `${other} (now ${name === '' ? vmid : `${name} ${vmid}`})`)));
  }
  return formerNames.length === 0 ? plan : { ...plan, facts: { ...plan.facts, formerNames } };
}

/** Ends the approvals of this cluster that were not decided in time; the audit says so at the next look. */
export async function expireApprovals(ports: Ports): Promise<void> {
  const { name: cluster } = ports.cluster;
  const { approvals } = await ports.store();
  const expired = await approvals.expire(cluster, isoNow(ports.clock));
  // Asked for at one moment, so that the audit writes all lines with one lock and one sync.
  await Promise.all(expired.map((one) => recordDecision(one, SERVER, ports, 'expired')));
}

/** The approval, if this caller may know of it: their own, or any of them for the operator. */
export async function visibleApproval(id: string, caller: Caller, ports: Ports): Promise<ApprovalRecord> {
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  await expireApprovals(ports);
  const approval = await store.approvals.get(id);
  if (!approval || (approval.principal !== caller.principal && !seesAllApprovals(caller)))
    fail('approval_unknown', `Approval ${id} is not one of yours.`);
  if (approval.cluster !== cluster) fail('approval_mismatch', `Approval ${id} is for the cluster ${approval.cluster}, not for ${cluster}.`);
  return approval;
}

/** `call stop_vm … --approve ID`: the approval must be for exactly this; a mismatch consumes nothing. */
export function checkMatches(approval: ApprovalRecord, operation: string, args: JsonObject): void {
  if (approval.operation !== operation)
    fail('approval_mismatch', `Approval ${approval.id} is for ${approval.operation}, not for ${operation}.`);
  if (canonical(approval.args) !== canonical(args)) {
    fail('approval_mismatch', `Approval ${approval.id} is for ${operation} with other arguments.`, {
      details: { approved: approval.args, given: args },
    });
  }
}

/** Says no. Only a pending approval can be denied. */
export async function denyApproval(
  approval: ApprovalRecord,
  reason: string | undefined,
  caller: Caller,
  ports: Ports,
): Promise<ApprovalRecord> {
  checkOpen(approval);
  const store = await ports.store();
  const decidedAt = isoNow(ports.clock);
  const denied = await store.approvals.move(approval.id, 'pending', 'denied', {
    decidedBy: caller.principal,
    decidedAt,
    ...defined({ note: reason }),
  });
  const now = await visibleApproval(approval.id, caller, ports);
  if (!denied) checkOpen(now);
  await recordDecision(now, caller, ports, 'denied');
  return now;
}

/** Writes down in the audit what was decided, by whom and how. */
export async function recordDecision(
  approval: ApprovalRecord,
  caller: Caller,
  ports: Pick<Ports, 'audit'>,
  status: string,
  via?: ApprovalMethod,
): Promise<void> {
  await ports.audit.append(
    {
      kind: 'decision',
      operation: approval.operation,
      cluster: approval.cluster,
      ...auditCaller(caller),
      ...auditTarget(approval.plan),
      approvalId: approval.id,
      planDigest: approval.digest,
      status,
      ...(via ? { decidedVia: via } : {}),
      ...(via === 'relay' ? { message: 'relayed by agent, no human verified' } : {}),
      ...(via === 'elicitation' ? { message: ['answered in the client', approval.note].filter(Boolean).join('; ') } : {}),
      ...((status === 'stale' || status === 'denied') && approval.note !== undefined ? { message: plainText(approval.note, 1000) } : {}),
    },
    { durable: true },
  );
}

/** @throws what explains why the approval can no longer be decided */
export function checkOpen(approval: ApprovalRecord): void {
  const refusals: Partial<Record<ApprovalStatus, () => never>> = {
    denied: () => fail('approval_denied', `Approval ${approval.id} was denied${approval.note ? `: ${approval.note}` : ''}.`),
    expired: () => fail('approval_expired', `Approval ${approval.id} expired at ${approval.expiresAt}.`),
    stale: () => fail('approval_stale', `Approval ${approval.id} is stale${approval.note ? `: ${approval.note}` : ''}.`),
  };
  if (approval.status === 'pending') return;
  refusals[approval.status]?.();
  fail('approval_used', `Approval ${approval.id} was used already (${approval.status}).`, {
    details: { status: approval.status, ...(approval.runId ? { run_id: approval.runId } : {}) },
  });
}
