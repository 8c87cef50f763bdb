import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { Caller } from '../../core/people/caller.ts';
import type { ApprovalMethod, ApprovalRecord } from '../../core/plan/approval.ts';
import { targetsOf } from '../../core/plan/parts.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { plainText } from '../../core/text/text.ts';
import { newId } from '../ids.ts';
import { refuseRevoked } from '../limits/access-token.ts';
import { isoNow, type Ports } from '../ports.ts';
import { argsDigest, auditCaller, auditTarget, planDigest, SERVER } from '../records.ts';
import type { ChangeCall } from '../types.ts';
import { recordDecision } from './decisions.ts';
import { announce } from './notify.ts';

/** Stores a pending approval for a plan, or finds the identical one that is pending already. */
export async function requestApproval(
  call: ChangeCall & { plan: Plan; method: ApprovalMethod; needed: number },
  ports: Ports,
): Promise<ApprovalRecord> {
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  const { args, caller, options } = call;
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
      ...defined({ scope: caller.scope, reason: options.reason }),
      expiresAt: new Date(ports.clock.now() + ports.settings.approval.ttlSeconds * 1000).toISOString(),
    },
    isoNow(ports.clock),
    ports.settings.approval.maxPendingPerPrincipal,
  );
  if (asked === 'full') return refuseFull(caller, ports);
  const { ended = [], ...approval } = asked;
  if (approval.id === id) await store.secrets.keep(id, sealed);
  for (const one of ended) await recordDecision(one, { caller: one.status === 'expired' ? SERVER : caller, status: one.status }, ports);
  const about = { operation: plan.operation, cluster, ...auditCaller(caller), args, ...auditTarget(plan) };
  const line = { kind: 'approval' as const, ...about, approvalId: approval.id, planDigest: approval.digest, status: 'pending' };
  await ports.audit.append(line, { durable: true });
  // Not waited for: a failed announcement must not stop a request.
  if (approval.id === id) await announce(approval, ports);
  return approval;
}

/** @throws too_many_pending, which lists the caller's own pending approvals and only counts those of others about the same guest */
async function refuseFull(caller: Caller, ports: Ports): Promise<never> {
  const store = await ports.store();
  const limit = ports.settings.approval.maxPendingPerPrincipal;
  const whose = { cluster: ports.cluster.name, principal: caller.principal };
  const { approvals, total } = await store.approvals.list({ ...whose, status: 'pending', limit });
  const own = approvals.map((one) => ({ approval_id: one.id, summary: plainText(one.plan.summary, 120), expires_at: one.expiresAt }));
  const listed = own.map((one) => `${one.approval_id} (expires ${one.expires_at})`).join(', ');
  const which = total >= limit ? 'approvals of yours' : 'approvals about this guest';
  fail('too_many_pending', `${limit} ${which} are already pending${own.length > 0 ? `. Yours: ${listed}` : ''}.`, {
    details: { pending: own },
  });
}

/** Records the names of the guests and adds their former ones: renaming a guest before the request must not hide which guest it is. */
async function withFormerNames(plan: Plan, ports: Ports): Promise<Plan> {
  const { name: cluster } = ports.cluster;
  const { guests: seen } = await ports.store();
  const guests = targetsOf(plan);
  const formerNames: string[] = [];
  for (const { key, name, vmid } of guests) {
    if (name !== '') await seen.sawName(cluster, { key, name, vmid }, isoNow(ports.clock));
    const others = (await seen.names(cluster, key)).filter((other) => other !== name);
    formerNames.push(...(guests.length === 1 ? others : others.map((other) => `${other} (now ${name === '' ? vmid : `${name} ${vmid}`})`)));
  }
  return formerNames.length === 0 ? plan : { ...plan, facts: { ...plan.facts, formerNames } };
}
