import type { Scope } from '../people/caller.ts';
import type { Effect } from './effect.ts';
import type { PlannedCall } from './run.ts';

/** How one approval must be decided, frozen when it is requested. Ascending strictness. */
export const APPROVAL_METHODS = ['relay', 'elicitation', 'terminal', 'human'] as const;
/**
 * - `relay`       the agent passes on the user's yes; no human is verified
 * - `elicitation` the human answers through the MCP client by typing the guest's name
 * - `terminal`    the human types the name in the terminal that runs the command
 * - `human`       in another terminal or the console only
 */
export type ApprovalMethod = (typeof APPROVAL_METHODS)[number];

/** The stricter of two approval methods: what was frozen and what holds now. */
export function stricter(a: ApprovalMethod, b: ApprovalMethod): ApprovalMethod {
  return APPROVAL_METHODS.indexOf(a) >= APPROVAL_METHODS.indexOf(b) ? a : b;
}

export const APPROVAL_STATUSES = ['pending', 'executing', 'succeeded', 'failed', 'unknown', 'denied', 'expired', 'stale'] as const;
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number];

/** Only its requester (and the operator) sees and redeems it. */
export interface ApprovalRecord extends PlannedCall {
  /** The human or account answerable for the requester. */
  owner: string;
  channel: string;
  client?: string | undefined;
  /** The guests to which the requester was limited; absent: all. It holds at the decision, too. */
  scope?: Scope;
  effect: Effect;
  method: ApprovalMethod;
  /** How many different owners must approve. */
  needed: number;
  /** The approvers so far, where more than one must agree. */
  agreedBy?: string[];
  status: ApprovalStatus;
  /** The agent's own words; unverified, shown last and fenced. */
  reason?: string;
  decidedBy?: string;
  /** `relay`: relayed by agent, no human verified. */
  decidedVia?: ApprovalMethod;
  /** Why it was denied or became stale. */
  note?: string;
  runId?: string;
  createdAt: string;
  expiresAt: string;
  decidedAt?: string;
}

/** The question to a human, and the text they must type. Rendered by the server from the plan, never by the agent. */
export interface Question {
  approvalId: string;
  text: string;
  /** The exact text that means yes: `web1 105`. */
  mustType: string;
  method: ApprovalMethod;
  /** The transport must ask for the approver's passphrase, too. */
  needsPassphrase: boolean;
}

/** A human's answer as a transport received it. Only the exact text is a yes. */
export interface Answer {
  approvalId: string;
  via: ApprovalMethod;
  typed: string;
  /** The outcome of a form; `odd`: a reply that is not one of the three. Default: accept. */
  action?: 'accept' | 'decline' | 'cancel' | 'odd';
  /** The form that it answers, of which one answer counts, on whatever replica. */
  formId?: string;
  /** Between the form's sending and the answer. */
  seconds?: number;
  /** The approver's passphrase, where one is set. */
  passphrase?: string;
}
