import type { RequestStep, WaitStep } from '../../../core/plan/plan.ts';
import { missingPrivileges } from '../../../proxmox/access/privileges.ts';
import type { GuestAt } from '../../../proxmox/guest/guests.ts';
import type { OperationContext } from '../../define.ts';

/** The first boot of an image takes a minute or two; a later address mostly never comes. */
const ADDRESS_SECONDS = 600;

/** Since 9.0 the first two; before it VM.Monitor. */
const AGENT_PRIVILEGES = ['VM.GuestAgent.Audit', 'VM.GuestAgent.Unrestricted', 'VM.Monitor'];

/** The wait until the agent of the new guest reports an address, or a warning why it cannot. */
export async function addressWait(
  { api }: Pick<OperationContext, 'api'>,
  { at, name, pool, agent }: { at: GuestAt; name: string; pool: string | undefined; agent: boolean },
): Promise<{ steps: WaitStep[]; warnings: string[] }> {
  const never = (why: string) => ({ steps: [], warnings: [`${why}, so its address cannot be waited for; the answer has the MAC`] });
  if (!agent) return never('the source does not enable the guest agent');
  const paths = [`/vms/${at.vmid}`, ...(pool === undefined ? [] : [`/pool/${pool}`])];
  const missing = await Promise.all(paths.map((path) => missingPrivileges(api, [{ path, anyOf: AGENT_PRIVILEGES }]).catch(() => [])));
  if (missing.every((lacks) => lacks.length > 0)) return never(`the token lacks ${AGENT_PRIVILEGES[0]} (before 9.0: VM.Monitor)`);
  const wait: WaitStep = {
    ...{ kind: 'wait', id: 'address', until: { kind: 'address', type: at.type, vmid: at.vmid, node: at.node } },
    timeoutSeconds: ADDRESS_SECONDS,
    purpose: `${name} has an address`,
    mayFail: true,
  };
  return { steps: [wait], warnings: [] };
}

/** Whole disks are written to the storage: two at once. */
export function copyingTo(storage: string): Required<Pick<RequestStep, 'atMost'>> {
  return { atMost: { [`disks to ${storage}`]: 2 } };
}
