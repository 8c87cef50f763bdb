import { defined } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import { type GuestIdentity, labelOf } from '../../../core/guest.ts';
import type { CheckStep, Condition, PlanFacts } from '../../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import {
  type Guest,
  type GuestRow,
  type GuestStatus,
  locate,
  type PendingChange,
  readGuest,
  readStatus,
} from '../../../proxmox/guest/guests.ts';
import { readSnapshots, type Snapshots } from '../../../proxmox/guest/snapshots.ts';
import { atItsPlace } from './known-places.ts';

/** The facts that a plan about an existing guest needs. They are read afresh, because guests move and change. */
export interface Target {
  row: GuestRow;
  guest: Guest;
  snapshots: Snapshots;
  status: GuestStatus;
  running: boolean;
}

/** @throws guest_not_found */
export async function readTarget(api: ProxmoxReader, vmid: number): Promise<Target> {
  const row = await locate(api, vmid);
  return { row, ...(await readAt(api, row)) };
}

async function readAt(api: ProxmoxReader, row: GuestRow): Promise<Omit<Target, 'row'>> {
  const [guest, snapshots, status] = await Promise.all([readGuest(api, row), readSnapshots(api, row), readStatus(api, row)]);
  return { guest, snapshots, status, running: status.status === 'running' };
}

/** A target without the cluster's list, which is enough for a start. Its pool is known only where the list was read. */
export type NearTarget = Omit<Target, 'row'> & { row?: GuestRow };

/**
 * Reads a target at its last known place, for changes that need nothing of the cluster's list: its cost does not grow with the fleet.
 * A guest that moved is looked up in the list.
 * @throws guest_not_found
 */
export function readNearTarget(api: ProxmoxReader, vmid: number): Promise<NearTarget> {
  return atItsPlace(api, vmid, async (row, isFresh) => ({ ...(await readAt(api, row)), ...(isFresh ? { row } : {}) }));
}

/** `web1 (105)`, for texts that humans read. */
export function label(guest: { identity: { name: string; vmid: number } }): string {
  return labelOf(guest.identity);
}

/** Its memory is on disk (lock `suspended`), and starting it continues from there. */
export function hibernated(guest: Guest): boolean {
  return guest.identity.lock === 'suspended';
}

/** @throws locked unless the lock is one of those that this operation may meet */
export function refuseLocked(target: { guest: Guest; status?: GuestStatus }, except: readonly string[] = []): void {
  const lock = target.guest.identity.lock ?? target.status?.lock;
  if (lock === undefined || except.includes(lock)) return;
  const { vmid, node, type } = target.guest.at;
  if (lock === 'suspended') {
    // Unlocking would throw the saved memory away.
    fail('locked', `${label(target.guest)} is hibernated. Its memory is saved on disk.`, {
      hint: `Wake it with start_vm {"vmid": ${vmid}}, then call again.`,
      details: { lock },
    });
  }
  const tool = type === 'qemu' ? 'qm' : 'pct';
  const stale = `Wait for the task that holds the lock and call again. If no task runs, the lock is stale. The operator then runs "${tool} unlock ${vmid}" on ${node}.`;
  fail('locked', `${label(target.guest)} is locked (${plainText(lock, 40)}).`, {
    // No task holds it: an operator mounted the container's disks in the node's shell, and unlocking would leave them mounted.
    hint: lock === 'mounted' ? `Ask the operator to run "pct unmount ${vmid}" on ${node}, then call again.` : stale,
    details: { lock },
  });
}

/** @throws guest_state */
export function refuseTemplate(guest: Guest, what: string): void {
  if (guest.template)
    fail('guest_state', `${label(guest)} is a template and cannot be ${what}.`, {
      hint: 'Clone it with clone_template and use the clone.',
    });
}

/** @param why completes "web1 (105) runs. …" @throws guest_running */
export function refuseRunning({ identity, at }: Guest, running: boolean, why = 'It must be stopped first.'): void {
  if (running) fail('guest_running', `${labelOf(identity)} runs. ${why}`, { hint: `Call stop_vm {"vmid": ${at.vmid}}, then call again.` });
}

/** The changes that the guest's next stop and start apply besides the requested one. */
export function pendingWarnings(guest: Guest): string[] {
  return guest.pending.length === 0 ? [] : [`pending changes take effect with the next stop and start: ${pendingText(guest.pending)}`];
}

/** `memory 2048 → 4096, balloon 1024 → removed` */
export function pendingText(changes: readonly PendingChange[]): string {
  return changes.map((p) => `${p.key} ${plainText(p.now ?? 'unset', 60)} → ${plainText(p.next ?? 'removed', 60)}`).join(', ');
}

/** Checks once more, where an earlier step may have taken long, that the VMID still belongs to this guest. */
export function stillItself(identity: GuestIdentity): CheckStep {
  const { vmid, type, node, key } = identity;
  const that: Condition = { kind: 'guest', vmid, type, node, is: 'present', key };
  return { kind: 'check', id: 'same', that, purpose: `${labelOf(identity)} is still the same guest` };
}

/** The part of every plan about an existing guest; a plan with choices names its own. */
export function about(target: NearTarget) {
  const { identity, at } = target.guest;
  return { target: identity, node: at.node, facts: factsOf(target), choices: [] as string[] };
}

export function factsOf(target: NearTarget): PlanFacts {
  const { row, guest, snapshots, status } = target;
  const ha = status.ha ?? row?.ha;
  return {
    ...(target.running ? { uptimeSeconds: status.uptimeSeconds } : {}),
    snapshots: snapshots.names.map((name) => plainText(name, 40)),
    ...defined({ ha }),
    ...(guest.tags.length === 0 ? {} : { tags: guest.tags.map((tag) => plainText(tag, 40)) }),
    ...defined({ pool: row?.pool }),
  };
}
