import { findOperation } from '../../src/operations/index.ts';
import { openWorld, type World } from './world.ts';

/** Operations whose example needs another one first, which a human agrees to. */
const BEFORE: Record<string, string> = { resume_vm: 'suspend_vm' };

/** A world in which the example of the operation changes something. */
export async function openWith(name: string): Promise<World> {
  const world = await openWorld();
  const before = findOperation(BEFORE[name] ?? '');
  if (before) await world.done('approve', { approval_id: await world.asks(before.name, before.example ?? {}) });
  return world;
}
