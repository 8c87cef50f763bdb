import type { Caller, Role } from '../../core/caller.ts';
import { fail } from '../../core/errors.ts';
import type { Operation } from '../../operations/define.ts';

/** Whether an operation exists for callers of this role. Deciding is for nobody who comes with a role: an approver does it in the console. */
export function roleAllows(role: Role | undefined, operation: Operation): boolean {
  if (role === undefined || role === 'operator') return true;
  return operation.effect === 'read' || (operation.effect === 'control' && !operation.decides);
}

/** Lists are made by the face, long before the call; so it is asked again at the door. @throws forbidden_by_policy */
export function checkRole(caller: Caller, operation: Operation): void {
  if (caller.channel === 'console' && caller.isOperator && operation.effect === 'control') return;
  if (roleAllows(caller.role, operation)) return;
  fail('forbidden_by_policy', `The role ${caller.role} does not include ${operation.name}.`, {
    hint: 'Tell the user. The operator of this server can issue a token with another role.',
  });
}

/** Whether a caller sees the approvals of others. */
export function seesAllApprovals(caller: Caller): boolean {
  return caller.isOperator || caller.role === 'approver';
}
