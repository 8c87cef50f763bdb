import { fail } from '../../core/errors/errors.ts';
import type { Caller } from '../../core/people/caller.ts';
import type { Settings } from '../../core/settings/settings.ts';
import { availableIn, changesNothing, roleAllows } from '../../operations/available.ts';
import type { Operation } from '../../operations/define.ts';

type Offering = Pick<Settings, 'readOnly' | 'toolsets'>;

/** Checked again at the entry point: a tool that is not offered cannot be called. @throws forbidden_by_policy */
export async function checkAvailable(operation: Operation, settings: Offering): Promise<void> {
  if (await isOffered(operation, settings)) return;
  const { name, toolset } = operation;
  if (settings.readOnly && !changesNothing(operation))
    fail('forbidden_by_policy', `This server is read-only, so ${name} is not available.`);
  fail('forbidden_by_policy', `${name} belongs to the toolset ${toolset}, which this server does not offer.`, {
    hint: `Ask the operator to add it with PROXMOX_TOOLSETS=${[...settings.toolsets, toolset].join(',')}.`,
  });
}

async function isOffered(operation: Operation, settings: Offering): Promise<boolean> {
  // A control operation of another toolset is there with every change, so all operations count for it.
  const needsAll = operation.effect === 'control' && !settings.toolsets.includes(operation.toolset);
  const all = needsAll ? (await import('../../operations/index.ts')).operations : [operation];
  return availableIn(all, settings).includes(operation);
}

/** Checked again at the entry point, because the transport lists the tools long before the call. @throws forbidden_by_policy */
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
