import type { JsonObject } from '../../src/core/json.ts';
import type { Fault } from '../../src/simulator/index.ts';

/** What the client hands to the model. */
// biome-ignore lint/suspicious/noExplicitAny: a job reads what its calls answer.
export type Answer = Record<string, any>;

/** One call of a tool. */
export interface Call {
  tool: string;
  /** Some are known only from earlier answers of the job. */
  args?: JsonObject | ((answers: Answer[]) => JsonObject);
  /** The error that the job expects. Default: none. */
  error?: string;
  /** The server is killed while Proxmox holds a request of this call, and another one is started. */
  dies?: boolean;
}

/** The cluster itself, asked without the product. */
export interface Cluster {
  // biome-ignore lint/suspicious/noExplicitAny: answers of the API are loosely typed.
  get(path: string): Promise<any>;
  /** Configuration and state of a guest on any node; `undefined` where it does not exist. */
  guest(name: string): Promise<{ vmid: number; node: string; status: string; config: Record<string, string> } | undefined>;
  /** Changes that reached the cluster during this job, such as `POST /nodes/pve/qemu/100/status/start`. */
  sent: string[];
}

/** What an operator wants, the calls of a competent agent, and how the cluster looks when it is done. */
export interface Job {
  number: number;
  /** The words of the operator. */
  prompt: string;
  calls: Call[];
  /** What the cluster does during the job. */
  fault?: Fault;
  /** Asserts the end state of the cluster, and that the answers hold what the operator wants to know. */
  done(answers: Answer[], cluster: Cluster): Promise<void> | void;
}

/** The operator's yes or no to what the call before asked for. */
export const yes: Call = { tool: 'approve', args: (answers) => ({ approval_id: answers.at(-1)?.approval_id }) };
export const no: Call = { tool: 'deny', args: (answers) => ({ approval_id: answers.at(-1)?.approval_id }) };

/** Rows of a list as objects. */
export function rowsOf({ columns, rows }: Answer): Answer[] {
  return rows.map((row: unknown[]) => Object.fromEntries(row.map((value, index) => [columns[index], value])));
}
