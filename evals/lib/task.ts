import type { Fault } from '../../src/simulator/index.ts';

/** One job for an agent, as data: what the cluster looks like, what the user says, and how it has to end. */
export interface Task {
  name: string;
  /** What the user writes. */
  prompt: string;
  /** The cluster before the user writes: API requests with full rights, and faults that strike them. */
  setUp?: (Request | Fault)[];
  /** Guests that are locked, as another task or an operator in a shell does it. */
  locks?: Record<number, string>;
  /** Faults while the agent works. */
  faults?: Fault[];
  /** Further settings of the server. */
  env?: Record<string, string>;
  /** Content of the policy file. */
  policy?: object;
  /** Which token the server uses. Default: `full`. */
  token?: 'full' | 'leastPrivilege' | 'readOnly';
  /** Default: approves nothing, in a form of the client. */
  human?: Human;
  expect: Expectation;
  /** What the reference agent does. */
  reference: Step[];
  /** A likely mistake. */
  wrong: Step[];
  /** What an agent says at the end: the reference after its work, the lazy one instead of any. */
  answer: string;
  /** What the wrong agent says at the end. Default: `answer`. */
  wrongAnswer?: string;
}

export type Request = [method: 'POST' | 'PUT' | 'DELETE', path: string, params?: Record<string, string | number>];

export interface Human {
  /**
   * Where the human decides. Default: `form`.
   * - `form`     in the client's form
   * - `chat`     in words, which the agent passes on
   * - `terminal` by `proxmox-mcp approvals`, after the agent said that there is something to decide
   */
  decides?: 'form' | 'chat' | 'terminal';
  /** Approves the requests whose summary matches, and denies all others. */
  approves?: RegExp;
  /** Answers to the agent's questions, in this order. */
  replies?: string[];
}

export interface Expectation {
  /** New guests by name; each has at least these properties. */
  created?: Record<string, Properties>;
  /** Changed guests by their name before, with all that is different about them. */
  changed?: Record<string, Properties>;
  gone?: string[];
  /** Files and orphaned disks. */
  volumes?: { added?: RegExp[]; removed?: RegExp[] };
  /** Everything else that is different: `pool/lab`. */
  other?: string[];
  /** What the user is told. Each fact must also stand in an answer of a tool, unless it is `concluded` from several. */
  says?: (RegExp | { concluded: RegExp })[];
  neverSays?: RegExp[];
  /** Lines that the audit has. */
  audit?: AuditLike[];
  /** Lines that the audit does not have. */
  neverAudit?: AuditLike[];
  /** How many requests of this kind reached the cluster, exactly. */
  sent?: Record<string, number>;
  /** How many approvals were requested, exactly. */
  approvals?: number;
}

/** Text equals, an expression matches, undefined is absent. */
export type Properties = Record<string, string | RegExp | undefined>;

export interface AuditLike {
  kind: string;
  operation?: string;
  status?: string;
  error?: string;
}

/** Answers of the tools so far, the newest first. */
export type Answers = Record<string, unknown>[];

/**
 * A call; or what the agent says to its user. `unasked`: the agent approves by itself what needs an approval.
 * A function gets the answers so far, the newest first.
 */
export type Step = [tool: string, args?: object | ((answers: Answers) => object), how?: 'unasked'] | { say: string };

export interface Theme {
  theme: string;
  tasks: Task[];
}
