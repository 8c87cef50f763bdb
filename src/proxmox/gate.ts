import { fail } from '../core/errors/errors.ts';
import type { RequestStep, Step } from '../core/plan/plan.ts';
import type { Gate, ResolvedRequest } from '../core/proxmox.ts';
import { canonical } from '../core/text/canonical.ts';

/**
 * Opens the last gate for the steps of one granted plan. Each request must equal the next request step with its references resolved,
 * and passing is one-way. To continue after a crash, open a gate for the steps that were not sent.
 *
 * @param resolve turns a step's references into values at the moment it is sent
 */
export function openGate(steps: readonly Step[], resolve: (step: RequestStep) => ResolvedRequest): Gate {
  const waiting = steps.filter((step) => step.kind === 'request');
  let passed: RequestStep | undefined;
  return {
    pass(request) {
      const next = waiting.shift();
      passed = next;
      if (!next) fail('internal', `The plan has no further request, so ${request.method} ${request.path} was not sent.`);
      const granted = resolve(next);
      const same = granted.stepId === next.id && granted.method === next.method && canonical(granted) === canonical(request);
      if (same) return;
      // After a wrong request the gate stays closed: the plan is over.
      waiting.length = 0;
      passed = undefined;
      fail('internal', `${request.method} ${request.path} is not the next request of the plan (${next.id}), so it was not sent.`);
    },
    reopen(stepId) {
      if (!passed || passed.id !== stepId || !passed.retryOnLock) fail('internal', `The step ${stepId} may not be sent again.`);
      waiting.unshift(passed);
      passed = undefined;
    },
  };
}
