import { defined } from '../../../core/defined.ts';
import type { Condition, Params, RequestStep } from '../../../core/plan/plan.ts';
import type { GuestAt } from '../../../proxmox/guest/guests.ts';
import { guestRequest } from './guest-request.ts';

/** How long (s) the task may take before a run calls its outcome unknown. */
const CONFIG_SECONDS = 120;

/** The digest of the configuration that was read is among the params: a change that arrives late is refused then. */
interface ConfigChange {
  id: string;
  params: Params;
  purpose: string;
  /** Absent where nothing of it can be read back. */
  proof?: Condition | undefined;
}

/** POST …/qemu/{vmid}/config, which is a task, or PUT …/lxc/{vmid}/config, which answers at once. */
export function configRequest(at: GuestAt, { id, params, purpose, proof }: ConfigChange): RequestStep {
  const common = { id, path: '/config', params, purpose, ...defined({ proof }) };
  if (at.type === 'lxc') return guestRequest(at, { ...common, method: 'PUT' });
  return guestRequest(at, { ...common, task: 'qmconfig', seconds: CONFIG_SECONDS, retryOnLock: true });
}
