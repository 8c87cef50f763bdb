import { asError, fail } from '../../core/errors/errors.ts';
import type { ApprovalRecord } from '../../core/plan/approval.ts';
import type { Result } from '../../core/result.ts';
import { canonical } from '../../core/text/canonical.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { findOperation } from '../../operations/find.ts';
import type { Ports } from '../ports.ts';
import { answerOf, resultOf } from '../runs/answer.ts';
import { pollRun } from '../runs/tasks/tasks.ts';
import type { ChangeCall } from '../types.ts';
import { visibleApproval } from './decisions.ts';
import { type Redemption, redeem } from './redeem.ts';

/** `approve`: the approval names operation and arguments. A dry-run shows its plan. */
export async function approve(id: string, call: Omit<Redemption, 'operation'>, ports: Ports): Promise<Result> {
  const approval = await visibleApproval(id, call.caller, ports);
  if (call.options.dryRun) return { kind: 'dry_run', plan: approval.plan };
  const operation = await findOperation(approval.operation);
  if (!operation || !('plan' in operation)) fail('internal', `Approval ${id} is for an operation that no longer exists.`);
  const result = await redeemOrJoin(approval, { ...call, operation }, ports);
  if (result.kind !== 'done') return result;
  return { kind: 'done', output: { approval_id: id, status: 'succeeded', operation: operation.name, result: result.output } };
}

/** Repeats the approved call with its approval (`call stop_vm … --approve ID`). */
export async function redeemFor(id: string, call: ChangeCall, ports: Ports): Promise<Result> {
  const approval = await visibleApproval(id, call.caller, ports);
  checkMatches(approval, call.operation.name, call.args);
  return redeem(approval, call, ports);
}

/** @throws approval_mismatch unless the approval is for exactly this call; a mismatch consumes nothing */
export function checkMatches(approval: ApprovalRecord, name: string, args: JsonObject): void {
  if (approval.operation !== name) fail('approval_mismatch', `Approval ${approval.id} is for ${approval.operation}, not for ${name}.`);
  if (canonical(approval.args) !== canonical(args)) {
    fail('approval_mismatch', `Approval ${approval.id} is for ${name} with other arguments.`, {
      details: { approved: approval.args, given: args },
    });
  }
}

/**
 * The requester may repeat `approve`: after a client's timeout the same call answers the state of its run, and nothing is sent again. For any
 * other caller a used approval is an error.
 */
async function redeemOrJoin(approval: ApprovalRecord, call: Redemption, ports: Ports): Promise<Result> {
  const { caller, operation, deadline } = call;
  try {
    return await redeem(approval, call, ports);
  } catch (thrown) {
    if (asError(thrown).code !== 'approval_used' || approval.principal !== caller.principal) throw thrown;
    const { runId } = await visibleApproval(approval.id, caller, ports);
    const run = runId === undefined ? undefined : await (await ports.store()).runs.get(runId);
    if (!run) throw thrown;
    deadline.begin(run);
    if (run.status !== 'executing') return resultOf(run, operation, ports);
    const { wait } = deadline;
    const ended = ports.inFlight.runs.get(run.id) ?? pollRun(run.id, ports, wait === 'end' ? Number.POSITIVE_INFINITY : wait);
    return answerOf({ run, ended }, call, ports);
  }
}
