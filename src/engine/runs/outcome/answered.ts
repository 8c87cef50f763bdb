import type { RequestStep } from '../../../core/plan/plan.ts';
import type { StepRecord } from '../../../core/plan/run.ts';
import { parseUpid } from '../../../proxmox/tasks.ts';
import type { Ports } from '../../ports.ts';

/**
 * Whether the UPID of an answer names the task of another request. A proxy, or a connection that is out of step, gives such answers, and the end of
 * that task says nothing about this request.
 * @param steps all of the run
 */
export async function isOfAnother(
  upid: string,
  { step, runId, steps }: { step: RequestStep; runId: string; steps: readonly StepRecord[] },
  ports: Ports,
): Promise<boolean> {
  const named = parseUpid(upid);
  if (step.task && named) {
    // HA may have begun to manage the guest since the plan was made.
    if (named.type !== step.task.type && !named.type.startsWith('ha')) return true;
    if (/^\d+$/.test(step.task.id) && named.id !== step.task.id) return true;
  }
  const isAnswered = (record: StepRecord) => record.upid === upid && !record.found;
  if (steps.some((record) => record.id !== step.id && isAnswered(record))) return true;
  // The request has left: a fault of the store must not lose its UPID, and the journal meets the fault next.
  const owner = await (await ports.store()).runs.byUpid(upid, ports.cluster.name).catch(() => undefined);
  // A run that only found the task in a list may be wrong about it.
  return owner !== undefined && owner.id !== runId && owner.steps.some(isAnswered);
}
