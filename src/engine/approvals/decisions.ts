import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { Caller } from '../../core/people/caller.ts';
import type { ApprovalMethod, ApprovalRecord } from '../../core/plan/approval.ts';
import { plainText } from '../../core/text/text.ts';
import { seesAllApprovals } from '../limits/roles.ts';
import { isoNow, type Ports } from '../ports.ts';
import { auditCaller, auditTarget, SERVER } from '../records.ts';

/** The approval, where this caller may see it: their own, or any for the operator and approvers. @throws approval_unknown, approval_mismatch */
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

/** @throws the reason why the approval can no longer be decided: approval_denied, approval_expired, approval_stale, approval_used */
export function checkOpen({ id, status, note, expiresAt, runId }: ApprovalRecord): void {
  const why = note ? `: ${note}` : '';
  if (status === 'pending') return;
  if (status === 'denied') fail('approval_denied', `Approval ${id} was denied${why}.`);
  if (status === 'expired') fail('approval_expired', `Approval ${id} expired at ${expiresAt}.`);
  if (status === 'stale') fail('approval_stale', `Approval ${id} is stale${why}.`);
  fail('approval_used', `Approval ${id} was already used (${status}).`, { details: { status, ...defined({ run_id: runId }) } });
}

/** Ends the approvals of this cluster that were not decided in time, each with a line in the audit. */
export async function expireApprovals(ports: Ports): Promise<void> {
  const { approvals } = await ports.store();
  const expired = await approvals.expire(ports.cluster.name, isoNow(ports.clock));
  // Appended together, so that the audit writes all lines with one lock and one sync.
  await Promise.all(expired.map((one) => recordDecision(one, { caller: SERVER, status: 'expired' }, ports)));
}

/** Denies an approval. Only a pending one can be denied. */
export async function denyApproval(
  approval: ApprovalRecord,
  { caller, reason }: { caller: Caller; reason?: string | undefined },
  ports: Ports,
): Promise<ApprovalRecord> {
  checkOpen(approval);
  const { approvals } = await ports.store();
  const decision = { decidedBy: caller.principal, decidedAt: isoNow(ports.clock), ...defined({ note: reason }) };
  const denied = await approvals.move(approval.id, 'pending', 'denied', decision);
  const now = await visibleApproval(approval.id, caller, ports);
  if (!denied) checkOpen(now);
  await recordDecision(now, { caller, status: 'denied' }, ports);
  return now;
}

/** Records a decision in the audit: its caller, its result and the approval method. */
export async function recordDecision(
  approval: ApprovalRecord,
  { caller, status, via }: { caller: Caller; status: string; via?: ApprovalMethod },
  { audit }: Pick<Ports, 'audit'>,
): Promise<void> {
  const { operation, cluster, plan, id, digest, note } = approval;
  const about = { operation, cluster, ...auditCaller(caller), ...auditTarget(plan), approvalId: id, planDigest: digest };
  const how = defined({ decidedVia: via, message: messageOf(status, via, note) });
  await audit.append({ kind: 'decision', ...about, status, ...how }, { durable: true });
}

function messageOf(status: string, via: ApprovalMethod | undefined, note: string | undefined): string | undefined {
  if ((status === 'stale' || status === 'denied') && note !== undefined) return plainText(note, 1000);
  if (via === 'relay') return 'relayed by agent, no human verified';
  return via === 'elicitation' ? ['answered in the client', note].filter(Boolean).join('; ') : undefined;
}
