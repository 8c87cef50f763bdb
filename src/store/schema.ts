import type { Generated } from 'kysely';
import type { GuestType } from '../core/guest.ts';
import type { Role, Scope } from '../core/people/caller.ts';
import type { ConsoleSession } from '../core/people/person.ts';
import type { ApprovalMethod, ApprovalRecord } from '../core/plan/approval.ts';
import type { RunRecord } from '../core/plan/run.ts';
import type { Row } from './row.ts';

/**
 * The tables. JSON is stored as text and times as ISO text (UTC, milliseconds): both sort and compare the same on SQLite and PostgreSQL.
 */
export interface Database {
  approvals: ApprovalRow;
  /** That one owner agreed to an approval that needs several. */
  decisions: { approval_id: string; owner: string; principal: string; via: string; decided_at: string };
  leases: StandingRow;
  /** Names under which a guest was seen, so that renaming it before asking to delete it shows. */
  guest_names: {
    cluster: string;
    key: string;
    name: string;
    /** Null in rows of old versions. */
    vmid: number | null;
    seen_at: string;
  };
  runs: RunRow;
  reservations: ReservationRow;
  guests: {
    cluster: string;
    vmid: number;
    key: string;
    run_id: string;
    created_at: string;
    /** When the backup was made from which it was restored, where that is a backup of its own VMID. */
    saved_at: string | null;
  };
  secrets: {
    /** HMAC of the value. */
    id: string;
    /** The approval or run that needs it. */
    scope: string;
    sealed: string;
  };
  tokens: TokenRow;
  principals: {
    owner: string;
    /** Salted hash (scrypt) of the passphrase that an approver needs besides their token. */
    passphrase: string | null;
    first_seen_at: string;
    last_seen_at: string;
  };
  sessions: Row<ConsoleSession & { owner: string }>;
  keys: { name: string; value: string };
  /** When a periodic job was last done, or a form was answered, by any process. */
  marks: { name: string; at: string };
  /** The only run that a worker task of Proxmox belongs to. */
  run_upids: { cluster: string; upid: string; run_id: string };
}

/** `args_digest` is the digest of operation and arguments: an identical request while one is pending finds it again. `way` is the method. */
export type ApprovalRow = Row<
  Omit<ApprovalRecord, 'method' | 'agreedBy'> & { argsDigest: string; way: ApprovalMethod; targetVmid?: number }
>;

export interface StandingApproval {
  id: string;
  cluster: string;
  operations: string[];
  tag?: string;
  pool?: string;
  /** Guests that may still be touched: one call on five guests takes five. */
  usesLeft: number;
  /** Also covers plans that are graver than their operation, such as a stop by force. */
  raised?: boolean;
  madeBy: string;
  createdAt: string;
  expiresAt: string;
  revokedAt?: string;
}

/** `uses` are the guests left. */
export type StandingRow = Row<Omit<StandingApproval, 'usesLeft' | 'raised'> & { uses: number; raised: boolean }>;

/** `worker` is the host, pid and start of the process that applies it; it changes when another process adopts the run. */
export type RunRow = Row<RunRecord & { worker: string; leaseUntil: string }>;

/** Host, pid and start of a process, so that another one can tell whether it still runs. */
export type Worker = string;

export interface Reservation {
  seq: number;
  id: string;
  cluster: string;
  name: string;
  vmid: number;
  node: string;
  type: GuestType;
  newGuest: boolean;
  /** vCPUs, MiB, GiB that the guest will have when the work is done. */
  cpu: number;
  memoryMib: number;
  diskGib: number;
  /** GiB to come by `node/storage`. */
  space: Record<string, number>;
  state: 'held' | 'made';
  runId?: string;
  worker: Worker;
  leaseUntil: string;
  changedAt: string;
}

/** `name_key` is the name in lower case; null where the guest has none. */
export type ReservationRow = Omit<Row<Reservation & { nameKey?: string }>, 'seq'> & { seq: Generated<number> };

/** An access token without its secret, of which only the hash is kept. Times are ISO. */
export interface TokenRecord {
  /** Derived from the hash, so that a presented token leads to its row. */
  id: string;
  name: string;
  /** The human or account answerable for it. */
  owner: string;
  role: Role;
  /** SHA-256 of the token, hexadecimal. */
  hash: string;
  scope?: Scope;
  /** Networks that may use it; empty: any. */
  cidrs: string[];
  /** The operator vouches that its client shows questions to a human and passes on the answer faithfully. */
  trustsClient: boolean;
  createdAt: string;
  expiresAt: string;
  revokedAt?: string;
  lastUsedAt?: string;
}

/** The scope is JSON too where there is none. */
export type TokenRow = Omit<Row<TokenRecord>, 'scope'> & { scope: string };
