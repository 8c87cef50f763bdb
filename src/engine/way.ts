import type { ApprovalMode, Way } from '../core/approval.ts';
import type { Caller } from '../core/caller.ts';
import type { Plan } from '../core/plan.ts';

/**
 * How this plan has to be decided when this caller asks. A request can never lower it: the operator's mode, the kind of caller and the
 * plan alone decide. docs/approvals.md holds the table.
 */
export function wayFor(mode: ApprovalMode, caller: Caller, plan: Pick<Plan, 'effect' | 'target'>): Way {
  if (mode === 'human' || caller.channel === 'http') return 'human';
  if (caller.channel !== 'cli' && caller.channel !== 'stdio' && caller.channel !== 'console') return 'human';
  if (mode === 'relay') return 'relay';
  if (caller.canAsk.terminal) return 'terminal';
  if (plan.effect === 'destroy' && plan.target?.protection === true) return 'human';
  return caller.canAsk.elicitation ? 'elicitation' : 'relay';
}
