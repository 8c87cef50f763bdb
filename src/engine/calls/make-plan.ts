import { fail } from '../../core/errors/errors.ts';
import type { Requester } from '../../core/people/caller.ts';
import { demandsOf, newGuestsOf, vmidsOf } from '../../core/plan/parts.ts';
import { type Plan, type PlanDraft, planFrom } from '../../core/plan/plan.ts';
import { namingCluster } from '../../core/text/call-text.ts';
import { unstated } from '../../operations/stated.ts';
import { planContext, type Reserved } from '../context.ts';
import { birthsIn } from '../limits/birth.ts';
import { refuseDoomedNames } from '../limits/made-again.ts';
import { raisedByMove } from '../limits/moves.ts';
import { deletedLately } from '../limits/reservations.ts';
import { checkPlanScope } from '../limits/scope.ts';
import { withSources } from '../limits/sources.ts';
import type { Ports } from '../ports.ts';
import { openLine, openRunsOf } from '../runs/outcome/late.ts';
import type { ChangeCall } from '../types.ts';

/** Plans with live facts, within the scope of the caller, which is the requester when a human decides. */
export async function makePlan(
  call: Pick<ChangeCall, 'operation' | 'args'> & { caller: Requester },
  reserved: Reserved,
  ports: Ports,
): Promise<Plan> {
  const { api } = ports.cluster;
  // The rights of a plan depend on the version: it is read while the plan is made, and once in a process.
  void api.version().catch(() => {});
  const draft = await call.operation.plan(await planContext(call.caller, reserved, ports), call.args);
  refuseUnstated(call.operation, draft);
  const plan = await withSources(planFrom(await raisedByMove(draft, ports), call.operation), api, birthsIn(ports));
  await checkPlanScope(plan, call.caller.scope, api);
  await refuseDoomedNames(plan, ports);
  const open = await openRunsOf(vmidsOf(plan), ports);
  const warnings = [...plan.warnings, ...open.map(openLine), ...(await reuses(plan, ports))];
  return inCluster({ ...plan, warnings }, ports.cluster.calledAs);
}

/** The calls that a plan names for later are calls on its cluster. */
function inCluster(plan: Plan, cluster: string | undefined): Plan {
  const named = (text: string) => namingCluster(text, cluster);
  const steps = plan.steps.map((step) =>
    step.kind === 'request' && step.onFailure !== undefined ? { ...step, onFailure: named(step.onFailure) } : step,
  );
  const { undo, cleanup, warnings, choices } = plan;
  const texts = { undo: named(undo), warnings: warnings.map(named), choices: choices.map(named) };
  return { ...plan, steps, ...texts, ...(cleanup === undefined ? {} : { cleanup: named(cleanup) }) };
}

/** A VMID that the caller chose may be that of a guest that was deleted here not long ago. */
async function reuses(plan: Plan, ports: Ports): Promise<string[]> {
  if (newGuestsOf(plan) === 0) return [];
  const deleted = await deletedLately(ports);
  const reused = demandsOf(plan).filter(({ newGuests, vmid }) => newGuests === 1 && deleted.has(vmid));
  const why = 'belonged to a guest that was deleted within the last 24 h: its backups and jobs look like those of the new one';
  return reused.map(({ vmid }) => `VMID ${vmid} ${why}`);
}

/** A request that the operation does not state has rights that no role was made for. @throws internal */
function refuseUnstated(operation: ChangeCall['operation'], plan: PlanDraft): void {
  const [odd] = unstated(operation, plan);
  if (odd !== undefined) fail('internal', `The plan of ${operation.name} has a request that the operation does not state: ${odd}.`);
}
