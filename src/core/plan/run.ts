import type { Json, JsonObject } from '../text/json.ts';
import type { Plan } from './plan.ts';

export type RunStatus = 'executing' | 'succeeded' | 'failed' | 'unknown';

/** An entry of a run's journal, written before its step is sent and after it is answered. */
export interface StepRecord {
  id: string;
  /**
   * - `intent`  on disk, possibly sent
   * - `sent`    Proxmox answered, its task may still run
   * - `unknown` it may have taken effect, or may still do so
   */
  state: 'intent' | 'sent' | 'done' | 'failed' | 'unknown';
  /** ISO time of the intent, by the server's clock where known. */
  at: string;
  upid?: string;
  /** Exit status of the task (`OK`, `WARNINGS: 2`, or Proxmox's error text). */
  exit?: string;
  /** Last lines of the task's log; only after a failure or warnings. */
  log?: string[];
  data?: Json;
  /** The end of what the step began in the guest, which tells it once: as an answer shows it. */
  told?: JsonObject;
  /** The task was found in the list of tasks: no answer named it. */
  found?: true;
  /** Tasks that were found and turned out to execute another request. */
  others?: string[];
  /** Expected conditions that do not hold after the last step. */
  unmet?: string[];
}

/** A call whose plan is kept, as an approval or as a run. */
export interface PlannedCall {
  id: string;
  operation: string;
  /** Validated arguments with secrets replaced by references. */
  args: JsonObject;
  cluster: string;
  /** The requester. */
  principal: string;
  plan: Plan;
  digest: string;
}

export interface RunRecord extends PlannedCall {
  status: RunStatus;
  steps: StepRecord[];
  approvalId?: string;
  /** The standing approval that covered it. */
  leaseId?: string;
  /** Why it failed or is unknown: an error of the catalogue. */
  error?: { code: string; message: string; hint: string; details?: JsonObject };
  startedAt: string;
  endedAt?: string;
}

/** When (ms) a run began: by Proxmox's clock once a step was begun, because ours may be wrong. */
export function begunAt({ steps, startedAt }: Pick<RunRecord, 'steps' | 'startedAt'>): number {
  const begun = steps.map(({ at }) => Date.parse(at));
  return begun.length > 0 ? Math.min(...begun) : Date.parse(startedAt);
}
