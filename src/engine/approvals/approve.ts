import type { ApprovalRecord } from '../../core/approval.ts';
import { asError } from '../../core/errors.ts';
import type { Result } from '../../core/result.ts';
import type { Ports } from '../ports.ts';
import { resultOf, waitFor } from '../runs/answer.ts';
import { pollRun } from '../runs/tasks.ts';
import type { ChangeCall } from '../types.ts';
import { redeem } from './redeem.ts';
import { visibleApproval } from './requests.ts';

/**
 * `approve`, which its requester may repeat: after a client's timeout the same yes is told how its run goes, and nothing is sent again. For
 * any other caller an approval that was used is an error.
 */
export async function approveOrJoin(approval: ApprovalRecord, call: Omit<ChangeCall, 'args'>, ports: Ports): Promise<Result> {
  const { caller, options, operation } = call;
  try {
    return await redeem(approval, call, ports);
  } catch (thrown) {
    if (asError(thrown).code !== 'approval_used' || approval.principal !== caller.principal) throw thrown;
    const { runId } = await visibleApproval(approval.id, caller, ports);
    const run = runId === undefined ? undefined : await (await ports.store()).runs.get(runId);
    if (!run) throw thrown;
    call.deadline.begin(run);
    const { wait } = call.deadline;
    const ended = ports.inFlight.runs.get(run.id) ?? pollRun(run.id, ports, wait === 'end' ? Number.POSITIVE_INFINITY : wait);
    return resultOf(run.status === 'executing' ? await waitFor(run, ended, { ...options, wait }, ports) : run, operation, ports);
  }
}
