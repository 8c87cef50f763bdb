import type { Settings } from '../../src/core/settings/settings.ts';
import type { JsonObject } from '../../src/core/text/json.ts';
import type { Operation } from '../../src/operations/define.ts';
import { operationNamed } from './operations.ts';
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
export async function openWith(name: string, settings: Partial<Settings> = {}): Promise<World> {
  const world = await openWorld({ ...ALLOWED[name], ...settings });
  const before = BEFORE[name];
  if (before) await world.done('approve', { approval_id: await world.asks(before, operationNamed(before).example ?? {}) });
  return world;
}

/** Calls that use what the example of an operation leaves out. */
const FULL: Record<string, JsonObject> = {
  create_vm: {
    ...{ name: 'full', image: 'local:import/debian-12-genericcloud-amd64.qcow2', disk_gb: 4, start_on_create: true, tags: ['a'] },
    ...{ cloud_init: { user: 'x' }, pool: 'agents' },
  },
  clone_template: {
    ...{ source_vmid: 9000, name: 'full', cores: 2, memory: 1024, tags: ['a'], cloud_init: { user: 'x' }, disk_gb: 20 },
    ...{ start: true, pool: 'agents' },
  },
  set_resources: { vmid: 105, cores: 2, memory: 1024 },
  delete_vm: { vmid: 104, backup_storage: 'local' },
};

/** Arguments that use what an operation can do, as far as the example leaves it out. */
export const argsOf = (operation: Pick<Operation, 'name' | 'example'>): JsonObject => FULL[operation.name] ?? operation.example ?? {};
