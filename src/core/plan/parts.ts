import type { GuestIdentity } from '../guest.ts';
import type { Condition, Plan, RequestStep, ResourceDemand, Step } from './plan.ts';

/** The steps for one guest of a plan for several: their ids, and references to them, are made unique by its VMID. */
export function inLane(steps: readonly Step[], lane: number): Step[] {
  return steps.map((step) => ({ ...renamed(step, (id) => `${id}-${lane}`), lane }));
}

/** The same steps as those of a plan for this guest alone. */
export function outOfLane(steps: readonly Step[]): Step[] {
  return steps.map(({ lane, ...step }) => renamed(step, (id) => id.replace(new RegExp(`-${lane}$`), '')));
}

function renamed(step: Step, named: (id: string) => string): Step {
  const id = named(step.id);
  const digest = step.kind === 'request' ? step.params.digest : undefined;
  if (step.kind !== 'request' || typeof digest !== 'object' || !('$from' in digest)) return { ...step, id };
  const $from = `${named(digest.$from.replace(/\.digest$/, ''))}.digest` as const;
  return { ...step, id, params: { ...step.params, digest: { $from } } };
}

/** The part of a plan for several that is about one of its guests. */
export function partOf(plan: Plan, lane: number): Plan {
  const { targets, makes, ...rest } = plan;
  const target = targets?.find(({ vmid }) => vmid === lane);
  const made = makes?.find(({ demand }) => demand.vmid === lane);
  const concerns = (condition: Condition) =>
    'vmid' in condition ? condition.vmid === lane : new RegExp(`/(qemu|lxc)/${lane}/`).test(condition.path);
  return {
    ...rest,
    steps: plan.steps.filter((step) => step.lane === lane),
    expected: plan.expected.filter(concerns),
    ...(target ? { target, node: target.node } : {}),
    ...made,
  };
}

/** The plan for each of the guests that a plan for several makes; any other plan is its own only part. */
export function partsOf(plan: Plan): Plan[] {
  return plan.makes ? plan.makes.map(({ demand }) => partOf(plan, demand.vmid)) : [plan];
}

/** The guests that a plan makes or changes in size. */
export function demandsOf({ makes, demand }: Pick<Plan, 'makes' | 'demand'>): ResourceDemand[] {
  return makes?.map((one) => one.demand) ?? (demand ? [demand] : []);
}

/** The guests that a plan is about or makes, each once. */
export function vmidsOf(plan: Pick<Plan, 'target' | 'targets' | 'makes' | 'demand'>): number[] {
  return [...new Set([...targetsOf(plan), ...demandsOf(plan)].map(({ vmid }) => vmid))];
}

/** The requests of a plan, in its order. */
export function requestsOf({ steps }: Pick<Plan, 'steps'>): RequestStep[] {
  return steps.filter((step) => step.kind === 'request');
}

/** The name that a guest has after a plan for it alone; empty where the plan gives none. */
export function nameAfter({ after }: Pick<Plan, 'after'>): string {
  return typeof after?.name === 'string' ? after.name : '';
}

/** How many new guests a plan makes. */
export function newGuestsOf(plan: Plan): number {
  return demandsOf(plan).filter(({ newGuests }) => newGuests === 1).length;
}

/** The guests of a plan for several that has steps for them, in the order of the plan; none for a plan about one. */
export function lanesOf(steps: readonly Step[]): number[] {
  return [...new Set(steps.flatMap(({ lane }) => lane ?? []))];
}

/** The guests that a plan is about; none for one that creates a guest. */
export function targetsOf({ target, targets }: Pick<Plan, 'target' | 'targets'>): GuestIdentity[] {
  return targets ?? (target ? [target] : []);
}
