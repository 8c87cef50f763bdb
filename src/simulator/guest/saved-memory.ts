import type { Guest } from '../model.ts';
import type { World } from '../world.ts';
import { driveKeys, isCdrom } from './config.ts';
import { storageOf } from './volumes.ts';

/** The state needed to resume a saved memory, kept beside it. */
export const RUNNING_STATE = { runningmachine: 'pc-i440fx-10.0+pve1', runningcpu: 'qemu64', 'running-nets-host-mtu': 'net0=1500' };

/** Where a memory is saved unless it was said: on shared storage if a disk is on one, else with the last disk. */
export function stateStorage(world: World, guest: Guest): string {
  if (guest.config.vmstatestorage !== undefined) return guest.config.vmstatestorage;
  const disks = driveKeys(guest.config).filter((key) => !isCdrom(guest.config[key] as string));
  const storages = disks.map((key) => storageOf(guest.config[key] as string));
  return storages.find((name) => world.get('storage', name)?.shared) ?? storages.at(-1) ?? 'local';
}
