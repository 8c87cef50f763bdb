import type { Caller } from '../../core/people/caller.ts';
import type { ApprovalMethod } from '../../core/plan/approval.ts';
import { targetsOf } from '../../core/plan/parts.ts';
import { isGuarded, type Plan } from '../../core/plan/plan.ts';
import type { ApprovalMode } from '../../core/settings/settings.ts';

/**
 * The approval method of this plan for this caller. It depends on the operator's mode, the channel of the caller and the plan alone, so no request
 * can lower it. For a remote caller `canAsk` is set only where the operator trusts its client to ask. docs/approvals.md holds the table.
 */
export function methodFor(mode: ApprovalMode, caller: Caller, plan: Touched): ApprovalMethod {
  if (mode === 'human') return 'human';
  if (caller.channel === 'http') return caller.canAsk.elicitation && !isProtected(plan) ? 'elicitation' : 'human';
  if (caller.channel !== 'cli' && caller.channel !== 'stdio' && caller.channel !== 'console') return 'human';
  if (mode === 'relay') return 'relay';
  if (caller.canAsk.terminal) return 'terminal';
  if (isProtected(plan)) return 'human';
  return caller.canAsk.elicitation ? 'elicitation' : 'relay';
}

type Touched = Pick<Plan, 'effect' | 'target' | 'targets' | 'sources' | 'becomes'>;

/** Protection guards a guest against what destroys it, and its data against being copied into another guest. */
function isProtected(plan: Touched): boolean {
  if (plan.sources?.some(isGuarded)) return true;
  return plan.effect === 'destroy' && (plan.becomes?.protection === true || targetsOf(plan).some((guest) => guest.protection));
}
