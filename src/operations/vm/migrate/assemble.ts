import { labelOf } from '../../../core/guest.ts';
import type { PlanDraft } from '../../../core/plan/plan.ts';
import { planGuests, type Words } from '../lib/several.ts';
import type { Moves } from './plan-moves.ts';

const WORDS: Words = {
  ...{ verb: 'Move', done: 'moved', already: 'all of them are on that node already' },
  stopsAtFailure: true,
  undo: undoOfAll,
};

/**
 * One plan for the guests, with what the nodes have free before and after.
 * @throws for the guests that cannot move; then none does
 */
export async function assemble({ plans, refused, capacity }: Moves, vmids: readonly [number, ...number[]]): Promise<PlanDraft> {
  const made: PlanDraft[] = [];
  const plan = await planGuests(vmids, WORDS, async (vmid) => {
    const one = plans.get(vmid);
    if (!one) throw refused.get(vmid);
    made.push(one);
    return one;
  });
  if (plan.existing) return plan;
  const sides = plan.targets ? sidesOf(made) : plan;
  return {
    ...plan,
    before: { ...sides.before, ...capacity.before },
    after: { ...sides.after, ...capacity.after },
    warnings: [...plan.warnings, ...capacity.warnings],
  };
}

/** A line for each guest: `web1 (100): on pve → on pve2 (live), copies scsi0 16 GiB to local-lvm`. */
function sidesOf(made: readonly PlanDraft[]): Pick<PlanDraft, 'before' | 'after'> {
  const moving = made.flatMap((plan) => (plan.target && !plan.existing ? [{ of: labelOf(plan.target), plan }] : []));
  return {
    before: Object.fromEntries(moving.map(({ of, plan }) => [of, `on ${plan.before?.node}`])),
    after: Object.fromEntries(moving.map(({ of, plan }) => [of, lineOf(plan)])),
  };
}

function lineOf({ after = {} }: PlanDraft): string {
  const { node, move, local_disks: disks = [], ...slots } = after;
  const copies = (disks as string[]).length > 0 ? `, copies ${(disks as string[]).join(', ')}` : '';
  const gone = Object.keys(slots);
  return `on ${node} (${move})${copies}${gone.length > 0 ? `, destroys ${gone.join(', ')}` : ''}`;
}

/** One call for the guests that go back to the same place. */
function undoOfAll(plans: readonly PlanDraft[]): string {
  const calls = new Map<string, number[]>();
  for (const { undo, target } of plans) {
    const call = undo.replace(/"vmid": \d+/, '"vmids": [VMIDS]');
    calls.set(call, [...(calls.get(call) ?? []), target?.vmid ?? 0]);
  }
  return [...calls].map(([call, vmids]) => call.replace('VMIDS', vmids.join(', '))).join('; ');
}
