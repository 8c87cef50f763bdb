import { defined } from '../../core/defined.ts';
import { fail, ProxmoxMcpError } from '../../core/errors/errors.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Result } from '../../core/result.ts';
import type { JsonObject } from '../../core/text/json.ts';
import type { ReservationRequest } from '../../operations/define.ts';
import { takenVmid } from '../../proxmox/answers/refusals.ts';
import type { StandingApproval } from '../../store/schema.ts';
import { redeemFor } from '../approvals/approve.ts';
import { requestApproval } from '../approvals/requests.ts';
import { useStanding } from '../approvals/standing.ts';
import type { Reserved } from '../context.ts';
import { checkPolicy } from '../limits/guards.ts';
import { giveAllBack, type Hold, holdingReservation } from '../limits/hold.ts';
import { checkRights } from '../limits/plan-rights.ts';
import { freeVmid, refuseDoomed, reserveGuest } from '../limits/reservations.ts';
import { checkQuota, reserve } from '../limits/reserve.ts';
import type { Ports } from '../ports.ts';
import { auditCall, auditTarget } from '../records.ts';
import { runHeld } from '../runs/answer.ts';
import { adoptOrphans } from '../runs/outcome/adopt.ts';
import type { ChangeCall } from '../types.ts';
import { type HalfMade, holdEach, keepNeeded } from './hold-each.ts';
import { makePlan } from './make-plan.ts';
import { followOther } from './other-call.ts';

/** Plans of one call: another client may take the VMID that the server chose. */
const MAX_PLANS = 3;

/** The plan that a dry-run shows. Nothing is reserved, stored or sent, and the checks refuse what the real call would be refused for. */
async function planOnly(call: ChangeCall, ports: Ports): Promise<Plan> {
  const wanted = call.operation.reserves?.(call.args);
  const plan = await makePlan(call, await lookedUp(wanted, ports), ports);
  if (!plan.existing) {
    if (wanted) await refuseDoomed('vmid' in wanted ? wanted.vmid : undefined, ports);
    await checkPolicy(plan, call, ports);
    await checkQuota(plan, ports, []);
    await checkRights(plan, ports.cluster.api);
  }
  return plan;
}

/** The VMIDs that the real call would reserve now. */
async function lookedUp(wanted: ReservationRequest | ReservationRequest[] | undefined, ports: Ports): Promise<Reserved> {
  if (!wanted) return {};
  if (!Array.isArray(wanted)) return { reservedVmid: wanted.vmid ?? (await freeVmid(ports)) };
  const reservedVmids = new Map<string, number>();
  for (const { name = '' } of wanted) reservedVmids.set(name.toLowerCase(), await freeVmid(ports, [...reservedVmids.values()]));
  return { reservedVmids };
}

/** Shows the plan, redeems the approval that the caller names, or takes the whole path. */
export async function change(call: ChangeCall, ports: Ports): Promise<Result> {
  const { options, deadline } = call;
  if (options.dryRun) {
    const plan = await planOnly(call, ports);
    const line = { kind: 'dry_run' as const, ...auditCall(call), ...auditTarget(plan), status: 'ok', durationMs: deadline.elapsedMs };
    await ports.audit.append(line, { durable: false });
    return { kind: 'dry_run', plan };
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
  /** The half-made guest to finish: its own VMID is reserved, not a new one. By name, where the call makes several. */
  halfMade?: number | HalfMade;
}

async function changeOnce(call: ChangeCall, ports: Ports, turn: Turn): Promise<Result> {
  const { operation, args, deadline } = call;
  const wanted = operation.reserves?.(args);
  return holdingReservation(ports, async (hold) => {
    const { halfMade: known } = turn;
    if (Array.isArray(wanted)) {
      const continues = await holdEach(call, { wanted, halfMade: typeof known === 'object' ? known : new Map() }, hold, ports);
      if (continues) return continues;
    } else if (wanted) {
      deadline.waitsFor("Proxmox's answers or the store");
      const vmid = typeof known === 'number' ? known : wanted.vmid;
      const taken = await reserveGuest({ ...wanted, ...defined({ vmid }) }, ports, turn.avoid);
      if (taken.kind === 'other') {
        const left = await followOther(call, taken.reservation, ports);
        if ('result' in left) return left.result;
        return 'existing' in left ? alreadySo(call, left.existing, ports) : changeOnce(call, ports, { ...turn, ...left });
      }
      hold.mine = [taken.reservation];
    }
    deadline.waitsFor("Proxmox's answers");
    const plan = await makePlan(call, { mine: hold.mine }, ports);
    if (plan.existing) return alreadySo(call, plan, ports);
    const halfMade = plan.makes ? await keepNeeded(plan, hold, ports) : await otherVmid(plan, hold, ports);
    if (halfMade !== undefined) return changeOnce(call, ports, { ...turn, halfMade });
    const { method, approvals: needed, placed } = await checkPolicy(plan, call, ports);
    await checkRights(plan, ports.cluster.api);
    let standing: StandingApproval | undefined;
    if (method !== undefined) {
      await checkQuota(plan, ports, hold.mine);
      // Where several people must agree, one person's standing approval is not enough.
      standing = needed > 1 ? undefined : await useStanding(plan, operation, ports);
      if (!standing) {
        const approval = await requestApproval({ ...call, plan: { ...plan, ...defined({ placed }) }, method, needed }, ports);
        return { kind: 'approval_required', approval };
      }
    }
    await reserve(plan, hold, ports);
    await checkQuota(plan, ports, hold.mine);
    const result = await runHeld({ ...call, plan, ...defined({ leaseId: standing?.id }) }, hold, ports);
    return result ?? fail('internal', 'The run could not be stored.');
  });
}

/** The half-made guest that the plan finishes, where another VMID was reserved: that is given back. */
async function otherVmid({ continues, demand }: Plan, hold: Hold, ports: Ports): Promise<number | undefined> {
  const [mine] = hold.mine;
  if (continues === undefined || !mine || mine.vmid === demand?.vmid) return undefined;
  await giveAllBack(hold, ports);
  return demand?.vmid;
}

/** Nothing to send: one line in the audit, and the operation's answer. */
async function alreadySo(call: ChangeCall, plan: Plan, ports: Ports): Promise<Result> {
  await ports.audit.append({ kind: 'outcome', ...auditCall(call), ...auditTarget(plan), status: 'existing' }, { durable: true });
  return { kind: 'done', output: call.operation.output.parse(plan.existing) as JsonObject };
}

/** The VMID that the server chose and that another client took before the request arrived. */
function vmidTakenMeanwhile(error: unknown, call: ChangeCall): number | undefined {
  if (!(error instanceof ProxmoxMcpError) || (error.code !== 'conflict' && error.code !== 'task_failed')) return undefined;
  const { reserves } = call.operation;
  const wanted = reserves?.(call.args);
  if (wanted === undefined || Array.isArray(wanted) || wanted.vmid !== undefined) return undefined;
  const { proxmox, exit, done } = error.details ?? {};
  // Only the first step can meet it: once the guest is there, its VMID is ours.
  if (done !== undefined) return undefined;
  const said = typeof exit === 'string' ? exit : (proxmox as { message?: string } | undefined)?.message;
  return takenVmid(said ?? '');
}
