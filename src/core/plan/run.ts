import type { Json, JsonObject } from '../text/json.ts';
import type { Plan } from './plan.ts';

/** The journal of applying one plan. Steps are written before they are sent and after they are answered. */
export type RunStatus = 'executing' | 'succeeded' | 'failed' | 'unknown';

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
  /** The task was found in the list of tasks: no answer named it. */
  found?: true;
  /** Tasks that were found and turned out to execute another request. */
  others?: string[];
  /** Expected conditions that do not hold after the last step. */
  unmet?: string[];
}

export interface RunRecord {
  id: string;
  operation: string;
  /** Secrets replaced by references. */
  args: JsonObject;
  cluster: string;
  principal: string;
  plan: Plan;
  digest: string;
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
