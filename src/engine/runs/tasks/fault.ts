import { defined } from '../../../core/defined.ts';
import { ProxmoxMcpError } from '../../../core/errors/errors.ts';
import { partOf } from '../../../core/plan/parts.ts';
import type { Plan, RequestStep } from '../../../core/plan/plan.ts';
import type { StepRecord } from '../../../core/plan/run.ts';
import { plainText } from '../../../core/text/text.ts';
import { denialOf } from '../../../proxmox/answers/errors.ts';
import { meaningOf } from '../../../proxmox/answers/refusals.ts';

/** The error for a step whose task failed. Proxmox checks some rights only in the task: that is a missing privilege like any other. */
export function taskFault(step: RequestStep, record: StepRecord, plan: Plan, tokenId: string): ProxmoxMcpError {
  const { upid = '', exit = '', log = [] } = record;
  const details = { step: step.id, upid, exit, log };
  if (meaningOf(exit)?.code === 'permission_denied') {
    const part = step.lane === undefined ? plan : partOf(plan, step.lane);
    const denial = denialOf(exit, { tokenId, ...guestBeingMade(part) }, details);
    return new ProxmoxMcpError(denial.code, `${step.purpose}: ${denial.message}`, {
      ...defined({ hint: denial.hint, details: denial.details }),
    });
  }
  return new ProxmoxMcpError('task_failed', `${step.purpose} failed. Proxmox's task ended with: ${plainText(exit, 500)}`, {
    ...defined({ hint: step.onFailure }),
    details,
  });
}

function guestBeingMade({ demand, steps }: Plan): { newVmid?: string; pool?: string } {
  if (demand?.newGuests !== 1 || demand.vmid === undefined) return {};
  const [pool] = steps.flatMap((step) => (step.kind === 'request' && typeof step.params.pool === 'string' ? [step.params.pool] : []));
  return { newVmid: String(demand.vmid), ...defined({ pool }) };
}
