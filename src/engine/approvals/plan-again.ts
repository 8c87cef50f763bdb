import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { Caller, Requester } from '../../core/people/caller.ts';
import type { ApprovalRecord } from '../../core/plan/approval.ts';
import { nameAfter, partsOf, targetsOf } from '../../core/plan/parts.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { ReservationRequest } from '../../operations/define.ts';
import { listGuests } from '../../proxmox/guest/guests.ts';
import type { Reservation } from '../../store/schema.ts';
import { makePlan } from '../calls/make-plan.ts';
import { vmidsByName } from '../context.ts';
import { type Hold, releaseLeft } from '../limits/hold.ts';
import { reserveGuest } from '../limits/reservations.ts';
import { describe, planOutOfScope } from '../limits/scope.ts';
import { placedNow } from '../limits/subject.ts';
import { isoNow, type Ports } from '../ports.ts';
import { planDigest } from '../records.ts';
import type { ChangeCall } from '../types.ts';
import { checkOpen, recordDecision, visibleApproval } from './decisions.ts';
import { differences, worsened } from './stale.ts';

/**
 * Plans from live facts, for the requester and under the VMID that was shown, and compares with the approved plan. Holds the reservation of a new
 * guest from here on.
 * @throws approval_stale, conflict
 */
export async function planAgain(
  approval: ApprovalRecord,
  { operation, caller }: Pick<ChangeCall, 'operation' | 'caller'>,
  hold: Hold,
  ports: Ports,
): Promise<Plan> {
  const isFree = await reserveAgain(approval, operation, hold, ports);
  const shown = operation.reserves === undefined ? [] : newIn(approval.plan);
  const reserved = {
    mine: hold.mine,
    ...defined({ reservedVmid: shown[0]?.vmid }),
    reservedVmids: vmidsByName(shown),
  };
  await refuseStale(approval, await leftScope(approval, ports), caller, ports);
  const planned = await makePlan({ operation, args: approval.args, caller: requesterOf(approval) }, reserved, ports);
  const plan = await withPlaced(planned, approval.plan, ports);
  await refuseStale(approval, await compare(approval, plan, ports), caller, ports);
  if (!isFree) {
    checkOpen(await visibleApproval(approval.id, caller, ports));
    const missing = shown.find(({ vmid }) => !hold.mine.some((one) => one.vmid === vmid));
    fail('conflict', `Another call is creating ${missing?.name || 'the same guest'} or VMID ${missing?.vmid} right now.`, {
      hint: 'Check list_vms, then decide again. The approval is still pending.',
    });
  }
  return plan;
}

/** Rules about principals and scopes compare the requester, also when a human decides. */
export function requesterOf({ principal, scope }: ApprovalRecord): Requester {
  return { principal, ...defined({ scope }) };
}

/** The guests that a plan makes. */
function newIn(plan: Plan): { name: string; vmid: number }[] {
  return partsOf(plan).flatMap((part) => (part.demand?.newGuests === 1 ? [{ name: nameAfter(part), vmid: part.demand.vmid }] : []));
}

/** Reserves the requested guests again, under the VMIDs that were shown. @returns false when another call has reserved one */
async function reserveAgain(approval: ApprovalRecord, operation: ChangeCall['operation'], hold: Hold, ports: Ports): Promise<boolean> {
  const wanted = operation.reserves?.(approval.args);
  if (!wanted) return true;
  for (const { name, vmid } of newIn(approval.plan)) {
    const mine = await reserveOneAgain(Array.isArray(wanted) ? { name, vmid } : { ...wanted, vmid }, ports);
    if (!mine) return false;
    hold.mine.push(mine);
  }
  return true;
}

async function reserveOneAgain(request: ReservationRequest, ports: Ports): Promise<Reservation | undefined> {
  const taken = await reserveGuest(request, ports, new Set());
  if (taken.kind === 'mine') return taken.reservation;
  if (!(await releaseLeft(taken.reservation, ports))) return undefined;
  const again = await reserveGuest(request, ports, new Set());
  return again.kind === 'mine' ? again.reservation : undefined;
}

/** The requester's limits hold at the decision: a guest that the operator removed from them since is out of scope. */
async function leftScope({ plan, scope }: ApprovalRecord, ports: Ports): Promise<string[]> {
  if (scope === undefined) return [];
  const rows = await listGuests(ports.cluster.api);
  // A guest that is gone left no scope; planning says what it is.
  if (!targetsOf(plan).every(({ vmid }) => rows.some((row) => row.vmid === vmid))) return [];
  const reason = planOutOfScope(plan, rows, scope);
  return reason === undefined ? [] : [`the requester is limited to ${describe(scope)}, and ${reason}`];
}

/** The pools and tags that were evaluated, as they are now. */
async function withPlaced(plan: Plan, { placed }: Plan, ports: Ports): Promise<Plan> {
  return placed === undefined ? plan : { ...plan, placed: placedNow(placed, await listGuests(ports.cluster.api)) };
}

/** The differences between the plan of now and the approved one. */
async function compare(approval: ApprovalRecord, plan: Plan, ports: Ports): Promise<string[]> {
  const isOther = planDigest(plan, approval.args, approval.cluster) !== approval.digest;
  if (isOther || plan.existing || worsened(approval.plan, plan).length > 0) return differences(approval.plan, plan);
  for (const { vmid } of newIn(approval.plan)) {
    const at = { type: 'qemu', vmid, node: approval.plan.node ?? '' } as const;
    const free = await ports.cluster.api.holds({ kind: 'guest', ...at, is: 'absent' });
    if (free === false) return [`VMID ${vmid} now belongs to another guest`];
  }
  return [];
}

/** @param changed why the approval no longer holds; empty when it does */
async function refuseStale(approval: ApprovalRecord, changed: string[], caller: Caller, ports: Ports): Promise<void> {
  if (changed.length === 0) return;
  const note = changed.join('; ');
  const moved = await (await ports.store()).approvals.move(approval.id, 'pending', 'stale', { note, decidedAt: isoNow(ports.clock) });
  // No longer pending: another call was faster, and what differs is its doing.
  if (!moved) checkOpen(await visibleApproval(approval.id, caller, ports));
  await recordDecision({ ...approval, note }, { caller, status: 'stale' }, ports);
  fail('approval_stale', `Not done: ${approval.plan.summary}. Since the request: ${note}.`, { details: { differences: changed } });
}
