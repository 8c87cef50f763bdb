import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { Caller } from '../../core/people/caller.ts';
import { sameOwner } from '../../core/people/owner.ts';
import { type Answer, type ApprovalMethod, type ApprovalRecord, type Question, stricter } from '../../core/plan/approval.ts';
import { renderQuestion } from '../../render/approval-text.ts';
import { mustTypeFor } from '../../render/approval-view.ts';
import { evaluatePolicy } from '../limits/policy.ts';
import { isoNow, type Ports } from '../ports.ts';
import { planDigest } from '../records.ts';
import type { ChangeCall } from '../types.ts';
import { recordDecision } from './decisions.ts';
import { requireYes } from './form-answer.ts';
import { hasPassphrase, isApprover } from './passphrase.ts';
import { requesterOf } from './plan-again.ts';

/** Whether this call approves. */
export type Authorisation =
  /** `needed`: number of owners who must approve. `requireBackupWithin`: see PolicyRule. */
  | { kind: 'granted'; via: ApprovalMethod; needed: number; requireBackupWithin?: number }
  /** The transport must ask its human first. */
  | { kind: 'ask'; question: Question }
  /** A human decides in a terminal or the console. */
  | { kind: 'elsewhere' };

/**
 * Checks that this caller may decide, and whether the call fulfils the approval method. The stricter of the frozen and the current method counts,
 * so that another process with another configuration cannot lower it.
 * @throws forbidden_by_policy, approval_mismatch, approval_denied, approval_not_confirmed
 */
export async function authorise(
  approval: ApprovalRecord,
  { caller, options }: Pick<ChangeCall, 'caller' | 'options'>,
  ports: Ports,
): Promise<Authorisation> {
  refuseOwnRequest(approval, caller);
  await refuseForged(approval, caller, ports);
  const decision = await evaluatePolicy(approval.plan, caller, ports, requesterOf(approval));
  const method = stricter(approval.method, decision.method ?? approval.method);
  const via = options.answer ? await answered(options.answer, { approval, method, caller }, ports) : unasked(method, caller);
  if (via === 'elsewhere') return { kind: 'elsewhere' };
  const { requireBackupWithin } = decision;
  if (via !== 'ask')
    return { kind: 'granted', via, needed: Math.max(approval.needed, decision.approvals), ...defined({ requireBackupWithin }) };
  const question: Question = {
    approvalId: approval.id,
    text: renderQuestion(approval),
    mustType: mustTypeFor(approval),
    needsPassphrase: wantsPassphrase(caller, ports),
    method: caller.canAsk.terminal ? 'terminal' : 'elicitation',
  };
  return { kind: 'ask', question };
}

/**
 * The requesting owner does not decide: a remote approver never, the operator of this machine not for their own remote tokens.
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

/** Another program may write the store, so the plan is compared with the digest of the request, which the audit has too. @throws approval_mismatch */
async function refuseForged(approval: ApprovalRecord, caller: Caller, ports: Ports): Promise<void> {
  const digest = planDigest(approval.plan, approval.args, approval.cluster);
  if (digest === approval.digest) return;
  const note = `the stored plan has the digest ${digest}, the request had ${approval.digest}`;
  await (await ports.store()).approvals.move(approval.id, 'pending', 'stale', { note, decidedAt: isoNow(ports.clock) });
  await recordDecision({ ...approval, note }, { caller, status: 'stale' }, ports);
  fail('approval_mismatch', `Approval ${approval.id} does not match its request: ${note}. Nothing was done.`, {
    hint: 'Tell the operator that another program writes to the store of approvals. Then ask again.',
  });
}

/** A human's answer fulfils the method by which it was given; in the operator's own terminal that is `human`. */
async function answered(
  answer: Answer,
  { approval, method, caller }: { approval: ApprovalRecord; method: ApprovalMethod; caller: Caller },
  ports: Ports,
): Promise<ApprovalMethod | 'elsewhere'> {
  await refuseSecondAnswer(answer, ports);
  await requireYes(answer, { approval, caller }, ports);
  if (wantsPassphrase(caller, ports) && !(await isApprover(ports.settings.dataDir, answer.passphrase ?? ''))) {
    fail('approval_not_confirmed', 'Not confirmed. The passphrase is wrong or missing. Nothing was done.');
  }
  const given = answer.via === 'terminal' && caller.isOperator ? 'human' : answer.via;
  return stricter(given, method) === given ? given : 'elsewhere';
}

/** A yes that led to nothing, for example because Proxmox did not answer, must not count again later. @throws approval_not_confirmed */
async function refuseSecondAnswer({ formId, approvalId }: Answer, ports: Ports): Promise<void> {
  if (formId === undefined || (await (await ports.store()).approvals.isFirstAnswer(formId, isoNow(ports.clock)))) return;
  fail('approval_not_confirmed', 'This question was answered before.', {
    hint: `Call approve again without this answer. It tells how approval ${approvalId} stands, or asks again.`,
  });
}

/** A call without a human's answer. */
function unasked(method: ApprovalMethod, { isOperator, canAsk }: Caller): 'relay' | 'ask' | 'elsewhere' {
  if (isOperator) return 'ask';
  if (method === 'relay') return 'relay';
  if (method === 'elicitation' && (canAsk.elicitation || canAsk.terminal)) return 'ask';
  return method === 'terminal' && canAsk.terminal ? 'ask' : 'elsewhere';
}

/** A process of the same user can fake a terminal, but not a passphrase. */
function wantsPassphrase(caller: Caller, ports: Ports): boolean {
  return caller.isOperator && !caller.passphraseVerified && hasPassphrase(ports.settings.dataDir);
}
