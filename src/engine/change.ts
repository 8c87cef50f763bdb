import { defined } from '../core/defined.ts';
import { fail, ProxmoxMcpError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Plan } from '../core/plan.ts';
import type { Result } from '../core/result.ts';
import { takenVmid } from '../proxmox/refusals.ts';
import type { StandingApproval } from '../store/standing.ts';
import { redeemFor } from './approvals/approve.ts';
import { requestApproval } from './approvals/requests.ts';
import { useStanding } from './approvals/standing.ts';
import { checkPolicy } from './limits/guards.ts';
import { giveBack, holdingReservation } from './limits/hold.ts';
import { checkRights } from './limits/plan-rights.ts';
import { freeVmid, refuseDoomed, reserveGuest } from './limits/reservations.ts';
import { checkQuota, reserve } from './limits/reserve.ts';
import { makePlan } from './make-plan.ts';
import { followOther } from './other-call.ts';
import type { Ports } from './ports.ts';
import { auditCall, auditTarget } from './records.ts';
import { adoptOrphans } from './runs/adopt.ts';
import { runHeld } from './runs/answer.ts';
import type { ChangeCall } from './types.ts';

/** How often a VMID that we chose ourselves may turn out to be taken. */
const MAX_PLANS = 3;

/** Plans, and shows the plan; nothing is reserved, stored or sent. Quotas are checked, so that a dry-run refuses what the real call would. */
async function dryRun(call: ChangeCall, ports: Ports): Promise<Result> {
  const wanted = call.operation.reserves?.(call.args);
  const reservedVmid = wanted ? (wanted.vmid ?? (await freeVmid(ports))) : undefined;
  const plan = await makePlan(call, defined({ reservedVmid }), ports);
  if (!plan.existing) {
    if (wanted) await refuseDoomed(wanted.vmid, ports);
    await checkPolicy(plan, call, ports);
    await checkQuota(plan, ports, undefined);
    await checkRights(plan, ports.cluster.api);
  }
  return { kind: 'dry_run', plan };
}

/** Shows the plan, redeems the approval that the caller names, or takes the whole path. */
export async function change(call: ChangeCall, ports: Ports): Promise<Result> {
  const { options, deadline } = call;
  if (options.dryRun) {
    const result = await dryRun(call, ports);
    const target = result.kind === 'dry_run' ? auditTarget(result.plan) : {};
    const line = { kind: 'dry_run' as const, ...auditCall(call), ...target, status: 'ok', durationMs: deadline.elapsedMs };
    await ports.audit.append(line, { durable: false });
    return result;
  }
  deadline.waitsFor('the store');
  await adoptOrphans(ports);
  return options.approvalId === undefined ? planAndRun(call, ports) : redeemFor(options.approvalId, call, ports);
}

/** The whole path of a change: reservation, plan, quota, approval or run, outcome. */
async function planAndRun(call: ChangeCall, ports: Ports): Promise<Result> {
  const avoid = new Set<number>();
  for (let attempt = 1; ; attempt++) {
    try {
      return await changeOnce(call, ports, { avoid });
    } catch (error) {
      const takenVmid = vmidTakenMeanwhile(error, call);
      if (takenVmid === undefined || attempt >= MAX_PLANS) throw error;
      avoid.add(takenVmid);
    }
  }
}

/** Facts that one call learns while it waits for its turn. */
interface Turn {
  /** VMIDs that turned out to be taken. */
  avoid: ReadonlySet<number>;
  /** The half-made guest to finish: its own VMID is reserved, not a new one. */
  halfMade?: number;
}

async function changeOnce(call: ChangeCall, ports: Ports, turn: Turn): Promise<Result> {
  const { operation, args, deadline } = call;
  const wanted = operation.reserves?.(args);
  return holdingReservation(ports, async (hold) => {
    if (wanted) {
      deadline.waitsFor("Proxmox's answers or the store");
      const taken = await reserveGuest({ ...wanted, ...defined({ vmid: turn.halfMade ?? wanted.vmid }) }, ports, turn.avoid);
      if (taken.kind === 'other') {
        const left = await followOther(call, taken.reservation, ports);
        if ('result' in left) return left.result;
        return 'existing' in left ? alreadySo(call, left.existing, ports) : changeOnce(call, ports, { ...turn, ...left });
      }
      hold.mine = taken.reservation;
    }
    deadline.waitsFor("Proxmox's answers");
    const plan = await makePlan(call, defined({ mine: hold.mine }), ports);
    if (plan.existing) return alreadySo(call, plan, ports);
    const halfMade = plan.continues === undefined ? undefined : plan.demand?.vmid;
    if (hold.mine && halfMade !== undefined && hold.mine.vmid !== halfMade) {
      await giveBack(hold.mine.id, ports);
      hold.mine = undefined;
      return changeOnce(call, ports, { ...turn, halfMade });
    }
    const { method, approvals: needed, placed } = await checkPolicy(plan, call, ports);
    await checkRights(plan, ports.cluster.api);
    let standing: StandingApproval | undefined;
    if (method !== undefined) {
      await checkQuota(plan, ports, hold.mine);
      // Where several people must agree, one person's standing yes is not enough.
      standing = needed > 1 ? undefined : await useStanding(plan, operation, ports);
      if (!standing) {
        const approval = await requestApproval({ ...call, plan: { ...plan, ...defined({ placed }) }, method, needed }, ports);
        return { kind: 'approval_required', approval };
      }
    }
    hold.mine = await reserve(plan, ports, hold.mine);
    await checkQuota(plan, ports, hold.mine);
    return (
      (await runHeld({ ...call, plan, ...defined({ leaseId: standing?.id }) }, hold, ports)) ??
      fail('internal', 'The run could not be stored.')
    );
  });
}

/** Nothing to send: one line in the audit, and the operation's answer. */
async function alreadySo(call: ChangeCall, plan: Plan, ports: Ports): Promise<Result> {
  await ports.audit.append({ kind: 'outcome', ...auditCall(call), ...auditTarget(plan), status: 'existing' }, { durable: true });
  return { kind: 'done', output: call.operation.output.parse(plan.existing) as JsonObject };
}

/** The VMID that we chose and that another client took before our request arrived. */
function vmidTakenMeanwhile(error: unknown, call: ChangeCall): number | undefined {
  if (!(error instanceof ProxmoxMcpError) || (error.code !== 'conflict' && error.code !== 'task_failed')) return undefined;
  const { reserves } = call.operation;
  const wanted = reserves?.(call.args);
  if (wanted === undefined || wanted.vmid !== undefined) return undefined;
  const { proxmox, exit, done } = error.details ?? {};
  // Only what the first step ran into: once the guest is there, its VMID is ours.
  if (done !== undefined) return undefined;
  const said = typeof exit === 'string' ? exit : (proxmox as { message?: string } | undefined)?.message;
  return takenVmid(said ?? '');
}
