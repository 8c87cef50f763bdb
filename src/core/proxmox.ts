import type { Condition, MutatingMethod } from './plan/plan.ts';
import type { Json } from './text/json.ts';

/** Version of a node: `9.2.11` gives [9, 2]. */
export interface ProxmoxVersion {
  version: string;
  major: number;
  minor: number;
}

/** The API for planning and reading: GET requests, nothing else. */
export interface ProxmoxReader {
  /** Names the cluster in approvals, runs and reservations: the sorted endpoints, or `simulator`. */
  readonly cluster: string;
  /** GET below /api2/json; `path` has its segments encoded already. Throws errors of the catalogue. */
  get<T = Json>(path: string, params?: Record<string, string | number>, options?: { signal?: AbortSignal }): Promise<T>;
  /** Of the node that answers; cached for the life of the process. */
  version(): Promise<ProxmoxVersion>;
  /** The reader shows only the guests of a scope. Lists that it cannot filter may show others. */
  readonly limited?: true;
  /** Whether a change of this process reached the guest so recently that `/cluster/resources` may not show it yet. Absent where none is sent. */
  changedLately?(vmid: number): boolean;
  /** Number of changes sent and of tasks seen to end by this process. A read that began at a lower number may show the state before. */
  changes?(): number;
}

/** The part of the API that most readers need. */
export type GetApi = Pick<ProxmoxReader, 'get'>;

/** A mutating request with all references resolved: the bytes to send. */
export interface ResolvedRequest {
  stepId: string;
  method: MutatingMethod;
  path: string;
  params: Record<string, string | number | boolean | string[]>;
}

/** How Proxmox answered: at once, with a worker task, or with an unknown outcome (596, a cut connection, a timeout). A refusal throws. */
export type Dispatch = { kind: 'done'; data: Json } | { kind: 'task'; upid: string } | { kind: 'unknown'; reason: string };

export interface TaskStatus {
  upid: string;
  running: boolean;
  /** Present once stopped: `OK`, `WARNINGS: n`, or the error text. */
  exit?: string;
  /** Set when `waitTask` gave up: whether the task still runs is unknown. `gone` means that Proxmox does not know the task. */
  unseen?: { why: string; gone: boolean };
}

/** Opened for one granted plan; lets through only the plan's next request, once. */
export interface Gate {
  /** Throws `internal` when the request is not the next resolved step of the plan. */
  pass(request: ResolvedRequest): void;
  /** Lets the request just passed through once more, after its task provably did nothing. Throws `internal` for any other step. */
  reopen(stepId: string): void;
  /** Called before every attempt, after the waits for a turn or a lock. Throws when the sender has lost the right to send. */
  still?(): Promise<void>;
}

export interface ProxmoxApi extends ProxmoxReader {
  /** Sends one mutating request through the gate; never re-sends it unless it provably never left or met a lock timeout. */
  send(gate: Gate, request: ResolvedRequest): Promise<Dispatch>;
  task(upid: string): Promise<TaskStatus>;
  /** The last `lines` lines of the task's log. */
  taskLog(upid: string, lines: number): Promise<string[]>;
  /**
   * Polls until the task ended; undefined when `timeoutSeconds` passed first. Returns early, with `unseen`, when Proxmox does not know the
   * task or shows no status of it for a while. Ending the wait never stops the task.
   */
  waitTask(
    upid: string,
    options: { timeoutSeconds: number; signal?: AbortSignal; onPoll?: (secondsWaited: number) => void },
  ): Promise<TaskStatus | undefined>;
  /**
   * The oldest of our own tasks of this type and id that began at or after `sinceEpoch` (seconds, server clock).
   * - `logMentions` a word that its log must contain: a clone's task has the id of its source, and only its log names the new guest
   * - `isTaken`     passes over tasks that are known to belong to another request
   */
  findTask(query: {
    node: string;
    type: string;
    id: string;
    sinceEpoch: number;
    logMentions?: string;
    isTaken?: (upid: string) => Promise<boolean>;
  }): Promise<TaskStatus | undefined>;
  /** Whether a condition holds now; undefined when the token cannot see enough to tell. */
  holds(condition: Condition, sinceEpoch?: number): Promise<boolean | undefined>;
  /** The server's clock (epoch seconds), from the Date header of the newest answer; ours before any. */
  serverTime(): number;
  close(): Promise<void>;
}
