import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { distinctOwners } from '../../core/people/owner.ts';
import type { ApprovalRecord } from '../../core/plan/approval.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Result } from '../../core/result.ts';
import { traced } from '../../core/trace.ts';
import { withScope } from '../limits/access-token.ts';
import { checkBackup } from '../limits/guards.ts';
import { type Hold, holdingReservation } from '../limits/hold.ts';
import { checkRights } from '../limits/plan-rights.ts';
import { checkQuota, reserve } from '../limits/reserve.ts';
import { isoNow, type Ports } from '../ports.ts';
import { runHeld } from '../runs/answer.ts';
import type { ChangeCall } from '../types.ts';
import { approvalWait } from './approval-wait.ts';
import { type Authorisation, authorise } from './authorise.ts';
import { waitForDecision } from './await-decision.ts';
import { checkOpen, recordDecision, visibleApproval } from './decisions.ts';
import { swiftly } from './form-answer.ts';
import { planAgain } from './plan-again.ts';

/** A call that approves; `operation` is the approved one. */
export type Redemption = Omit<ChangeCall, 'args'>;

/** An approval that this call grants. */
interface Granted extends Pick<Extract<Authorisation, { kind: 'granted' }>, 'via' | 'needed'> {
  approval: ApprovalRecord;
  call: Redemption;
  hold: Hold;
}

/** Approves and executes the plan, or asks the human, or waits for them, as the approval method demands. */
export async function redeem(asked: ApprovalRecord, call: Redemption, ports: Ports): Promise<Result> {
  checkOpen(asked);
  const approval = await withScope(asked, ports);
  const decision = await authorise(approval, call, ports);
  if (decision.kind === 'ask') return { kind: 'question', approval, question: decision.question };
  if (decision.kind === 'elsewhere') return traced(approvalWait(approval), () => waitForDecision(approval, call, ports));
  return holdingReservation(ports, async (hold) => {
    const plan = await planAgain(approval, call, hold, ports);
    await checkBackup(plan, decision, ports);
    await checkLimits(plan, hold, ports);
    const granted = { approval, ...decision, call, hold };
    return (await othersMissing(granted, ports)) ?? start(granted, ports);
  });
}

/** The same limits as for a request. @throws quota_exceeded, storage_unavailable, permission_denied */
async function checkLimits(plan: Plan, hold: Hold, ports: Ports): Promise<void> {
  await reserve(plan, hold, ports);
  await checkQuota(plan, ports, hold.mine);
  await checkRights(plan, ports.cluster.api);
}

/** Records this approval where several owners must approve; undefined once all have. */
async function othersMissing({ approval, via, needed, call }: Granted, ports: Ports): Promise<Result | undefined> {
  if (needed <= 1) return undefined;
  const { caller } = call;
  const yes = { owner: caller.owner, principal: caller.principal, via, now: isoNow(ports.clock) };
  const agreedBy = distinctOwners(await (await ports.store()).approvals.agree(approval.id, yes));
  await recordDecision(approval, { caller, status: `agreed ${agreedBy.length} of ${needed}`, via }, ports);
  return agreedBy.length < needed ? { kind: 'approval_required', approval: { ...approval, needed, agreedBy } } : undefined;
}

/** Executes the approved plan, for its requester. @throws approval_used when another call was faster */
async function start({ approval, via, call, hold }: Granted, ports: Ports): Promise<Result> {
  const { caller, options } = call;
  const { id, plan, args, principal } = approval;
  const note = options.answer && swiftly(options.answer);
  const result = await runHeld(
    {
      ...call,
      plan,
      args,
      requester: principal,
      decision: { approvalId: id, decidedBy: caller.principal, decidedVia: via, ...defined({ note }) },
      onDecided: () => recordDecision({ ...approval, ...defined({ note }) }, { caller, status: 'approved', via }, ports),
    },
    hold,
    ports,
  );
  if (result) return result;
  checkOpen(await visibleApproval(id, caller, ports));
  fail('approval_used', `Approval ${id} was used by another call.`);
}
