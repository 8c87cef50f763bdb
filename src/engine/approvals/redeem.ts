import type { Answer, ApprovalMethod, ApprovalRecord } from '../../core/approval.ts';
import { stricter } from '../../core/approval.ts';
import type { Caller } from '../../core/caller.ts';
import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors.ts';
import { distinctOwners, sameOwner } from '../../core/owner.ts';
import { type Plan, targetsOf } from '../../core/plan.ts';
import type { Result } from '../../core/result.ts';
import { listGuests } from '../../proxmox/guests.ts';
import { renderQuestion } from '../../render/approval-text.ts';
import { mustTypeFor } from '../../render/must-type.ts';
import type { Reservation } from '../../store/reservations.ts';
import { withScope } from '../limits/access-token.ts';
import { placedNow } from '../limits/placed.ts';
import { checkRights } from '../limits/plan-rights.ts';
import { evaluatePolicy } from '../limits/policy.ts';
import { giveBack, isLeft, reserveGuest } from '../limits/reservations.ts';
import { checkQuota, reserve } from '../limits/reserve.ts';
import { describe, planOutOfScope } from '../limits/scope.ts';
import { makePlan } from '../make-plan.ts';
import { isoNow, type Ports } from '../ports.ts';
import { planDigest } from '../records.ts';
import { answerOf, resultOf } from '../runs/answer.ts';
import { startRun } from '../runs/runner.ts';
import type { ChangeCall } from '../types.ts';
import { requireYes, swiftly } from './form-answer.ts';
import { hasPassphrase, isApprover } from './passphrase.ts';
import { checkOpen, expireApprovals, recordDecision, visibleApproval } from './requests.ts';
import { differences } from './stale.ts';

const POLL_MS = 300;

/**
 * Decides yes and carries the plan out; or asks the human, or waits for them, as the approval method demands.
 * The stricter of the frozen and the current method counts, so another process with another configuration cannot lower it.
 */
export async function redeem(asked: ApprovalRecord, call: Omit<ChangeCall, 'args'>, ports: Ports): Promise<Result> {
  checkOpen(asked);
  const approval = await withScope(asked, ports);
  const { caller, options, operation } = call;
  refuseOwnRequest(approval, caller);
  await refuseForged(approval, caller, ports);
  const decision = await evaluatePolicy(approval.plan, caller, ports, requesterOf(approval));
  const method = stricter(approval.method, decision.method ?? approval.method);
  const mustType = mustTypeFor(approval);
  const via = await decided(method, caller, options.answer, approval, mustType, ports);
  if (via === 'ask') {
    const ask = { approvalId: approval.id, text: renderQuestion(approval), mustType, needsPassphrase: wantsPassphrase(caller, ports) };
    return { kind: 'question', approval, question: { ...ask, method: caller.canAsk.terminal ? 'terminal' : 'elicitation' } };
  }
  if (via === 'elsewhere') return waitForDecision(approval, call, ports);

  let mine: Reservation | undefined;
  let handedOver = false;
  try {
    mine = await reserveAgain(approval, operation, ports);
    const vmid = approval.plan.demand?.vmid;
    const othersMakeIt = mine === undefined && operation.reserves !== undefined && approval.plan.demand?.newGuests === 1;
    const reserved = mine ? { mine } : othersMakeIt && vmid !== undefined ? { reservedVmid: vmid } : {};
    const left = await whatLeftScope(approval, ports);
    if (left.length > 0) return await becomeStale(approval, left, caller, ports);
    const planned = await makePlan({ operation, args: approval.args, options, caller: requesterOf(approval) }, ports, reserved);
    const plan = await withPlaced(planned, approval.plan, ports);
    const changed = await whatChanged(approval, plan, ports);
    if (changed.length > 0) return await becomeStale(approval, changed, caller, ports);
    if (othersMakeIt) {
      checkOpen(await visibleApproval(approval.id, caller, ports));
      fail('conflict', `Another call is creating ${approval.plan.after?.name ?? 'the same guest'} or VMID ${vmid} right now.`, {
        hint: 'Check list_vms, then decide again. The approval is still pending.',
      });
    }
    mine = await reserve(plan, ports, mine);
    await checkQuota(plan, ports, mine);
    await checkRights(plan, ports.cluster.api);
    const needed = Math.max(approval.needed, decision.approvals);
    if (needed > 1) {
      const yes = { owner: caller.owner, principal: caller.principal, via, now: isoNow(ports.clock) };
      const agreedBy = distinctOwners(await (await ports.store()).approvals.agree(approval.id, yes));
      await recordDecision(approval, caller, ports, `agreed ${agreedBy.length} of ${needed}`, via);
      if (agreedBy.length < needed) return { kind: 'approval_required', approval: { ...approval, needed, agreedBy } };
    }
    const note = options.answer && swiftly(options.answer);
    const started = await startRun(
      {
        operation,
        plan: approval.plan,
        args: approval.args,
        caller,
        decision: { approvalId: approval.id, decidedBy: caller.principal, decidedVia: via, ...defined({ note }) },
        onDecided: () => recordDecision({ ...approval, ...defined({ note }) }, caller, ports, 'approved', via),
        requester: approval.principal,
        ...(mine ? { reservation: mine } : {}),
        ...(options.onProgress ? { onProgress: options.onProgress } : {}),
        signal: options.signal,
        deadline: call.deadline,
      },
      ports,
    );
    if (!started) {
      checkOpen(await visibleApproval(approval.id, caller, ports));
      fail('approval_used', `Approval ${approval.id} was used by another call.`);
    }
    handedOver = true;
    return await answerOf(started, call, ports);
  } finally {
    if (mine && !handedOver) await giveBack(mine.id, ports);
  }
}

/** Reserves the requested guest again, under the VMID that was shown; undefined when the plan creates none, or another call has reserved it. */
async function reserveAgain(approval: ApprovalRecord, operation: ChangeCall['operation'], ports: Ports): Promise<Reservation | undefined> {
  const { vmid, newGuests } = approval.plan.demand ?? {};
  if (!operation.reserves || vmid === undefined || newGuests !== 1) return undefined;
  const request = { ...operation.reserves(approval.args), vmid };
  const taken = await reserveGuest(request, ports, new Set());
  if (taken.kind === 'mine') return taken.reservation;
  const { id, state, runId, worker } = taken.reservation;
  if (state !== 'held' || runId !== undefined || !isLeft(taken.reservation, ports)) return undefined;
  await (await ports.store()).reservations.releaseOrphan(id, worker);
  const again = await reserveGuest(request, ports, new Set());
  return again.kind === 'mine' ? again.reservation : undefined;
}

const requesterOf = ({ principal, scope }: ApprovalRecord) => ({ principal, ...(scope ? { scope } : {}) });

/** The requester's limits hold at the decision: what an operator took out of them since is not theirs any more. */
async function whatLeftScope({ plan, scope }: ApprovalRecord, ports: Ports): Promise<string[]> {
  if (scope === undefined) return [];
  const rows = await listGuests(ports.cluster.api);
  // A guest that is gone left no scope; planning says what it is.
  if (!targetsOf(plan).every(({ vmid }) => rows.some((row) => row.vmid === vmid))) return [];
  const reason = planOutOfScope(plan, rows, scope);
  return reason === undefined ? [] : [`the requester is limited to ${describe(scope)}, and ${reason}`];
}

/** The pools and tags that were evaluated, as they are now. */
async function withPlaced(plan: Plan, { placed }: Plan, ports: Ports): Promise<Plan> {
  return placed === undefined ? plan : { ...plan, placed: placedNow(placed, await listGuests(ports.cluster.api)) };
}

/** Why the plan made now is not the one that was read; empty when it is. */
async function whatChanged(approval: ApprovalRecord, plan: Plan, ports: Ports): Promise<string[]> {
  if (planDigest(plan, approval.args, approval.cluster) !== approval.digest || plan.existing) return differences(approval.plan, plan);
  const { demand, node = '' } = approval.plan;
  if (demand?.newGuests !== 1) return [];
  const free = await ports.cluster.api.holds({ kind: 'guest', type: 'qemu', vmid: demand.vmid, node, is: 'absent' });
  return free === false ? [`VMID ${demand.vmid} belongs to another guest now`] : [];
}

async function becomeStale(approval: ApprovalRecord, changed: string[], caller: Caller, ports: Ports): Promise<never> {
  const set = { note: changed.join('; '), decidedAt: isoNow(ports.clock) };
  const moved = await (await ports.store()).approvals.move(approval.id, 'pending', 'stale', set);
  // Not pending any more: another call was faster, and what differs is its doing.
  if (!moved) checkOpen(await visibleApproval(approval.id, caller, ports));
  await recordDecision({ ...approval, note: set.note }, caller, ports, 'stale');
  fail('approval_stale', `Not done: ${approval.plan.summary}. Since it was asked for: ${changed.join('; ')}.`, {
    details: { differences: changed },
  });
}

/**
 * The owner who asks does not decide: a remote approver never, the operator of this machine not about what a remote token of theirs asks for.
 * The user of an agent on this machine decides its requests in a terminal or the local console.
 */
function refuseOwnRequest(approval: ApprovalRecord, caller: Caller): void {
  const mayNotBoth = caller.role === 'approver' || (caller.isOperator && approval.channel === 'http');
  if (!mayNotBoth || !sameOwner(caller.owner, approval.owner)) return;
  fail('forbidden_by_policy', `You (${caller.owner}) own the request for approval ${approval.id}. Another owner must decide it.`, {
    hint:
      approval.channel === 'http'
        ? 'Ask an approver with another owner. `tokens add --owner` gives an agent an owner of its own.'
        : 'Decide it in a terminal or the local console of that machine, or ask an approver with another owner.',
  });
}

/** Only the requested plan is executed: others may be able to write the store, but the digest went to the audit with the request. */
async function refuseForged(approval: ApprovalRecord, caller: Caller, ports: Ports): Promise<void> {
  const digest = planDigest(approval.plan, approval.args, approval.cluster);
  if (digest === approval.digest) return;
  const note = `the stored plan has the digest ${digest}, the request had ${approval.digest}`;
  await (await ports.store()).approvals.move(approval.id, 'pending', 'stale', { note, decidedAt: isoNow(ports.clock) });
  await recordDecision({ ...approval, note }, caller, ports, 'stale');
  fail('approval_mismatch', `Approval ${approval.id} does not match its request: ${note}. Nothing was done.`, {
    hint: 'Tell the operator that another program writes to the store of approvals. Then ask again.',
  });
}

/** The approval method that this call fulfils; `ask`: the transport must ask its human first; `elsewhere`: only out of band. */
async function decided(
  method: ApprovalMethod,
  caller: Caller,
  answer: Answer | undefined,
  approval: ApprovalRecord,
  mustType: string,
  ports: Ports,
): Promise<ApprovalMethod | 'ask' | 'elsewhere'> {
  if (answer) {
    await requireYes(answer, approval, mustType, caller, ports);
    if (wantsPassphrase(caller, ports) && !(await isApprover(ports.settings.dataDir, answer.passphrase ?? ''))) {
      fail('approval_not_confirmed', 'Not confirmed. The passphrase is wrong or missing. Nothing was done.');
    }
    const given = answer.via === 'terminal' && caller.isOperator ? 'human' : answer.via;
    return stricter(given, method) === given ? given : 'elsewhere';
  }
  if (caller.isOperator) return 'ask';
  if (method === 'relay') return 'relay';
  if (method === 'elicitation' && (caller.canAsk.elicitation || caller.canAsk.terminal)) return 'ask';
  if (method === 'terminal' && caller.canAsk.terminal) return 'ask';
  return 'elsewhere';
}

/** A process of the same user can fake a terminal, but not a passphrase. */
function wantsPassphrase(caller: Caller, ports: Ports): boolean {
  return caller.isOperator && !caller.passphraseVerified && hasPassphrase(ports.settings.dataDir);
}

/** The human decides out of band. A waiting caller gets the outcome without repeating the call. */
async function waitForDecision(approval: ApprovalRecord, call: Omit<ChangeCall, 'args'>, ports: Ports): Promise<Result> {
  const store = await ports.store();
  const { signal } = call.options;
  const wait = call.options.waitForHuman ?? call.options.wait ?? 0;
  const began = ports.clock.now();
  const deadline = wait === 'end' ? Number.POSITIVE_INFINITY : Math.min(began + wait * 1000, call.deadline.at);
  call.deadline.otherwise(() => ({ kind: 'approval_required', approval, waited: Math.round((ports.clock.now() - began) / 1000) }));
  for (;;) {
    await expireApprovals(ports);
    const now = (await store.approvals.get(approval.id)) ?? approval;
    if (now.runId !== undefined) {
      const run = await store.runs.get(now.runId);
      if (run && (run.status !== 'executing' || ports.clock.now() >= deadline)) return resultOf(run, call.operation, ports);
    } else if (now.status !== 'pending') checkOpen(now);
    const waited = Math.round((ports.clock.now() - began) / 1000);
    if (ports.clock.now() >= deadline || signal?.aborted) return { kind: 'approval_required', approval: now, waited };
    await (now.runId === undefined
      ? ports.clock.sleep(POLL_MS)
      : Promise.race([ports.inFlight.runs.get(now.runId) ?? ports.clock.sleep(POLL_MS), ports.clock.sleep(POLL_MS)]));
  }
}
