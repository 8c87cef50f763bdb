/**
 * The rights of a remote identity; local callers have no role and may do everything that the policy allows.
 * - `viewer`   reads
 * - `operator` reads and changes; requests approvals and decides none
 * - `approver` reads, sees all approvals, and decides, but only in a console session
 */
export const ROLES = ['viewer', 'operator', 'approver'] as const;
export type Role = (typeof ROLES)[number];

/** The guests that an identity may see and change. Every given kind must match with one of its values. */
export interface Scope {
  /** Names in PROXMOX_CLUSTERS_FILE. */
  clusters?: string[];
  /** Names of pools; a pool includes those nested in it (`a` includes `a/b`). */
  pools?: string[];
  tags?: string[];
}

/** The principal whose limits count; the requester also where another one decides. */
export type Requester = Pick<Caller, 'principal' | 'scope'>;

/** The caller, as the transport established it. It is never taken from the agent's arguments. */
export interface Caller {
  /** `local:UID` for stdio and the command line; the token's or subject's name over HTTP. */
  principal: string;
  /** The human or account answerable for the principal: two tokens of one owner are one requester. */
  owner: string;
  channel: 'cli' | 'stdio' | 'http' | 'console';
  /** Name and version the client gives itself; for the audit only, never trusted. */
  client?: string | undefined;
  /** The approval methods by which this caller's transport can ask a human right now. */
  canAsk: { elicitation: boolean; terminal: boolean };
  /** The operator, in a terminal of their own or in the console. May decide any approval. */
  isOperator: boolean;
  /** The transport checked a passphrase or passkey of this person at login. */
  passphraseVerified?: boolean;
  /** Absent: a local caller. */
  role?: Role;
  /** Absent: all guests that the server's own token sees. */
  scope?: Scope;
}
