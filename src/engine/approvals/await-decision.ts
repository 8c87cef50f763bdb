import type { ApprovalRecord } from '../../core/plan/approval.ts';
import type { Result } from '../../core/result.ts';
import type { Ports } from '../ports.ts';
import { resultOf } from '../runs/answer.ts';
import type { ChangeCall } from '../types.ts';
import { checkOpen, expireApprovals } from './decisions.ts';

const POLL_MS = 300;

/** The human decides in a terminal or the console. A waiting caller gets the outcome without repeating the call. */
export async function waitForDecision(approval: ApprovalRecord, call: Omit<ChangeCall, 'args'>, ports: Ports): Promise<Result> {
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
    } else checkOpen(now);
    const waited = Math.round((ports.clock.now() - began) / 1000);
    if (ports.clock.now() >= deadline || signal?.aborted) return { kind: 'approval_required', approval: now, waited };
    const ended = ports.inFlight.runs.get(now.runId ?? '');
    await Promise.race([ports.clock.sleep(POLL_MS), ...(ended ? [ended] : [])]);
  }
}
