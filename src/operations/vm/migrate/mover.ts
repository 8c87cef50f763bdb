import type { ProxmoxReader } from '../../../core/proxmox.ts';
import type { Disk } from '../../../proxmox/guest/disks.ts';
import { type Preconditions, readPreconditions } from '../../../proxmox/guest/migration.ts';
import { type StorageRow, storageOf } from '../../../proxmox/storage.ts';
import { readTarget, refuseLocked, type Target } from '../lib/target.ts';

/** `live`: it runs on all the while. `restart`: it is shut down, moved and started. */
export type How = 'live' | 'restart' | 'offline';

/** A volume that has to be copied. */
export interface Copied {
  /** Absent for one that only a snapshot names. */
  slot?: string;
  volid: string;
  storage: string;
  gib: number;
  snapshots: string[];
}

/** A guest that is to move, with everything that decides where it can go. */
export interface Mover {
  target: Target;
  known: Preconditions;
  how: How;
  /** HA takes the request and moves the guest later, as root. */
  managed: boolean;
  copied: Copied[];
  /** Storages that hold the rest of its volumes. */
  shared: string[];
  /** Storages of which the token cannot see whether other nodes share them. */
  unseen: string[];
}

/** @throws guest_not_found, locked, permission_denied without VM.Migrate */
export async function readMover(api: ProxmoxReader, vmid: number, storagesOf: (node: string) => Promise<StorageRow[]>): Promise<Mover> {
  const target = await readTarget(api, vmid);
  refuseLocked(target);
  const { at } = target.guest;
  const [known, storages] = await Promise.all([readPreconditions(api, at), storagesOf(at.node)]);
  const how = !target.running ? 'offline' : at.type === 'qemu' ? 'live' : 'restart';
  const { ha } = target.status;
  return { target, known, how, managed: ha !== undefined && ha !== 'ignored', ...volumesOf(target, known, storages) };
}

function volumesOf(
  target: Target,
  { localDisks }: Preconditions,
  storages: readonly StorageRow[],
): Pick<Mover, 'copied' | 'shared' | 'unseen'> {
  const { disks } = target.guest;
  const { names: snapshots } = target.snapshots;
  const inStorage = disks.filter((d) => d.storage !== '' && d.media !== 'bind');
  const namesOf = (list: readonly Disk[]) => [...new Set(list.map((d) => d.storage))];
  if (localDisks) {
    const local = localDisks.filter(({ cdrom, volid }) => !cdrom && !volid.startsWith('/'));
    const copied = local.map(({ volid, snapshots, sizeGib = 0 }): Copied => {
      const disk = disks.find((d) => d.volid === volid);
      const slot = disk ? { slot: disk.slot } : {};
      return { ...slot, volid, storage: storageOf(volid), gib: disk?.sizeGib ?? sizeGib, snapshots };
    });
    return { copied, shared: namesOf(inStorage.filter((d) => !localDisks.some(({ volid }) => volid === d.volid))), unseen: [] };
  }
  const rowOf = (d: Disk) => storages.find(({ storage }) => storage === d.storage);
  const local = inStorage.filter((d) => rowOf(d)?.shared === false);
  return {
    copied: local.map(({ slot, volid, storage, sizeGib = 0 }) => ({ slot, volid, storage, gib: sizeGib, snapshots })),
    shared: namesOf(inStorage.filter((d) => rowOf(d)?.shared)),
    unseen: namesOf(inStorage.filter((d) => rowOf(d) === undefined)),
  };
}

/** The memory (MiB) that it takes on the node to which it moves; none while it is stopped. */
export function memoryOf({ how, target }: Mover): number {
  return how === 'offline' ? 0 : target.guest.sizes.memoryMib;
}
