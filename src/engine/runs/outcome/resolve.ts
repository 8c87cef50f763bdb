import { fail } from '../../../core/errors/errors.ts';
import { type FromRef, isSecretRef, type ParamValue, type RequestStep } from '../../../core/plan/plan.ts';
import type { StepRecord } from '../../../core/plan/run.ts';
import type { ResolvedRequest } from '../../../core/proxmox.ts';

export function isFromRef(value: ParamValue): value is FromRef {
  return typeof value === 'object' && !Array.isArray(value) && '$from' in value;
}

/** The id of the step after which the digest is meant. */
export function stepOf({ $from }: FromRef): string {
  return $from.slice(0, $from.lastIndexOf('.'));
}

/**
 * The request that a step stands for: digests after earlier steps and secrets filled in. Pure, so that the gate and the sender agree.
 * @param records what earlier steps brought
 */
export function resolveStep(step: RequestStep, records: readonly StepRecord[], secret: (id: string) => string): ResolvedRequest {
  const fill = (value: ParamValue): string | number | boolean | string[] => {
    if (isSecretRef(value)) return secret(value.$secret);
    if (!isFromRef(value)) return value;
    const record = records.find((r) => r.id === stepOf(value));
    const found = (record?.data as { digest?: unknown } | undefined)?.digest;
    return typeof found === 'string' ? found : fail('internal', `Step ${step.id} refers to ${value.$from}, which does not exist.`);
  };
  return {
    stepId: step.id,
    method: step.method,
    path: step.path,
    params: Object.fromEntries(Object.entries(step.params).map(([key, value]) => [key, fill(value)])),
  };
}
