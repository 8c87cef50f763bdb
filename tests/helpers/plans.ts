import type { Plan } from '../../src/core/plan/plan.ts';
import type { World } from './world.ts';

/** The plan that a dry run shows; nothing is sent. */
export async function planOf(world: World, operation: string, args: object): Promise<Plan> {
  const result = await world.call(operation, args, { dryRun: true });
  if (result.kind !== 'dry_run') throw new Error(`no dry run but ${result.kind}`);
  return result.plan;
}
