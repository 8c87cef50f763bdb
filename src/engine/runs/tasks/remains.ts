import { ProxmoxMcpError } from '../../../core/errors/errors.ts';
import { partOf } from '../../../core/plan/parts.ts';
import type { Plan, RequestStep } from '../../../core/plan/plan.ts';
import type { StepRecord } from '../../../core/plan/run.ts';
import type { ProxmoxApi } from '../../../core/proxmox.ts';
import { takenVmid } from '../../../proxmox/answers/refusals.ts';
import { isFree } from '../../../proxmox/guest/guests.ts';

/**
 * Adds to the error of a task that was to make a guest that its VMID is in use now. Proxmox cleans up after most failures, but a failed restore may
 * leave an empty guest.
 */
export async function withRemains(
  error: ProxmoxMcpError,
  { step, record, plan }: { step: RequestStep; record: StepRecord; plan: Plan },
  api: ProxmoxApi,
): Promise<ProxmoxMcpError> {
  const { demand, steps } = step.lane === undefined ? plan : partOf(plan, step.lane);
  const makesIt = demand?.newGuests === 1 && steps.find(({ kind }) => kind === 'request')?.id === step.id;
  if (!makesIt || takenVmid(record.exit ?? '') !== undefined || (await isFree(api, demand.vmid).catch(() => true))) return error;
  const { vmid } = demand;
  return new ProxmoxMcpError(error.code, `${error.message} VMID ${vmid} is in use now. Proxmox may have left an incomplete guest there.`, {
    hint: `${error.hint} Check VMID ${vmid} with get_vm, and remove what was left with delete_vm {"vmid": ${vmid}}.`,
    details: { ...error.details, vmid },
    cause: error.cause,
  });
}
