import type { Params, RequestStep } from '../../../core/plan/plan.ts';
import { type GuestAt, guestPath } from '../../../proxmox/guest/guests.ts';

interface GuestRequest extends Omit<RequestStep, 'kind' | 'method' | 'params' | 'task'> {
  /** Default: POST. */
  method?: RequestStep['method'];
  /** Below the path of the guest; empty: the guest itself. */
  path: string;
  params?: Params;
  /** Type of the worker task, which bears the VMID; absent for a request that answers at once. */
  task?: string;
  /** How long the task may take before a run calls its outcome unknown. */
  seconds?: number;
}

/** A request about a guest on its node. */
export function guestRequest(at: GuestAt, { method = 'POST', path, params = {}, task, seconds = 0, ...rest }: GuestRequest): RequestStep {
  return {
    ...{ kind: 'request', method, path: `${guestPath(at)}${path}`, params, ...rest },
    ...(task === undefined ? {} : { task: { type: task, id: String(at.vmid), node: at.node, timeoutSeconds: seconds } }),
  };
}

/** The type of a task that Proxmox names alike for both kinds of guests: `qmstart`, `vzstart`. */
export function taskType({ type }: GuestAt, verb: string): string {
  return `${type === 'qemu' ? 'qm' : 'vz'}${verb}`;
}
