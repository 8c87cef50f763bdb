import type * as z from 'zod';
import type { GuestIdentity } from '../core/guest.ts';
import type { Caller } from '../core/people/caller.ts';
import type { ApprovalRecord, ApprovalStatus } from '../core/plan/approval.ts';
import type { Effect } from '../core/plan/effect.ts';
import type { PlanDraft, ResourceDemand } from '../core/plan/plan.ts';
import type { RunRecord } from '../core/plan/run.ts';
import type { ProxmoxReader } from '../core/proxmox.ts';
import type { Result } from '../core/result.ts';
import type { Excess, Quotas } from '../core/settings/limits.ts';
import type { GuestRun } from '../core/settings/policy.ts';
import type { LimitSettings, Settings } from '../core/settings/settings.ts';
import type { Toolset } from '../core/settings/toolset.ts';
import type { JsonObject } from '../core/text/json.ts';

/** A guest whose create or clone is in flight or so fresh that Proxmox's lists do not show its name yet. */
export type FreshGuest = Pick<GuestIdentity, 'vmid' | 'name' | 'node' | 'type'>;

/** A change that went through this server. */
export interface OwnChange {
  /** ISO time. */
  at: string;
  what: string;
  by: string;
  status: string;
  approved_by?: string;
  approved_via?: string;
  run_id: string;
  /** Tasks that it began. */
  upids: string[];
}

/** The sources of an operation: reads, the operator's settings for the cluster, and what this server remembers. They change nothing. */
export interface OperationContext {
  api: ProxmoxReader;
  limits: LimitSettings;
  defaults: Settings['defaults'];
  /** Where the API of the cluster is reached. */
  endpoints: readonly { host: string; port: number }[];
  /** The API token that acts, for texts about rights. */
  tokenId: string;
  /** Set for operations with `reserves`: the VMID reserved for this call. In a dry-run it is only looked up. */
  reservedVmid?: number;
  /** The same for a call that makes several guests, by name in lower case. */
  reservedVmids?: ReadonlyMap<string, number>;
  /** Guests that other calls are making right now. */
  fresh: FreshGuest[];
  /** Space (GiB) that work in flight will take on a place, as `placeOn` names it. */
  reservedGib: (place: string) => number;
  /** Limits of all guests together that a plan would exceed. Read only for a plan that is refused anyway. */
  overTotals: (demand: ResourceDemand) => Promise<Excess[]>;
  /** Every limit over the scope and how much of it is taken, as the guard counts. */
  quotas: () => Promise<Quotas>;
  /** The changes of a guest that went through this server, the newest first. */
  changesOf: (vmid: number) => Promise<OwnChange[]>;
  /** Whether the guest was created through this server: a row in our store, never a tag or a note. */
  createdHere: (identity: GuestIdentity) => Promise<boolean>;
  /** The run of ours that made the guest, or the last one that continued with it; undefined when none is remembered. */
  madeBy: (identity: GuestIdentity) => Promise<RunRecord | undefined>;
  /** Programs and files that the operator allows inside guests. */
  runs?: readonly GuestRun[];
  /** The caller, for plans. */
  principal?: string;
}

/** The name and VMID that a new guest reserves, so that two calls cannot create the same one. */
export interface ReservationRequest {
  /** Idempotence: compared case-insensitively. */
  name?: string;
  /** Chosen by the caller; otherwise the engine picks a free one. */
  vmid?: number;
}

/** Methods of the API by their names in the contract of Proxmox VE: `GET /nodes/{node}/qemu/{vmid}/config`. */
export type ApiRead = `GET /${string}`;
export type ApiChange = `${'POST' | 'PUT' | 'DELETE'} /${string}`;

type Sends = Readonly<Record<ApiChange, readonly string[]>>;

interface Definition<I extends z.ZodObject, O extends z.ZodObject> {
  /** The tool's name: snake_case, never renamed. */
  name: string;
  title: string;
  /** For the model: what it does, when to use it; one or two sentences. */
  description: string;
  /** The group in which it is offered. */
  toolset: Toolset;
  /** `z.strictObject` without the parameters that every operation has (dry_run, wait_seconds, reason). */
  input: I;
  /**
   * Parameters that take a VMID, each with the one that takes the guest's name instead: `{ vmid: 'name' }`. Callers may use either; the engine
   * finds the VMID, so `read` and `plan` know nothing of names.
   */
  byName?: Readonly<Record<string, string>>;
  output: O;
  /** Arguments that work on the embedded cluster: documentation shows them, and tests call every operation with them. */
  example?: JsonObject;
  /**
   * The list of the output that a list tool answers: models read it as `{columns, rows}`. `read` and `run` return objects; an output member
   * `columns` chooses those that models see, without it they see all.
   */
  table?: string;
  /** Further lists of the output that models read as tables of their own. */
  tables?: readonly string[];
  /** The reads without which it cannot work. Reads that no right restricts need not be stated. */
  reads?: readonly ApiRead[];
  /** Further reads: with the rights for them its answers tell more. */
  mayRead?: readonly ApiRead[];
  /**
   * For an operation whose caller names the method: the methods that it never sends, or of a method with names only these parameters. Such an
   * operation has no role, because each call needs the rights of its own method.
   */
  anyBut?: Readonly<Record<string, readonly string[]>>;
}

export interface ReadOperation<I extends z.ZodObject = z.ZodObject, O extends z.ZodObject = z.ZodObject> extends Definition<I, O> {
  effect: 'read';
  /** Reads nothing of a cluster. Where several are served, it answers once and names none. */
  ofNoCluster?: true;
  /** The GET requests that it would send, for a dry-run. Braces hold what is not known before: `GET /nodes/{node}/qemu/105/pending`. */
  preview(args: z.output<I>): string[];
  read(ctx: OperationContext, args: z.output<I>): Promise<z.input<O>>;
}

export interface ChangeOperation<I extends z.ZodObject = z.ZodObject, O extends z.ZodObject = z.ZodObject> extends Definition<I, O> {
  /** The least effect; a plan may raise it. */
  effect: Exclude<Effect, 'read'>;
  /**
   * The requests that its plans may send: methods, each with the names of its parameters, or `name=value` where the value decides which rights it
   * needs. The role for a token, `doctor` and the documentation follow from them, and the engine sends nothing else.
   */
  sends: Sends;
  /** Requests, and further parameters of those in `sends`, that only some arguments need; without the rights for them the others work. */
  maySend?: Sends;
  /** The new guest, or several, each by its name; undefined for arguments that make none. */
  reserves?(args: z.output<I>): ReservationRequest | ReservationRequest[] | undefined;
  /** Reads and decides, sends nothing. Throws what Proxmox would refuse. */
  plan(ctx: OperationContext, args: z.output<I>): Promise<PlanDraft>;
  /**
   * Reads what can be read once after the last step, such as the end of a program. The engine keeps it with the run and hands it to `report` in
   * `told` of the last step. It does not keep one with a `notice`: a later look may tell more.
   */
  tellsOnce?(api: ProxmoxReader, run: RunRecord): Promise<JsonObject | undefined>;
  /** Called after the last step. Reads, and answers from the stored run alone, so that any process can do it after a crash. */
  report(api: ProxmoxReader, run: RunRecord): Promise<z.input<O>>;
}

export interface TaskFilter {
  status?: 'failed' | 'running';
  /** VMID or name. */
  guest?: string;
  node?: string;
  limit: number;
  /** Lines of the log of each; 0: none. */
  logLines: number;
}

/** The objects of control operations; the engine supplies them. */
export interface ControlPorts {
  caller: Caller;
  approvals: {
    list(filter: {
      status?: ApprovalStatus;
      limit: number;
      cursor?: string;
    }): Promise<{ approvals: ApprovalRecord[]; total: number; nextCursor?: string }>;
    approve(id: string, options: { waitSeconds?: number }): Promise<Result>;
    deny(id: string, reason: string | undefined): Promise<Result>;
  };
  tasks: {
    /** `logLines` left out: those of a failure. */
    get(query: { upid?: string; runId?: string; waitSeconds?: number; logLines?: number }): Promise<JsonObject>;
    /** The caller's own runs, the newest first. */
    recent(filter: TaskFilter): Promise<JsonObject>;
    /** Tasks of Proxmox of all users, the newest first. */
    list(filter: TaskFilter): Promise<JsonObject>;
  };
}

export interface ControlOperation<I extends z.ZodObject = z.ZodObject, O extends z.ZodObject = z.ZodObject> extends Definition<I, O> {
  effect: 'control';
  /** Decides something (approve, deny), so it is annotated as not read-only. */
  decides: boolean;
  /** Releases a pending plan. Transports ask hosts to let a human confirm it. */
  releases?: true;
  run(ports: ControlPorts, args: z.output<I>): Promise<Result>;
}

export type Operation = ReadOperation | ChangeOperation | ControlOperation;

/** Gives `read`, `plan` and `report` the types of the operation's own schemas. Has no effect at run time. */
export function defineOperation<I extends z.ZodObject, O extends z.ZodObject>(
  operation: ReadOperation<I, O> | ChangeOperation<I, O> | ControlOperation<I, O>,
): Operation {
  return operation as unknown as Operation;
}
