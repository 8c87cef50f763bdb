import type { Settings } from '../../src/core/settings.ts';
import { findOperation } from '../../src/operations/index.ts';
import { openWorld, type World } from './world.ts';

/** Operations whose example needs another one first, which a human agrees to. */
const BEFORE: Record<string, string> = { resume_vm: 'suspend_vm' };

/** The operator allows it what its example does. */
const ALLOWED: Record<string, Partial<Settings>> = {
  run_in_guest: {
    policy: { rules: [], perHour: {}, run: [{ match: { vmid: [{ from: 101, to: 101 }] }, argv: [['systemctl', 'status', '*']] }] },
  },
  download_media: {
    limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' }, mediaHosts: ['cdimage.debian.org'] },
  },
};

/** A world in which the example of the operation changes something. */
export async function openWith(name: string): Promise<World> {
  const world = await openWorld(ALLOWED[name]);
  const before = findOperation(BEFORE[name] ?? '');
  if (before) await world.done('approve', { approval_id: await world.asks(before.name, before.example ?? {}) });
  return world;
}
