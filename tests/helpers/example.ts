import type { Policy } from '../../src/core/policy.ts';
import { findOperation } from '../../src/operations/index.ts';
import { openWorld, type World } from './world.ts';

/** Operations whose example needs another one first, which a human agrees to. */
const BEFORE: Record<string, string> = { resume_vm: 'suspend_vm' };

/** The operator allows it what its example does. */
const ALLOWED: Record<string, Policy> = {
  run_in_guest: { rules: [], perHour: {}, run: [{ match: { vmid: [{ from: 101, to: 101 }] }, argv: [['systemctl', 'status', '*']] }] },
};

/** A world in which the example of the operation changes something. */
export async function openWith(name: string): Promise<World> {
  const world = await openWorld(ALLOWED[name] ? { policy: ALLOWED[name] } : {});
  const before = findOperation(BEFORE[name] ?? '');
  if (before) await world.done('approve', { approval_id: await world.asks(before.name, before.example ?? {}) });
  return world;
}
