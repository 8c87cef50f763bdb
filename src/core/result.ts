import { defined } from './defined.ts';
import type { ApprovalRecord, Question } from './plan/approval.ts';
import type { Plan } from './plan/plan.ts';
import type { RunRecord } from './plan/run.ts';
import type { JsonObject } from './text/json.ts';

/** The result of the entry point. Refusals and failures are thrown as errors of the catalogue. */
export type Result =
  | { kind: 'done'; output: JsonObject }
  | { kind: 'dry_run'; plan: Plan; requests?: string[] }
  /** `waited`: seconds spent on a human who decides elsewhere; the caller knows the plan by then. */
  | { kind: 'approval_required'; approval: ApprovalRecord; waited?: number }
  /** The transport must ask its human and call again with the answer; only for callers whose transport said that it can. */
  | { kind: 'question'; question: Question; approval: ApprovalRecord }
  /** `differs`: the run is of another call, which creates the same guest with other arguments. */
  | { kind: 'running'; run: RunRecord; upid?: string; differs?: true };

/** A run that continues. */
export function runningResult(run: RunRecord): Result {
  const upid = run.steps.findLast((s) => s.upid !== undefined)?.upid;
  return { kind: 'running', run, ...defined({ upid }) };
}
