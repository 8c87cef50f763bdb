import type { Answer, ApprovalRecord, ApprovalStatus, Way } from '../core/approval.ts';
import { stricter } from '../core/approval.ts';
import type { Caller } from '../core/caller.ts';
import { canonical } from '../core/canonical.ts';
import { fail } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Plan } from '../core/plan.ts';
import { mustTypeFor, renderQuestion } from './approval-text.ts';
import { type ChangeCall, makePlan } from './change.ts';
import { newId } from './ids.ts';
import { hasPassphrase, isApprover } from './passphrase.ts';
import { verdictOn } from './policy.ts';
import { isoNow, type Ports } from './ports.ts';
import { argsDigest, auditCaller, auditTarget, planDigest } from './records.ts';
import { seesAllApprovals } from './roles.ts';
import { type InFlight, resultOf, startRun, waitFor } from './runner.ts';
import { differences } from './stale.ts';
import type { Result } from './types.ts';

const POLL_MS = 300;

/** Stores a pending approval for a plan, or finds the identical one that is pending already. */
export async function requestApproval(call: ChangeCall & { plan: Plan; way: Way; needed: number }, ports: Ports): Promise<ApprovalRecord> {
  const [api, store] = await Promise.all([ports.api(), ports.store()]);
  const { args, caller, options } = call;
  const now = isoNow(ports.clock);
  const plan = await withFormerNames(call.plan, ports);
  const id = newId('apr');
  await store.secrets.keep(
    id,
    ports.vault.idsIn(plan).map((secret) => ports.vault.seal(secret)),
  );
  const approval = await store.approvals.request(
    {
      id,
      cluster: api.cluster,
      ...auditCaller(caller),
      operation: plan.operation,
      args,
      argsDigest: argsDigest(plan.operation, args),
      plan,
      digest: planDigest(plan, args, api.cluster),
      effect: plan.effect,
      way: call.way,
      needed: call.needed,
      ...(options.reason === undefined ? {} : { reason: options.reason }),
      expiresAt: new Date(ports.clock.now() + ports.settings.approval.ttlSeconds * 1000).toISOString(),
    },
    now,
    ports.settings.approval.maxPendingPerPrincipal,
  );
  if (approval === 'full' || approval.id !== id) await store.secrets.erase(id);
  if (approval === 'full') {
    fail('too_many_pending', `${ports.settings.approval.maxPendingPerPrincipal} approvals of yours wait for a decision already.`);
  }
  await ports.audit.append(
    {
      kind: 'approval',
      operation: plan.operation,
      ...auditCaller(caller),
      args,
      ...auditTarget(plan),
      approvalId: approval.id,
      planDigest: approval.digest,
      status: 'pending',
    },
    { durable: true },
  );
  // Not waited for: an announcement that cannot be made must not keep anybody from asking.
  if (approval.id === id) void ports.notify?.(approval);
  return approval;
}

/** Remembers the name of the guest and adds the others it was seen under: renaming before asking must not hide what it was. */
async function withFormerNames(plan: Plan, ports: Ports): Promise<Plan> {
  const { target } = plan;
  if (!target) return plan;
  const [{ cluster }, store] = await Promise.all([ports.api(), ports.store()]);
  if (target.name !== '') await store.leases.sawName(cluster, target.key, target.name, isoNow(ports.clock));
  const formerNames = (await store.leases.names(cluster, target.key)).filter((name) => name !== target.name);
  return formerNames.length === 0 ? plan : { ...plan, facts: { ...plan.facts, formerNames } };
}

/** The approval, if this caller may know of it: their own, or any of them for the operator. */
export async function visibleApproval(id: string, caller: Caller, ports: Ports): Promise<ApprovalRecord> {
  const [{ cluster }, store] = await Promise.all([ports.api(), ports.store()]);
  await store.approvals.expire(isoNow(ports.clock));
  const approval = await store.approvals.get(id);
  if (!approval || (approval.principal !== caller.principal && !seesAllApprovals(caller)))
    fail('approval_unknown', `There is no approval ${id} of yours.`);
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

/**
 * Decides yes and carries the plan out; or asks the human, or waits for them, as the approval's way demands.
 * The stricter of the frozen and the current way counts, so another process with another configuration cannot lower it.
 */
export async function redeem(approval: ApprovalRecord, call: Omit<ChangeCall, 'args'>, ports: Ports, inFlight: InFlight): Promise<Result> {
  checkOpen(approval);
  const { caller, options, operation } = call;
  refuseOwnRequest(approval, caller);
  const verdict = await verdictOn(approval.plan, caller, ports);
  const way = stricter(approval.way, verdict.way ?? approval.way);
  const mustType = mustTypeFor(approval);
  const via = await decided(way, caller, options.answer, approval, mustType, ports);
  if (via === 'ask') {
    const ask = { approvalId: approval.id, text: renderQuestion(approval), mustType, needsPassphrase: wantsPassphrase(caller, ports) };
    return { kind: 'question', approval, question: { ...ask, way: caller.canAsk.terminal ? 'terminal' : 'elicitation' } };
  }
  if (via === 'elsewhere') return waitForDecision(approval, call, ports, inFlight);
  if (via === 'human' && approval.channel === 'http' && caller.owner === approval.owner) {
    fail('forbidden_by_policy', 'Whoever asked cannot decide: another owner has to.');
  }

  const plan = await makePlan({ operation, args: approval.args, options }, ports, {});
  const digest = planDigest(plan, approval.args, approval.cluster);
  if (digest !== approval.digest || plan.existing) {
    const changed = differences(approval.plan, plan);
    const moved = await (await ports.store()).approvals.move(approval.id, 'pending', 'stale', {
      note: changed.join('; '),
      decidedAt: isoNow(ports.clock),
    });
    // Not pending any more: another call was faster, and what differs is its doing.
    if (!moved) checkOpen(await visibleApproval(approval.id, caller, ports));
    await recordDecision(approval, caller, ports, 'stale');
    fail('approval_stale', `Not done: ${approval.plan.summary}. Since it was asked for: ${changed.join('; ')}.`, {
      details: { differences: changed },
    });
  }
  const needed = Math.max(approval.needed, verdict.approvals);
  if (needed > 1) {
    const agreedBy = await (await ports.store()).approvals.agree(approval.id, {
      owner: caller.owner,
      principal: caller.principal,
      via,
      now: isoNow(ports.clock),
    });
    await recordDecision(approval, caller, ports, `agreed ${agreedBy.length} of ${needed}`, via);
    if (agreedBy.length < needed) return { kind: 'approval_required', approval: { ...approval, needed, agreedBy } };
  }
  const started = await startRun(
    {
      operation,
      plan: approval.plan,
      args: approval.args,
      caller,
      decision: { approvalId: approval.id, decidedBy: caller.principal, decidedVia: via },
      onDecided: () => recordDecision(approval, caller, ports, 'approved', via),
      requester: approval.principal,
      ...(options.onProgress ? { onProgress: options.onProgress } : {}),
    },
    ports,
    inFlight,
  );
  if (!started) {
    checkOpen(await visibleApproval(approval.id, caller, ports));
    fail('approval_used', `Approval ${approval.id} was used by another call.`);
  }
  return resultOf(await waitFor(started.run, started.ended, options, ports), operation, ports);
}

/** A remote approver says yes to what others ask for: two tokens of one owner are one person. Whoever owns the machine is not bound by it. */
function refuseOwnRequest(approval: ApprovalRecord, caller: Caller): void {
  if (caller.role !== 'approver' || caller.owner !== approval.owner) return;
  fail('forbidden_by_policy', `You (${caller.owner}) asked for approval ${approval.id} yourself; somebody else has to decide.`, {
    hint: 'Ask another approver, or decide it in a terminal on the server.',
  });
}

/** Which way of deciding this call fulfils; `ask`: the face has to ask its human first; `elsewhere`: only out of band. */
async function decided(
  way: Way,
  caller: Caller,
  answer: Answer | undefined,
  approval: ApprovalRecord,
  mustType: string,
  ports: Ports,
): Promise<Way | 'ask' | 'elsewhere'> {
  if (answer) {
    if (answer.approvalId !== approval.id || answer.typed.trim() !== mustType) {
      fail('approval_not_confirmed', `Not confirmed: "${mustType}" was not typed. Nothing was done.`);
    }
    if (wantsPassphrase(caller, ports) && !(await isApprover(ports.settings.dataDir, answer.passphrase ?? ''))) {
      fail('approval_not_confirmed', 'Not confirmed: the passphrase is wrong or missing. Nothing was done.');
    }
    const given = answer.via === 'terminal' && caller.isOperator ? 'human' : answer.via;
    return stricter(given, way) === given ? given : 'elsewhere';
  }
  if (caller.isOperator) return 'ask';
  if (way === 'relay') return 'relay';
  if (way === 'elicitation' && (caller.canAsk.elicitation || caller.canAsk.terminal)) return 'ask';
  if (way === 'terminal' && caller.canAsk.terminal) return 'ask';
  return 'elsewhere';
}

/** A terminal alone can be faked by whoever runs as the same user; what they know cannot. */
function wantsPassphrase(caller: Caller, ports: Ports): boolean {
  return caller.isOperator && !caller.passphraseVerified && hasPassphrase(ports.settings.dataDir);
}

/** The human decides out of band; whoever waits gets the outcome, and nobody has to repeat anything to learn it. */
async function waitForDecision(
  approval: ApprovalRecord,
  call: Omit<ChangeCall, 'args'>,
  ports: Ports,
  inFlight: InFlight,
): Promise<Result> {
  const store = await ports.store();
  const { signal } = call.options;
  const wait = call.options.waitForHuman ?? call.options.wait ?? 0;
  const deadline = wait === 'end' ? Number.POSITIVE_INFINITY : ports.clock.now() + wait * 1000;
  for (;;) {
    await store.approvals.expire(isoNow(ports.clock));
    const now = (await store.approvals.get(approval.id)) ?? approval;
    if (now.runId !== undefined) {
      const run = await store.runs.get(now.runId);
      if (run && (run.status !== 'executing' || ports.clock.now() >= deadline)) return resultOf(run, call.operation, ports);
    } else if (now.status !== 'pending') checkOpen(now);
    if (ports.clock.now() >= deadline || signal?.aborted) return { kind: 'approval_required', approval: now };
    await (now.runId === undefined
      ? ports.clock.sleep(POLL_MS)
      : Promise.race([inFlight.get(now.runId) ?? ports.clock.sleep(POLL_MS), ports.clock.sleep(POLL_MS)]));
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
    ...(reason === undefined ? {} : { note: reason }),
  });
  const now = await visibleApproval(approval.id, caller, ports);
  if (!denied) checkOpen(now);
  await store.secrets.erase(approval.id);
  await recordDecision(now, caller, ports, 'denied');
  return now;
}

async function recordDecision(approval: ApprovalRecord, caller: Caller, ports: Ports, status: string, via?: Way): Promise<void> {
  await ports.audit.append(
    {
      kind: 'decision',
      operation: approval.operation,
      ...auditCaller(caller),
      ...auditTarget(approval.plan),
      approvalId: approval.id,
      planDigest: approval.digest,
      status,
      ...(via ? { decidedVia: via } : {}),
      ...(via === 'relay' ? { message: 'relayed by agent, no human verified' } : {}),
    },
    { durable: true },
  );
}

/** @throws what explains why the approval can no longer be decided */
function checkOpen(approval: ApprovalRecord): void {
  const refusals: Partial<Record<ApprovalStatus, () => never>> = {
    denied: () => fail('approval_denied', `Approval ${approval.id} was denied${approval.note ? `: ${approval.note}` : ''}.`),
    expired: () => fail('approval_expired', `Approval ${approval.id} expired at ${approval.expiresAt}.`),
    stale: () => fail('approval_stale', `Approval ${approval.id} is stale${approval.note ? `: ${approval.note}` : ''}.`),
  };
  if (approval.status === 'pending') return;
  refusals[approval.status]?.();
  fail('approval_used', `Approval ${approval.id} was used already; it is ${approval.status}.`, {
    details: { status: approval.status, ...(approval.runId ? { run_id: approval.runId } : {}) },
  });
}
