import type { Caller } from '../core/caller.ts';
import { graver } from '../core/effect.ts';
import { fail, ProxmoxMcpError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Plan } from '../core/plan.ts';
import { type Result, runningResult } from '../core/result.ts';
import type { RunRecord } from '../core/run.ts';
import { sameName } from '../operations/vm/lib/match.ts';
import { listGuests, locate, readGuest } from '../proxmox/guests.ts';
import { takenVmid } from '../proxmox/refusals.ts';
import type { Lease } from '../store/leases.ts';
import type { Reservation } from '../store/reservations.ts';
import { requestApproval } from './approvals/requests.ts';
import { takeLease } from './approvals/standing.ts';
import { planContext } from './context.ts';
import { claim, freeVmid, giveBack, isLeft, refuseDoomed } from './limits/claims.ts';
import { checkPolicy } from './limits/guards.ts';
import { checkRights } from './limits/plan-rights.ts';
import { checkQuota, reserve } from './limits/reserve.ts';
import { checkPlanScope, isForeign } from './limits/scope.ts';
import { withSources } from './limits/sources.ts';
import type { Ports } from './ports.ts';
import { auditCaller, auditTarget } from './records.ts';
import { adoptOrphans } from './runs/adopt.ts';
import { resultOf, waitFor } from './runs/answer.ts';
import { guestsOf, openLine, openRunsOf } from './runs/late.ts';
import { startRun } from './runs/runner.ts';
import type { ChangeCall } from './types.ts';

/** How often a VMID that we chose ourselves may turn out to be taken. */
const MAX_PLANS = 3;
const POLL_MS = 200;
/** Within this time Proxmox shows a guest that was just made with its name, in its configuration if not in the lists. */
const SHOWS_WITHIN_MS = 15_000;

/** Plans, and shows the plan; nothing is claimed, stored or sent. Quotas are checked, so that a dry-run refuses what the real call would. */
export async function dryRun(call: ChangeCall, ports: Ports): Promise<Result> {
  const claims = call.operation.claims?.(call.args);
  const claimedVmid = claims ? (claims.vmid ?? (await freeVmid(ports))) : undefined;
  const plan = await makePlan(call, ports, claimedVmid === undefined ? {} : { claimedVmid });
  if (!plan.existing) {
    if (claims) await refuseDoomed(claims.vmid, ports);
    await checkPolicy(plan, call, ports);
    await checkQuota(plan, ports, undefined);
    await checkRights(plan, await ports.api());
  }
  return { kind: 'dry_run', plan };
}

/** The knowledge that one call gains while it waits for its turn. */
interface Turn {
  /** VMIDs that turned out to be taken. */
  avoid: ReadonlySet<number>;
  /** The half-made guest that is gone on with: its own VMID is claimed, not a new one. */
  vmid?: number;
}

/** The whole path of a change: claim, plan, quota, approval or run, outcome. */
export async function change(call: ChangeCall, ports: Ports): Promise<Result> {
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

async function changeOnce(call: ChangeCall, ports: Ports, turn: Turn): Promise<Result> {
  const wanted = call.operation.claims?.(call.args);
  const claims = wanted && turn.vmid !== undefined ? { ...wanted, vmid: turn.vmid } : wanted;
  let mine: Reservation | undefined;
  if (claims) {
    call.deadline.waitsFor("Proxmox's answers or the store");
    const taken = await claim(claims, ports, turn.avoid);
    if (taken.kind === 'other') return followOther(call, taken.reservation, ports, turn);
    mine = taken.reservation;
  }
  let handedOver = false;
  try {
    call.deadline.waitsFor("Proxmox's answers");
    const plan = await makePlan(call, ports, mine ? { mine } : {});
    if (plan.existing) {
      return await alreadySo(call, plan, ports);
    }
    const half = plan.continues === undefined ? undefined : plan.demand?.vmid;
    if (mine && half !== undefined && mine.vmid !== half) {
      await giveBack(mine.id, ports);
      mine = undefined;
      return await changeOnce(call, ports, { ...turn, vmid: half });
    }
    const decision = await checkPolicy(plan, call, ports);
    let lease: Lease | undefined;
    if (decision.way !== undefined) {
      await checkQuota(plan, ports, mine);
      await checkRights(plan, await ports.api());
      // Where several people have to agree, one person's standing yes is not enough.
      lease = decision.approvals > 1 ? undefined : await takeLease(plan, call.operation, ports);
      if (!lease)
        return {
          kind: 'approval_required',
          approval: await requestApproval(
            {
              ...call,
              plan: { ...plan, ...(decision.placed ? { placed: decision.placed } : {}) },
              way: decision.way,
              needed: decision.approvals,
            },
            ports,
          ),
        };
    }
    mine = await reserve(plan, ports, mine);
    await checkQuota(plan, ports, mine);
    const started = await startRun(
      {
        ...call,
        plan,
        ...(lease ? { leaseId: lease.id } : {}),
        ...(mine ? { reservation: mine } : {}),
        ...(call.options.onProgress ? { onProgress: call.options.onProgress } : {}),
        signal: call.options.signal,
      },
      ports,
    );
    handedOver = true;
    if (!started) fail('internal', 'The run could not be stored.');
    return await resultOf(
      await waitFor(started.run, started.ended, { ...call.options, wait: call.deadline.wait }, ports),
      call.operation,
      ports,
    );
  } finally {
    if (mine && !handedOver) await giveBack(mine.id, ports);
  }
}

/**
 * Plans with live facts, within the scope of the caller, who is the requester when a human decides. A plan may raise its operation's effect, never lower it; one that sends
 * nothing has none.
 */
export async function makePlan(
  call: Pick<ChangeCall, 'operation' | 'args' | 'options'> & { caller: Pick<Caller, 'principal' | 'scope'> },
  ports: Ports,
  claim: { mine?: Reservation; claimedVmid?: number },
): Promise<Plan> {
  const { signal } = call.options;
  const { scope, principal } = call.caller;
  const context = await planContext(ports, {
    ...claim,
    ...(signal ? { signal } : {}),
    ...(scope ? { scope } : {}),
    principal,
  });
  const api = await ports.api();
  const plan = await withSources(await call.operation.plan(context, call.args), api);
  await checkPlanScope(plan, scope, api);
  const open = await openRunsOf(guestsOf({ plan }), ports);
  const warnings = [...plan.warnings, ...open.map(openLine)];
  return { ...plan, warnings, effect: plan.existing ? 'read' : graver(plan.effect, call.operation.effect) };
}

/** Nothing has to be sent: one line in the audit, and the operation's answer. */
async function alreadySo(call: ChangeCall, plan: Plan, ports: Ports): Promise<Result> {
  const record = {
    kind: 'outcome' as const,
    operation: plan.operation,
    ...auditCaller(call.caller),
    args: call.args,
    ...auditTarget(plan),
  };
  await ports.audit.append({ ...record, status: 'existing' }, { durable: true });
  return { kind: 'done', output: call.operation.output.parse(plan.existing) as JsonObject };
}

/**
 * Another call is creating, or has just created, the guest that this call wants. Its outcome is ours: the same guest, or our own turn when
 * they fail.
 */
async function followOther(call: ChangeCall, other: Reservation, ports: Ports, turn: Turn): Promise<Result> {
  const store = await ports.store();
  // Whose guest it is may be none of the caller's business.
  const { scope } = call.caller;
  call.deadline.waitsFor(`another call that is creating ${(scope === undefined && other.name) || 'this guest'}`);
  for (let now = other as Reservation | undefined; now?.state === 'held'; now = await store.reservations.get(other.id)) {
    if (now.runId === undefined && isLeft(now, ports)) {
      await store.reservations.releaseOrphan(now.id, now.worker);
      continue;
    }
    const run = now.runId === undefined ? undefined : await store.runs.get(now.runId);
    if (run) await refuseForeign(run, call, ports);
    if (run?.status === 'unknown') {
      await refuseOpen(run, now, ports);
      continue;
    }
    // Its process may end while this call waits, and then this process must finish its run.
    if (run && isLeft(now, ports)) await adoptOrphans(ports);
    if (ports.clock.now() >= call.deadline.at) {
      if (run) return runningResult(run);
      call.deadline.fail();
    }
    if (call.options.signal?.aborted) fail('interrupted', 'The call was cancelled while another call was creating the same guest.');
    await ports.clock.sleep(POLL_MS);
  }
  const made = await store.reservations.get(other.id);
  // A reservation changes a moment before its run ends, and only an ended run tells what it left.
  while (made?.runId !== undefined && (await store.runs.get(made.runId))?.status === 'executing' && ports.clock.now() < call.deadline.at)
    await ports.clock.sleep(POLL_MS);
  if (!made) return changeOnce(call, ports, turn);
  const madeBy = made.runId === undefined ? undefined : await store.runs.get(made.runId);
  if (madeBy) await refuseForeign(madeBy, call, ports);
  call.deadline.waitsFor(`Proxmox to show ${made.name || 'a guest'} (${made.vmid}), which another call has just made`);
  for (const until = Math.min(call.deadline.at, ports.clock.now() + SHOWS_WITHIN_MS); ; await ports.clock.sleep(POLL_MS)) {
    const plan = await makePlan(call, ports, { claimedVmid: made.vmid });
    if (plan.existing) return alreadySo(call, plan, ports);
    if (plan.continues !== undefined) {
      await store.reservations.release(made.id);
      return changeOnce(call, ports, { ...turn, vmid: made.vmid });
    }
    if (await isGoneOrRenamed(made, ports)) break;
    // A configuration that is only begun has no name yet, so the guest cannot be told for the one that is wanted.
    if (ports.clock.now() >= until) fail('conflict', `VMID ${made.vmid} was just assigned to ${made.name || 'a guest without a name'}.`);
  }
  await store.reservations.release(made.id);
  return changeOnce(call, ports, turn);
}

/** The guest was removed or renamed by other means, so its record must not block other calls. */
async function isGoneOrRenamed({ vmid, name, type, node }: Reservation, ports: Ports): Promise<boolean> {
  const api = await ports.api();
  if ((await api.holds({ kind: 'guest', type, vmid, node, is: 'absent' })) === true) return true;
  const guest = await locate(api, vmid)
    .then((row) => readGuest(api, row))
    .catch(() => undefined);
  return guest !== undefined && name !== '' && guest.identity.name !== '' && !sameName(guest.identity.name, name);
}

/** The name and the VMID of a guest stay reserved while Proxmox may still make it. @throws outcome_unknown unless that can be told now */
async function refuseOpen(run: RunRecord, { name, vmid }: Reservation, ports: Ports): Promise<void> {
  const now = await ports.watch.look(run);
  if (now.status !== 'unknown') return;
  fail('outcome_unknown', `${name || 'A guest'} (${vmid}) may still be created: ${openLine(run)}.`, {
    hint: `This call did nothing. Choose another name and VMID, or wait. The operator ends the watch with \`proxmox-mcp runs close ${run.id}\`.`,
    details: { run_id: run.id, vmid },
  });
}

/** A guest outside the caller's scope is neither joined nor named: all that is told is what the caller asked for. */
async function refuseForeign(run: RunRecord, call: ChangeCall, ports: Ports): Promise<void> {
  if (call.caller.scope === undefined || !isForeign(run, call.caller, await listGuests(await ports.api()))) return;
  const { name, vmid } = call.operation.claims?.(call.args) ?? {};
  const wanted = [...(name === undefined ? [] : [`the name ${name}`]), ...(vmid === undefined ? [] : [`VMID ${vmid}`])];
  fail('conflict', `Another call is taking ${wanted.join(' or ')}.`, {
    hint: `Choose another ${vmid === undefined ? 'name' : 'name and VMID'}. Nothing was done.`,
  });
}

/** The VMID that we chose and that another client took before our request arrived. */
function vmidTakenMeanwhile(error: unknown, call: ChangeCall): number | undefined {
  if (!(error instanceof ProxmoxMcpError) || (error.code !== 'conflict' && error.code !== 'task_failed')) return undefined;
  const { claims } = call.operation;
  if (claims === undefined || claims(call.args).vmid !== undefined) return undefined;
  const { proxmox, exit, done } = error.details ?? {};
  // Only what the first step ran into: once the guest is there, its VMID is ours.
  if (done !== undefined) return undefined;
  const said = typeof exit === 'string' ? exit : (proxmox as { message?: string } | undefined)?.message;
  return takenVmid(said ?? '');
}
