import type { Generated } from 'kysely';

/**
 * The tables. JSON is stored as text and times as ISO text (UTC, milliseconds): both sort and compare the same on SQLite and PostgreSQL.
 */
export interface Database {
  approvals: ApprovalRow;
  decisions: DecisionRow;
  leases: StandingRow;
  guest_names: GuestNameRow;
  runs: RunRow;
  reservations: ReservationRow;
  guests: GuestRow;
  secrets: SecretRow;
  tokens: TokenRow;
  principals: PrincipalRow;
  sessions: SessionRow;
  keys: KeyRow;
  marks: MarkRow;
  run_upids: RunUpidRow;
}

export interface ApprovalRow {
  id: string;
  cluster: string;
  principal: string;
  owner: string;
  channel: string;
  client: string | null;
  operation: string;
  args: string;
  /** Digest of operation and arguments: an identical request while one is pending finds it again. */
  args_digest: string;
  plan: string;
  digest: string;
  effect: string;
  way: string;
  /** How many different owners must approve. */
  needed: number;
  status: string;
  target_vmid: number | null;
  reason: string | null;
  decided_by: string | null;
  decided_via: string | null;
  note: string | null;
  run_id: string | null;
  /** JSON: the guests to which the requester is limited; null: all. */
  scope: string | null;
  created_at: string;
  expires_at: string;
  decided_at: string | null;
}

/** One owner's yes to an approval that needs several. */
export interface DecisionRow {
  approval_id: string;
  owner: string;
  principal: string;
  via: string;
  decided_at: string;
}

/** A standing yes, created by a human in a terminal, for a few uses within an hour. */
export interface StandingRow {
  id: string;
  cluster: string;
  /** JSON list. */
  operations: string;
  tag: string | null;
  pool: string | null;
  /** Guests left. */
  uses: number;
  /** 1: also covers plans that are graver than their operation. */
  raised: number;
  made_by: string;
  created_at: string;
  expires_at: string;
  revoked_at: string | null;
}

/** Names under which a guest was seen, so that renaming it before asking to delete it shows. */
export interface GuestNameRow {
  cluster: string;
  key: string;
  name: string;
  /** Null in rows of old versions. */
  vmid: number | null;
  seen_at: string;
}

export interface RunRow {
  id: string;
  cluster: string;
  principal: string;
  operation: string;
  args: string;
  plan: string;
  digest: string;
  status: string;
  steps: string;
  approval_id: string | null;
  lease_id: string | null;
  error: string | null;
  /** Host, pid and start of the process that applies it; changes when another process adopts the run. */
  worker: string;
  lease_until: string;
  started_at: string;
  ended_at: string | null;
}

/** Which run a worker task of Proxmox belongs to: one only. */
export interface RunUpidRow {
  cluster: string;
  upid: string;
  run_id: string;
}

export interface ReservationRow {
  seq: Generated<number>;
  id: string;
  cluster: string;
  /** Lower-cased name; null where the guest has none. */
  name_key: string | null;
  name: string;
  vmid: number;
  node: string;
  type: string;
  /** 1: a new guest that counts; then name and VMID are exclusive. */
  new_guest: number;
  cpu: number;
  memory_mib: number;
  disk_gib: number;
  /** JSON: GiB to come by `node/storage`. */
  space: string;
  /** `held` while the work is in flight, `made` once the guest exists but lists may not show it yet. */
  state: string;
  run_id: string | null;
  worker: string;
  lease_until: string;
  changed_at: string;
}

export interface GuestRow {
  cluster: string;
  vmid: number;
  key: string;
  run_id: string;
  created_at: string;
}

export interface SecretRow {
  /** HMAC of the value. */
  id: string;
  /** The approval or run that needs it. */
  scope: string;
  sealed: string;
}

export interface TokenRow {
  /** Derived from the hash. */
  id: string;
  name: string;
  owner: string;
  role: string;
  /** SHA-256 of the token. */
  hash: string;
  /** JSON: the scope, or null. */
  scope: string;
  /** JSON list. */
  cidrs: string;
  /** 1: its client may pass on a human's answer. */
  trusts_client: number;
  created_at: string;
  expires_at: string;
  revoked_at: string | null;
  last_used_at: string | null;
}

export interface PrincipalRow {
  owner: string;
  /** Salted hash (scrypt) of what an approver must know beside their token. */
  passphrase: string | null;
  first_seen_at: string;
  last_seen_at: string;
}

export interface SessionRow {
  cookie_hash: string;
  token_hash: string;
  owner: string;
  /** JSON. */
  person: string;
  created_at: string;
  used_at: string;
}

export interface KeyRow {
  name: string;
  value: string;
}

/** When something was done last that is done from time to time, by whichever process comes first. */
export interface MarkRow {
  name: string;
  at: string;
}
