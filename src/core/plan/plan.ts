import { type GuestAt, type GuestIdentity, labelOf } from '../guest.ts';
import type { Json } from '../text/json.ts';
import { type Effect, gravest } from './effect.ts';

/** A secret is never in a plan: this stands for it, and its id (an HMAC of the value) makes equal secrets equal plans. */
export interface SecretRef {
  $secret: string;
}
/** The digest after an earlier step, e.g. `clone.digest`: of the guest's configuration, or of a list. */
export interface FromRef {
  $from: `${string}.digest`;
  /** The path of a list whose rows carry the digest, and `contentOf` the rows as that step leaves them: another list ends the run. */
  of?: string;
  is?: string;
}
export type ParamValue = string | number | boolean | string[] | SecretRef | FromRef;
export type Params = Record<string, ParamValue>;

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
export type MutatingMethod = Exclude<Method, 'GET'>;

/** A fact about the cluster that can be looked up with GET requests alone. */
export type Condition =
  /** With `key` (GuestIdentity.key) another guest of this VMID does not count: `absent` holds then and `present` does not. */
  | (GuestAt & { kind: 'guest'; is: 'running' | 'stopped' | 'present' | 'absent'; key?: string })
  /** Every listed option has this value (as text) in the guest's config, pending values included. Null stands for an absent option. */
  | (GuestAt & {
      kind: 'config';
      has: Record<string, string | null>;
      /** Of options whose whole value Proxmox completes: the parts between its commas, such as `bridge=vmbr1` of net1. */
      parts?: Record<string, string[]>;
    })
  /** The disk has at least this size (GiB), and is on this storage where one is named. */
  | (GuestAt & { kind: 'disk'; disk: string; atLeastGib: number; storage?: string })
  /** The guest has an address that leads to it, as its agent or its host tells. */
  | (GuestAt & { kind: 'address' })
  /** The guest runs on this node. */
  | (GuestAt & { kind: 'location' })
  /** A backup of the guest that finished after the run began is on the storage. */
  | { kind: 'backup'; vmid: number; node: string; storage: string }
  /**
   * The list at this path holds a row with these values (as text), or holds none: a snapshot, a volume, a rule. `says`: in words, "snapshot
   * before-upgrade of web1 (105) exists".
   */
  | {
      kind: 'listed';
      path: string;
      params?: Record<string, string | number>;
      row: Record<string, string | null>;
      is: 'present' | 'absent';
      says: string;
    }
  /** The object at this path has these values (as text). Null stands for an absent field. */
  | { kind: 'reads'; path: string; has: Record<string, string | null>; says: string };

/** The part that all kinds of steps share. */
interface InLane {
  /** The guest whose step it is, in a plan for several: the steps of one guest run in order, beside those of the others. */
  lane?: number;
}
export interface RequestStep extends InLane {
  kind: 'request';
  /** Short, unique in the plan: `create`, `start`, … */
  id: string;
  method: MutatingMethod;
  /** Below /api2/json, segments already percent-encoded. */
  path: string;
  params: Params;
  /** For the human: what this request is for, e.g. "power off web1 (105)". */
  purpose: string;
  /** The worker task that Proxmox starts for it; absent for requests that answer at once. Used to wait, and to find the task again after a crash. */
  task?: { type: string; id: string; node: string; timeoutSeconds: number };
  /** The condition that proves, after an unknown answer, that this step took effect. */
  proof?: Condition;
  /** May be sent again when the task ended with a lock timeout (which proves that nothing was done). */
  retryOnLock?: boolean;
  /** The next step when this request's task fails, where the general hint is not enough. */
  onFailure?: string;
  /** Things that it shares with requests for other guests of the plan, each with how many may use it at once: `{ 'local-lvm on pve': 2 }`. */
  atMost?: Record<string, number>;
}
/** Waits until something holds; a time-out fails the run. */
export interface WaitStep extends InLane {
  kind: 'wait';
  id: string;
  until: Condition;
  timeoutSeconds: number;
  /** Completes "wait until …": "the HA manager has started it". */
  purpose: string;
  /** A time-out does not fail the run. The answer says what holds by then. */
  mayFail?: true;
}
/** Refuses to continue when something does not hold now. */
export interface CheckStep extends InLane {
  kind: 'check';
  id: string;
  that: Condition;
  /** Completes "check that …": "web1 (105) is stopped". */
  purpose: string;
}
export type Step = RequestStep | WaitStep | CheckStep;

/** CPU is sockets × cores, RAM in MiB, disk the sum of all disks in GiB. */
export interface Sizes {
  cpu: number;
  memoryMib: number;
  diskGib: number;
}

/** The resources that a plan takes; the quota guard counts them. */
export interface ResourceDemand {
  /** 1 when the plan creates a guest that counts (not a template). */
  newGuests: 0 | 1;
  vmid: number;
  /** The guest's resources after the plan. */
  after: Sizes;
  /** Its resources now; zeros for a new guest. Only increases are checked against the limits. */
  before: Sizes;
}

/** Facts for the human's decision. Gauges: never part of the digest. */
export interface PlanFacts {
  uptimeSeconds?: number;
  snapshots?: string[];
  /** ISO time of the newest backup found, null when none was found, absent when it could not be looked up. */
  lastBackup?: string | null;
  ha?: string;
  tags?: string[];
  pool?: string;
  disks?: string[];
  /** Volumes that the guest's configuration names and the plan leaves alone: ISOs, paths on the host, volumes of other guests. */
  untouched?: string[];
  /** Other names this guest had when this server saw it, the newest first: renaming before deleting must not hide what it was. */
  formerNames?: string[];
  /** The same about each guest of a plan for several; then only `formerNames` stands beside it. */
  guests?: ({ vmid: number } & Omit<PlanFacts, 'formerNames' | 'guests'>)[];
}

/** A guest whose disks a plan copies. */
export interface SourceGuest {
  vmid: number;
  template: boolean;
  /** Absent for a guest that the token cannot read. */
  identity?: GuestIdentity;
  /** Only its volumes are left. */
  gone?: true;
}

/** The pool and tags of a guest, as far as policy or scope depend on them. `pool` is null where the token sees none. */
export interface Placed {
  vmid: number;
  pool?: string | null;
  tags?: string[];
}

/** The part of a plan for several about one guest that it makes, or finishes. */
export type Made = Pick<Plan, 'node' | 'target' | 'space' | 'continues' | 'cleanup' | 'after' | 'facts'> & { demand: ResourceDemand };

/** The facts that decide whether a guest counts against the limits of a scope. */
interface Place {
  tags: string[];
  pool?: string;
}

export interface Plan {
  operation: string;
  /** One line: verb, name, VMID, node. */
  summary: string;
  effect: Effect;
  /** Why the effect is graver than the operation's own; shown in the approval. */
  raisedBecause?: string;
  target?: GuestIdentity;
  /** All guests of a plan that covers several; `target` is the first of them then. */
  targets?: GuestIdentity[];
  /** Guests whose disks it copies; the engine tells them from the requests. */
  sources?: SourceGuest[];
  /** Pools and tags of its guests when it was evaluated; only in the plan of an approval. */
  placed?: Placed[];
  /**
   * The things that it acts on beside guests, each with the facts that identify it. A backup has volid, size and time, a snapshot name and time,
   * a list of rules its digest. Any difference at redemption makes the approval stale.
   */
  binds?: Record<string, Json>;
  /**
   * Tags and pools that it takes from or gives to a guest. The plan counts as destroying where a rule of the policy or a standing approval names one of
   * them. `from` and `to`: all that the guest has before and afterwards.
   */
  moves?: { tags: string[]; pools: string[]; from: Place & { template: boolean }; to: Place };
  /** Tags and protection that the guest has afterwards, where a rollback brings back others: policy counts it as both. */
  becomes?: { tags: string[]; protection: boolean };
  /** When (epoch seconds) the data was saved that it restores: its owner may be a former guest of the VMID. */
  savedAt?: number;
  /** Where the guest is or will be made. */
  node?: string;
  /** Space (GiB) that the plan takes, by `node/storage` (by `storage` where nodes share it); other plans leave it free while this one is in flight. */
  space?: Record<string, number>;
  steps: Step[];
  /** The conditions that must hold after the last step. */
  expected: Condition[];
  demand?: ResourceDemand;
  /** The guests of a plan that makes several, in place of `demand`. */
  makes?: Made[];
  /** The single changes of a guest with the options that they set, for an answer that tells which of them are live. */
  changes?: { keys: string[]; text: string }[];
  /** Choices made for the caller: `storage: local-lvm (the only one that takes disk images)`. */
  choices: string[];
  warnings: string[];
  before?: Record<string, Json>;
  after?: Record<string, Json>;
  /** The undo step, or that there is none. */
  undo: string;
  facts?: PlanFacts;
  /** The run that left the guest half-made: these are the steps that it did not do. */
  continues?: string;
  /** The operation's output where nothing needs to be done. Nothing is sent. */
  existing?: Record<string, Json>;
  /** The exact call that cleans up when a step fails after a guest was created. */
  cleanup?: string;
}

/** A plan as its operation makes it. `planFrom` adds what holds for every plan of the operation. */
export type PlanDraft = Omit<Plan, 'operation' | 'effect'> & Partial<Pick<Plan, 'effect'>>;

/** The plan of a draft, which may raise the effect of its operation, never lower it. A plan that sends nothing has none. */
export function planFrom(draft: PlanDraft, { name, effect }: { name: string; effect: Effect }): Plan {
  return { ...draft, operation: name, effect: draft.existing ? 'read' : gravest(effect, draft.effect) };
}

/** The digest of the configuration as the newest step left it, for a plan that creates the guest it configures. */
export function digestAfter(steps: readonly Step[]): FromRef {
  const last = steps.findLast((step) => step.kind === 'request');
  if (!last) throw new Error('no step makes the guest');
  return { $from: `${last.id}.digest` };
}

/** The parts of a plan that sends nothing, with the operation's output. */
export function nothingToSend(existing: Record<string, Json>) {
  return { steps: [], expected: [], choices: [], warnings: [], undo: '', existing } satisfies Partial<Plan>;
}

/** Whether the proof tells of everything that the request sets; one without the cloud-init password does not. */
export function provesAll({ proof, params }: RequestStep): boolean {
  if (proof?.kind !== 'config') return true;
  return Object.keys(params).every((option) => option === 'digest' || option in proof.has || option in (proof.parts ?? {}));
}

export function isSecretRef(value: unknown): value is SecretRef {
  return typeof value === 'object' && value !== null && typeof (value as { $secret?: unknown }).$secret === 'string';
}

/** `vault (106)`, for texts that humans read. */
export function nameOfSource({ vmid, identity }: SourceGuest): string {
  return labelOf({ name: identity?.name ?? '', vmid });
}

/** Whether the flag that guards a guest against deletion counts for its disks. A template is there to be copied. */
export function isGuarded({ identity, template, gone }: SourceGuest): boolean {
  if (gone || template) return false;
  // A guest that the token cannot read may be protected.
  return identity?.protection ?? true;
}
