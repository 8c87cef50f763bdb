import type { RequestStep, Step } from '../../../core/plan/plan.ts';
import type { GuestAt } from '../../../proxmox/guest/guests.ts';
import { guestPath } from '../../../proxmox/guest/guests.ts';

const START_SECONDS = 300;

/**
 * The steps that start a guest (POST …/status/start). A guest started within a second of its stop may stay locked for up to 30 s by the
 * node's own clean-up, which is why a lock timeout is retried.
 * @param name for the purpose, as humans read it
 * @param managed HA ends its task when the request is queued, so the state is waited for
 */
export function startSteps(at: GuestAt, name: string, managed = false): Step[] {
  const running = { kind: 'guest', type: at.type, vmid: at.vmid, node: at.node, is: 'running' } as const;
  const start: RequestStep = {
    kind: 'request',
    id: 'start',
    method: 'POST',
    path: `${guestPath(at)}/status/start`,
    params: {},
    purpose: `start ${name}`,
    task: {
      type: managed ? 'hastart' : at.type === 'qemu' ? 'qmstart' : 'vzstart',
      id: String(at.vmid),
      node: at.node,
      timeoutSeconds: START_SECONDS,
    },
    proof: running,
    retryOnLock: true,
  };
  if (!managed) return [start];
  const wait = {
    kind: 'wait',
    id: 'running',
    until: running,
    timeoutSeconds: START_SECONDS,
    purpose: 'the HA manager has started it',
  } as const;
  return [start, wait];
}
