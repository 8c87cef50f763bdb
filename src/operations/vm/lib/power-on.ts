import type { Step } from '../../../core/plan/plan.ts';
import type { GuestAt } from '../../../proxmox/guest/guests.ts';
import { guestRequest, taskType } from './guest-request.ts';

const START_SECONDS = 300;

/**
 * The steps that start a guest (POST …/status/start). A guest started within a second of its stop may stay locked for up to 30 s by the
 * node's own clean-up, which is why a lock timeout is retried.
 * @param name for the purpose, as humans read it
 * @param managed HA ends its task when the request is queued, so the state is waited for
 */
export function startSteps(at: GuestAt, name: string, managed = false): Step[] {
  const running = { kind: 'guest', ...at, is: 'running' } as const;
  const task = managed ? 'hastart' : taskType(at, 'start');
  const start = guestRequest(at, {
    ...{ id: 'start', path: '/status/start', purpose: `start ${name}`, task, seconds: START_SECONDS },
    proof: running,
    retryOnLock: true,
  });
  if (!managed) return [start];
  const until = { id: 'running', until: running, timeoutSeconds: START_SECONDS };
  return [start, { kind: 'wait', ...until, purpose: 'the HA manager has started it' }];
}
