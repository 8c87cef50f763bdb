import type { ApprovalMethod } from '../plan/approval.ts';
import type { Effect } from '../plan/effect.ts';

/** Match conditions; all given fields must match. */
export interface PolicyMatch {
  effect?: Effect[];
  operation?: string[];
  tag?: string[];
  pool?: string[];
  /** Inclusive VMID ranges. */
  vmid?: { from: number; to: number }[];
  principal?: string[];
}

/** The demands of a rule. Rules only ever raise: of all that match, the strictest counts. */
export interface PolicyRule {
  match: PolicyMatch;
  /** Forbidden for every caller, with or without an approval. */
  never: boolean;
  /** How it must be decided; on a `change` it makes an approval necessary. */
  method?: ApprovalMethod;
  /** How many different owners must approve. */
  approvals?: number;
  /** A backup of the guest not older than this (seconds) must exist. */
  requireBackupWithin?: number;
  /** The identical request is refused for so long (seconds) after it was decided. */
  cooldown?: number;
}

/** Programs and files that run_in_guest may use in some guests. */
export interface GuestRun {
  match: Pick<PolicyMatch, 'vmid' | 'tag' | 'pool'>;
  /** Programs: each a list of items, in which `*` stands for any one argument. */
  argv?: string[][];
  /** Whole paths of files that it may read and write. */
  files?: string[];
}

/** The operator's policy file, validated. The empty policy leaves the defaults of docs/approvals.md as they are. */
export interface Policy {
  rules: PolicyRule[];
  /** Changes are allowed only on guests with one of these tags, in one of these pools, or (with `created`) created through this server. */
  only?: { tags: string[]; pools: string[]; created: boolean };
  /** Programs and files that run_in_guest may use; without it none. */
  run?: GuestRun[];
  perHour: { creates?: number; destroys?: number };
}

export const NO_POLICY: Policy = { rules: [], perHour: {} };
