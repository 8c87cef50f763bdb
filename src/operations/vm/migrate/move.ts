import { defined, present } from '../../../core/defined.ts';
import { type Effect, raisedTo } from '../../../core/plan/effect.ts';
import type { Condition, Params, PlanDraft, RequestStep, Step } from '../../../core/plan/plan.ts';
import { plainText } from '../../../core/text/text.ts';
import type { PendingChange } from '../../../proxmox/guest/guests.ts';
import { parseProperties } from '../../../proxmox/guest/property-strings.ts';
import { destroying, doomedBy } from '../lib/doomed.ts';
import { guestRequest } from '../lib/guest-request.ts';
import { about, label, pendingText } from '../lib/target.ts';
import { sizeText } from '../lib/volumes.ts';
import type { How, Mover } from './mover.ts';

/** How long (s) the copy of disks may take before a run calls its outcome unknown. */
const COPY_SECONDS = 24 * 3600;
/** The HA manager acts on its next round, and a live migration takes as long as the memory is busy. */
const HA_SECONDS = 3600;
/** A container that has not shut down by then is killed; Proxmox's default. */
const SHUTDOWN_SECONDS = 180;

const EFFECTS: Record<How, { effect: Effect; why?: string }> = {
  live: { effect: 'change' },
  restart: {
    effect: 'disrupt',
    why: `a container that runs is shut down (killed after ${SHUTDOWN_SECONDS} s), moved and started again`,
  },
  offline: { effect: 'disrupt', why: 'a stopped guest cannot be started while it moves' },
};

export interface Moving {
  mover: Mover;
  /** The node. */
  to: string;
  storage: string | undefined;
  /** HA moves it with this guest, so it has no request of its own. */
  with?: Mover;
  /** The reason for a node that was chosen for the caller. */
  choice?: string;
  /** The nodes to which HA brings it back. */
  preferred: readonly string[] | undefined;
}

/** The plan that moves one guest. */
export function planMove(moving: Moving): PlanDraft {
  const { mover, to, storage } = moving;
  const { target, how } = mover;
  const { guest } = target;
  const { at } = guest;
  const of = label(guest);
  const there = { ...at, node: to };
  // A container's restart applies what is pending; a live move does not.
  const pending = how === 'restart' ? guest.pending : [];
  const { effect, why } = EFFECTS[how];
  const plan: PlanDraft = {
    ...about(target),
    node: to,
    summary: `Move ${of} from ${at.node} to ${to} (${how})`,
    ...raisedTo(effect, why),
    steps: stepsOf(moving),
    expected: [arrived(moving), ...(how === 'offline' ? [] : [{ kind: 'guest', ...there, is: 'running' } as const])],
    choices: moving.choice === undefined ? [] : [`target_node: ${moving.choice}`],
    warnings: [...unusedStorage(moving), ...backAgain(moving), ...warningsOf(mover, pending)],
    before: { node: at.node },
    after: { node: to, move: how, ...copiedView(moving) },
    undo: undoOf(mover, storage),
  };
  return destroying(plan, doomedBy(pending), there, 'its restart');
}

/** `scsi0 16 GiB to local-lvm` */
function copiedView({ mover: { copied }, storage }: Moving): { local_disks?: string[] } {
  if (copied.length === 0) return {};
  return {
    local_disks: copied.map(
      (one) => `${one.slot ?? plainText(one.volid, 80)}${one.gib > 0 ? ` ${sizeText(one.gib)}` : ''} to ${storage ?? one.storage}`,
    ),
  };
}

/** Proxmox leaves disks on shared storage where they are, whatever storage is named. */
function unusedStorage({ mover, storage }: Moving): string[] {
  if (storage === undefined || mover.copied.length > 0) return [];
  return [`storage ${storage} is not used: its disks are on shared storage and stay there`];
}

function backAgain({ to, preferred }: Moving): string[] {
  if (preferred === undefined || preferred.includes(to)) return [];
  return [`HA prefers ${preferred.join(', ')} for it and moves it back, unless that node is in maintenance (node affinity rule, failback)`];
}

function arrived({ mover, to }: Pick<Moving, 'mover' | 'to'>): Condition {
  return { kind: 'location', ...mover.target.guest.at, node: to };
}

/** Proxmox ends the task of a guest under HA when the request is queued, so its place is waited for. */
function stepsOf(moving: Moving): Step[] {
  const { mover, to } = moving;
  const of = label(mover.target.guest);
  // HA stops a container, moves it and starts it there.
  const isThere: Condition =
    mover.managed && mover.how === 'restart' ? { kind: 'guest', ...mover.target.guest.at, node: to, is: 'running' } : arrived(moving);
  const leader = moving.with && label(moving.with.target.guest);
  return [
    ...(leader === undefined ? [requestOf(moving)] : []),
    {
      kind: 'wait',
      id: 'moved',
      until: isThere,
      timeoutSeconds: mover.managed ? HA_SECONDS : 60,
      purpose: `${of} is on ${to}${leader === undefined ? '' : `, to which HA moves it with ${leader}`}`,
    },
  ];
}

function requestOf(moving: Moving): RequestStep {
  const { mover, to } = moving;
  const { at } = mover.target.guest;
  return guestRequest(at, {
    id: 'migrate',
    path: '/migrate',
    params: paramsOf(moving),
    purpose: `move ${label(mover.target.guest)} to ${to}`,
    task: mover.managed ? 'hamigrate' : at.type === 'qemu' ? 'qmigrate' : 'vzmigrate',
    seconds: COPY_SECONDS,
    proof: arrived(moving),
    onFailure: `The reason is in the log. See where the guest is with get_vm {"vmid": ${at.vmid}}.`,
  });
}

/** The parameters of a container have other names. HA ignores all but the node. */
function paramsOf({ mover, to, storage }: Moving): Params {
  const { how, copied, target } = mover;
  const goal = copied.length > 0 ? storage : undefined;
  if (target.guest.at.type === 'lxc') {
    const restart: Params = how === 'restart' ? { restart: true, timeout: SHUTDOWN_SECONDS } : {};
    return { target: to, ...restart, ...defined({ 'target-storage': goal }) };
  }
  const live: Params = how === 'live' ? { online: true, ...(copied.length > 0 ? { 'with-local-disks': true } : {}) } : {};
  return { target: to, ...live, ...defined({ targetstorage: goal }) };
}

function warningsOf({ how, target, unseen }: Mover, pending: readonly PendingChange[]): string[] {
  const { at, live } = target.guest;
  const host = how === 'live' && parseProperties(live.cpu ?? '', 'cputype').cputype === 'host';
  const passed = at.type === 'lxc' && Object.keys(live).some((key) => /^dev\d+$/.test(key));
  return present(
    host && 'its CPU type is host: it may crash on a node with another CPU model',
    passed && 'it uses devices of the node, which the other one must have too',
    pending.length > 0 && `pending changes take effect: ${pendingText(pending)}`,
    unseen.length > 0 && `whether the other node has storage ${unseen.join(', ')} is not visible to this token`,
  );
}

function undoOf({ target, copied }: Mover, storage: string | undefined): string {
  const { vmid, node } = target.guest.at;
  const from = [...new Set(copied.map((one) => one.storage))];
  const back = storage !== undefined && from.length === 1 ? `, "storage": "${from[0]}"` : '';
  const mixed = storage !== undefined && from.length > 1 ? '; its disks then lie on one storage' : '';
  return `migrate_vm {"vmid": ${vmid}, "target_node": "${node}"${back}}${mixed}`;
}
