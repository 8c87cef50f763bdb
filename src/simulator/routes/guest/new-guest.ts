import { may, requirePool } from '../../access/permissions.ts';
import type { Context } from '../../context.ts';
import { forbid } from '../../errors.ts';
import { freeByName } from '../../guest/volumes.ts';
import type { Config, Guest } from '../../model.ts';
import type { Run } from '../../tasks.ts';
import type { World } from '../../world.ts';

export function optionsOf(context: Context, without: string[]): Config {
  return Object.fromEntries(
    Object.entries(context.params)
      .filter(([name]) => !without.includes(name))
      .map(([name, value]) => [name, String(value)]),
  );
}

export function emptyGuest(vmid: number, type: Guest['type'], node: string, config: Config): Guest {
  const inside = { acpi: type === 'lxc', agent: false };
  return { vmid, type, node, config, pending: {}, pendingDelete: {}, snapshots: {}, inside, changedAt: 0 };
}

export function joinPool(world: World, pool: string | undefined, vmid: number): void {
  const found = pool === undefined ? undefined : world.get('pool', pool);
  if (found && !found.vms.includes(vmid)) world.put('pool', found.poolid, { ...found, vms: [...found.vms, vmid] });
}

/** VM.Allocate on the id or on the pool it is to join; the refusal names neither. */
export function requireAllocate(context: Context, vmid: number, pool: string | undefined): void {
  const { world, who } = context;
  if (pool !== undefined) requirePool(world, pool);
  if (may(world, who, `/vms/${vmid}`, ['VM.Allocate'])) return;
  if (pool === undefined || !may(world, who, `/pool/${pool}`, ['VM.Allocate'])) forbid();
}

/** Nothing of a failed create stays. */
export function undoCreate(run: Run): void {
  const vmid = Number(run.task.args.newid ?? run.task.id);
  for (const volid of run.task.args.made as string[]) freeByName(run.world, run.task.node, volid);
  if (run.world.guest(vmid)?.config.lock) run.world.dropGuest(vmid);
}
