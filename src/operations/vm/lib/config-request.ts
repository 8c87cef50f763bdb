import { defined } from '../../../core/defined.ts';
import type { Condition, Params, RequestStep } from '../../../core/plan/plan.ts';
import { type GuestAt, guestPath } from '../../../proxmox/guest/guests.ts';

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
  const common = { kind: 'request', id, path: `${guestPath(at)}/config`, params, purpose, ...defined({ proof }) } as const;
  if (at.type === 'lxc') return { ...common, method: 'PUT' };
  const task = { type: 'qmconfig', id: String(at.vmid), node: at.node, timeoutSeconds: CONFIG_SECONDS };
  return { ...common, method: 'POST', task, retryOnLock: true };
}
