import { defined } from '../../../core/defined.ts';
import { ProxmoxMcpError } from '../../../core/errors/errors.ts';
import { partOf, requestsOf } from '../../../core/plan/parts.ts';
import type { Plan, RequestStep } from '../../../core/plan/plan.ts';
import type { StepRecord } from '../../../core/plan/run.ts';
import { plainText } from '../../../core/text/text.ts';
import { denialOf } from '../../../proxmox/answers/errors.ts';
import { meaningOf, takenVmid } from '../../../proxmox/answers/refusals.ts';
import { isFree } from '../../../proxmox/guest/guests.ts';
import type { Cluster } from '../../clusters/cluster.ts';

/**
 * The error for a step whose task failed. Where the task was to create a guest, the error says that its VMID is in use now: Proxmox cleans up after
 * most failures, but a failed restore may leave an empty guest.
 */
export async function taskFault(step: RequestStep, record: StepRecord, plan: Plan, { api, tokenId }: Cluster): Promise<ProxmoxMcpError> {
  const part = step.lane === undefined ? plan : partOf(plan, step.lane);
  const error = failureOf(step, record, part, tokenId);
  const { demand } = part;
  const makesIt = demand?.newGuests === 1 && requestsOf(part)[0]?.id === step.id;
  if (!makesIt || takenVmid(record.exit ?? '') !== undefined || (await isFree(api, demand.vmid).catch(() => true))) return error;
  const { vmid } = demand;
  return error.with({
    message: `${error.message} VMID ${vmid} is in use now. Proxmox may have left an incomplete guest there.`,
    hint: `${error.hint} Check VMID ${vmid} with get_vm, and remove what was left with delete_vm {"vmid": ${vmid}}.`,
    details: { ...error.details, vmid },
  });
}

/** Proxmox checks some rights only in the task: that is a missing privilege like any other. */
function failureOf(step: RequestStep, { upid = '', exit = '', log = [] }: StepRecord, part: Plan, tokenId: string): ProxmoxMcpError {
  const details = { step: step.id, upid, exit, log };
  if (meaningOf(exit)?.code === 'permission_denied') {
    const denial = denialOf(exit, { tokenId, ...guestBeingMade(part) }, details);
    return denial.with({ message: `${step.purpose}: ${denial.message}` });
  }
  return new ProxmoxMcpError('task_failed', `${step.purpose} failed. Proxmox's task ended with: ${plainText(exit, 500)}`, {
    ...defined({ hint: step.onFailure }),
    details,
  });
}

function guestBeingMade(plan: Plan): { newVmid?: string; pool?: string } {
  const { demand } = plan;
  if (demand?.newGuests !== 1) return {};
  const pool = requestsOf(plan)
    .map(({ params }) => params.pool)
    .find((given) => typeof given === 'string');
  return { newVmid: String(demand.vmid), ...defined({ pool }) };
}
