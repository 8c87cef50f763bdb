import type { Caller } from '../core/people/caller.ts';
import type { Answer, ApprovalRecord } from '../core/plan/approval.ts';
import type { RunRecord } from '../core/plan/run.ts';
import type { Result } from '../core/result.ts';
import type { Quotas } from '../core/settings/limits.ts';
import type { JsonObject } from '../core/text/json.ts';
import type { ChangeOperation, Operation } from '../operations/define.ts';
import type { StandingApproval } from '../store/schema.ts';
import type { Deadline } from './calls/deadline.ts';
import type { Stamps } from './stamps.ts';

/** A step of long work, for progress notifications and the terminal. */
export interface Progress {
  done: number;
  total: number;
  /** One line; the first one after a task began names its UPID. */
  message: string;
}

export interface PerformOptions {
  dryRun?: boolean;
  /** Redeem this approval for exactly this operation and these arguments (`call … --approve ID`). */
  approvalId?: string;
  /** A human's answer to the question of an earlier `question` result. */
  answer?: Answer | undefined;
  /** The fault in a parameter that the transport reads itself: the call is rejected for it, and the rejection recorded. */
  invalid?: string;
  /** The agent's words for the approval; unverified. */
  reason?: string;
  /** Seconds to wait for the outcome before answering `running`; `'end'` waits as long as it takes. Default: the setting. */
  wait?: number | 'end';
  /** Seconds to wait for a human who decides in a terminal or the console. Default: `wait`. */
  waitForHuman?: number;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Cancels the wait, never the work. */
  signal?: AbortSignal;
}

/** The request for a standing approval: operations on the guests with a tag or in a pool. */
export interface StandingRequest {
  /** Required where several clusters are served. */
  cluster?: string;
  operations: string[];
  tag?: string;
  /** Includes the pools nested in it. */
  pool?: string;
  /** Guests, counted at each call: at most 100. */
  uses: number;
  /** At most 60. */
  minutes: number;
  /** Also covers plans that are graver than their operation, such as a stop by force. Default: those need an approval. */
  raised?: boolean;
}

export interface Watched {
  /** Next to expire first; at most 200. */
  pending: ApprovalRecord[];
  /** Of all that are pending. */
  total: number;
  /** The latest decision first, expiry included; at most 50. */
  recent: ApprovalRecord[];
}

export interface Engine {
  /** Names of the clusters, of which each change names one; empty where there is only one. */
  readonly clusters: readonly string[];
  /** The only entry point: every transport uses it, every call leaves a line in the audit. */
  perform(operation: string, args: unknown, caller: Caller, options?: PerformOptions): Promise<Result>;
  /**
   * The approvals of all clusters, for transports that poll. It reads only our own store, and leaves lines in the audit only about approvals that
   * expired.
   * @param cluster that one alone
   */
  watch(cluster?: string): Promise<Watched>;
  /** One approval of these clusters, for the page of a person who may see all. It leaves no line in the audit. */
  approval(id: string): Promise<ApprovalRecord | undefined>;
  /** The state of guests, approvals and runs, for transports with subscribers. It leaves no line in the audit. */
  stamps(): Promise<Stamps>;
  /** Standing approvals, created and revoked by the operator in a terminal. */
  standing: {
    create(request: StandingRequest, caller: Caller): Promise<StandingApproval>;
    revoke(id: string, caller: Caller): Promise<void>;
    list(): Promise<StandingApproval[]>;
  };
  /** Runs whose outcome is unknown, on all clusters. */
  openRuns: {
    list(cluster?: string): Promise<RunRecord[]>;
    /** Ends the watch of one by the operator's word. */
    close(id: string, outcome: 'done' | 'not-done', caller: Caller): Promise<RunRecord>;
  };
  /**
   * Every limit over the scope and how much of it is used, counted as the guard counts.
   * @param cluster required where several are served
   */
  quotas(cluster?: string): Promise<Quotas>;
  /** Waits for running work to reach a safe point and closes the store and the connections. */
  close(): Promise<void>;
}

/** A call as a transport hands it to the entry point. */
export interface Request {
  /** Of the operation. */
  name: string;
  args: unknown;
  caller: Caller;
  options: PerformOptions;
}

/** A call whose arguments are read. */
export interface Call<O extends Operation = Operation> {
  operation: O;
  /** Validated, secrets concealed. */
  args: JsonObject;
  caller: Caller;
  options: PerformOptions;
  deadline: Deadline;
}
export type ChangeCall = Call<ChangeOperation>;
