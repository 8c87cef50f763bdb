import type { JsonObject } from '../../src/core/text/json.ts';
import type { Fault } from '../../src/simulator/index.ts';
import type { Cluster } from './cluster.ts';

/** What the client hands to the model: `structuredContent`. */
// biome-ignore lint/suspicious/noExplicitAny: answers are read loosely, as a model reads them.
export type Answer = Record<string, any>;

/** One call of a tool. */
export interface Call {
  tool: string;
  /** Some are known only from earlier answers of the job. */
  args: JsonObject | ((answers: Answer[]) => JsonObject);
  /** The error that the job expects. Default: none. */
  error?: string;
  /**
   * Where two clusters are served the call names none: `both` answer it, or its guest is on both, so it is refused as ambiguous and comes again with
   * the cluster. Default: it names its cluster, unless an id does.
   */
  unnamed?: 'both' | 'ambiguous';
  /** The server is killed while Proxmox holds a request of this call. Then another one starts. */
  dies?: boolean;
}

/** What an operator wants, the calls of a competent agent, and how the cluster looks when it is done. */
export interface Job {
  number: number;
  /** The words of the operator, with the answer to a question of the agent after a dash. */
  prompt: string;
  calls: Call[];
  /** What the cluster does during the job. */
  fault?: Fault;
  /** Asserts the end state of the cluster, and that the answers hold what the operator wants to know. */
  // biome-ignore lint/suspicious/noExplicitAny: each job has as many answers as calls.
  done(answers: any[], cluster: Cluster, progress: string[]): Promise<void> | void;
}

/** The operator's yes or no to the approval that the call before requested. */
export const yes: Call = { tool: 'approve', args: (answers) => ({ approval_id: answers.at(-1)?.approval_id }) };
export const no: Call = { ...yes, tool: 'deny' };
