import { defined, present } from '../../../core/defined.ts';
import { outOfLane, partOf } from '../../../core/plan/parts.ts';
import { digestAfter, type FromRef, type PlanDraft, provesAll, type RequestStep } from '../../../core/plan/plan.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import { canonical } from '../../../core/text/canonical.ts';
import type { JsonObject } from '../../../core/text/json.ts';
import { holds } from '../../../proxmox/conditions.ts';
import { path } from '../../../proxmox/guest/encode.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import type { OperationContext } from '../../define.ts';
import { label, refuseLocked } from '../lib/target.ts';

/** The steps that an own run left undone on a guest. */
interface Unfinished {
  run: RunRecord;
  left: RequestStep[];
  /** The outcome of some step is not known: nothing may be sent before it is. */
  open: boolean;
}

/** The part of a run for several about one of its guests, as if it had been for this one alone. */
export function aloneIn(run: RunRecord, vmid: number): RunRecord {
  if (!run.plan.makes) return run;
  const plan = partOf(run.plan, vmid);
  const own = (id: string) => id.replace(new RegExp(`-${vmid}$`), '');
  const records = run.steps.filter(({ id }) => plan.steps.some((step) => step.id === id));
  const isOpen = records.some(({ state }) => state !== 'done' && state !== 'failed');
  return {
    ...run,
    status: run.status === 'unknown' && !isOpen ? 'failed' : run.status,
    plan: { ...plan, steps: outOfLane(plan.steps) },
    steps: records.map((record) => ({ ...record, id: own(record.id) })),
  };
}

/** @returns undefined when nothing of the run is left to do */
export async function findUnfinished(ctx: OperationContext, run: RunRecord): Promise<Unfinished | undefined> {
  if (run.status !== 'failed' && run.status !== 'unknown') return undefined;
  const done = new Set(run.steps.filter((s) => s.state === 'done').map((s) => s.id));
  const rest = run.plan.steps.filter((s): s is RequestStep => s.kind === 'request' && !done.has(s.id));
  const already = await Promise.all(rest.map((step) => isSo(ctx, step)));
  const left = rest.filter((_, index) => !already[index]);
  if (left.length === 0) return undefined;
  return { run, left, open: run.status === 'unknown' || run.steps.some((s) => s.state !== 'done' && s.state !== 'failed') };
}

async function isSo({ api }: OperationContext, step: RequestStep): Promise<boolean> {
  return step.proof !== undefined && provesAll(step) && (await holds(api, step.proof)) === true;
}

/** Whether this call is the one that began: operation, arguments (secrets as references) and caller are the same. */
export function isSameCall(ctx: OperationContext, operation: string, args: object, run: RunRecord): boolean {
  return run.operation === operation && run.principal === ctx.principal && canonical(run.args) === canonical(args);
}

/**
 * The steps that are left, for the guest as it is now.
 * @returns undefined where they cannot be sent: an outcome is open, or the guest is on another node than they are for
 * @throws locked
 */
export function finishPlan(guest: Guest, { run, left, open }: Unfinished, status: string): PlanDraft | undefined {
  // The copy is done, so its source no longer matters.
  const { demand, sources: _copied, ...first } = run.plan;
  if (open || !left[0]?.path.startsWith(path`/nodes/${guest.at.node}/${guest.at.type}/${guest.at.vmid}/`)) return undefined;
  refuseLocked({ guest });
  const { cpu = 0, memoryMib, diskGib } = guest.sizes;
  const now = { cpu, memoryMib, diskGib };
  return {
    ...first,
    summary: `Finish ${label(guest)} on ${guest.at.node}: ${left.map((step) => step.purpose).join('; ')}`,
    target: guest.identity,
    continues: run.id,
    space: {},
    steps: left.map((step, index) => withDigest(step, index === 0 ? guest.digest : digestAfter(left.slice(0, index)))),
    ...(demand ? { demand: { newGuests: 0 as const, vmid: demand.vmid, before: now, after: demand.after } } : {}),
    choices: [`only what run ${run.id} did not do`],
    warnings: present(
      ...run.plan.warnings,
      status === 'running' &&
        left.some((step) => step.id === 'config') &&
        'it runs already: what a guest reads at its first boot, such as cloud-init, may come too late',
    ),
  };
}

/** The digest of the step before, which is not part of this plan, is that of the guest as it is now. */
function withDigest(step: RequestStep, digest: string | FromRef | undefined): RequestStep {
  const { digest: asked, ...params } = step.params;
  if (asked === undefined) return step;
  return { ...step, params: { ...params, ...defined({ digest }) } };
}

/** For an answer about the guest. */
export function unfinishedView(ctx: OperationContext, { run, left, open }: Unfinished): JsonObject {
  const own = run.principal === ctx.principal;
  const next = open
    ? 'The outcome of a step is not known yet. Look with get_vm and get_task before anything else.'
    : own
      ? `Call ${run.operation} again with the arguments of that run: only these steps are sent. Or remove the guest with delete_vm.`
      : 'Another caller began it. That caller finishes it with the same call, or remove the guest with delete_vm.';
  return { ...(own ? { run_id: run.id } : {}), not_done: left.map((step) => step.purpose), next };
}
