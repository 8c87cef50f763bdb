// The messages from the server to the page. Both sides import these types and nothing else from each other. Every text in here has been made harmless
// (plainText) on the server, and the page shows it as text, never as markup.

import type { ApprovalView } from '../render/approval-view.ts';

export type { ApprovalStatus } from '../core/plan/approval.ts';
export type { Effect } from '../core/plan/effect.ts';
export type { ApprovalView, Change, GuestRef, StepView } from '../render/approval-view.ts';
export type { Fact } from '../render/facts.ts';

/** Event `approvals` of the live stream. */
export interface Live {
  /** Epoch milliseconds on the server. */
  now: number;
  /** Next to expire first. */
  pending: ApprovalView[];
  /** Of all that are pending; greater than the length of the list when there are very many. */
  total: number;
  /** The latest decision first. */
  recent: ApprovalView[];
}

export interface SessionView {
  name: string;
  demo: boolean;
  /** A decision needs the approver's passphrase, too. */
  needsPassphrase: boolean;
  /** Epoch milliseconds on the server. */
  now: number;
}

/** The available logins. */
export interface LoginsView {
  link: boolean;
  token: boolean;
}

/** How the run of an approval ended, or where it is. */
export interface RunView {
  status: string;
  steps: { id: string; state: string; exit?: string }[];
  error?: { code: string; message: string; hint: string; proxmox?: string };
  result: [name: string, value: string][];
}

/** A request that Proxmox may still execute. */
export interface OpenRunView {
  id: string;
  summary: string;
  askedBy: string;
  startedAt: string;
  message: string;
}

export interface AuditRow {
  seq: number;
  time: string;
  kind: string;
  operation: string;
  guest: string;
  who: string;
  channel: string;
  /** How it ended or what was decided. */
  status: string;
  bad: boolean;
  /** Everything else that the record holds. */
  details: [name: string, value: string][];
}

export interface AuditView {
  rows: AuditRow[];
  /** Records looked through, the newest ones of the file. */
  searched: number;
  matching: number;
  kinds: string[];
  operations: string[];
  principals: string[];
}

export interface VerificationView {
  intact: boolean;
  count: number;
  head: string;
  file: string;
  problems: { where: string; problem: string }[];
  /** Torn by crashes and closed. */
  recovered: number;
  /** The findings of the checkpoints in a second place; absent where there are none to read. */
  anchor?: { checkpoints: number; newest?: string; uncovered: number };
}

export interface GuestView {
  vmid: number;
  name: string;
  type: string;
  status: string;
  cpus?: number;
  /** Use now, of the guest's own CPUs. */
  cpuPercent?: number;
  memoryMib?: number;
  memoryUsedMib?: number;
  tags: string[];
  pool?: string;
  lock?: string;
  ha?: string;
  template: boolean;
}

export interface Quota {
  label: string;
  used: number;
  /** Absent: no limit is set. */
  limit?: number;
  unit: string;
  variable: string;
}

/** One cluster, or the reason why it is not shown. */
export interface ClusterAnswer {
  /** Empty where there is only one. */
  name: string;
  view?: ClusterView;
  problem?: Problem;
}

/** A figure over the last day. */
export interface Curve {
  label: string;
  unit: string;
  avg: number;
  max: number;
  now: number;
  /** Oldest first; null where nothing was measured. */
  values: (number | null)[];
}

export interface GuestDetail {
  curves: Curve[];
  findings: string[];
  /** Newest first. */
  backups: { time: string; volume: string; sizeGib?: number; protected: boolean; verified: string }[];
  /** Absent where the backups could not be read. */
  backupsTotal?: number;
  notices: string[];
  problems: Problem[];
}

export interface BackupsView {
  cluster: string;
  guests: { vmid: number; state: string; ageDays?: number; storage: string }[];
  notice?: string;
}

export interface ClusterView {
  nodes: { name: string; guests: GuestView[] }[];
  total: number;
  shown: number;
  notice?: string;
  /** Absent where the list does not tell which guests count. */
  quotas?: Quota[];
  perGuest: { label: string; limit: number; unit: string; variable: string }[];
  scope: string;
}

export interface Problem {
  code: string;
  message: string;
  hint: string;
}
