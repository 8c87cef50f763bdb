import { defined } from '../../core/defined.ts';
import { oncePer } from '../../core/once-per.ts';
import type { GetApi } from '../../core/proxmox.ts';
import { isSet } from '../../core/text/sizes.ts';
import { type GuestAt, guestPath } from './guests.ts';

export interface Snapshot {
  name: string;
  /** Epoch seconds; absent for one that is only half made. */
  time?: number;
  /** The snapshot that it follows. */
  parent?: string;
  description: string;
  /** The memory of the running VM is saved with it. */
  memory: boolean;
  /** `prepare` or `delete`: Proxmox takes or deletes it now, or was interrupted while it did. No guest can go back to it. */
  state?: string;
}

export interface Snapshots {
  /** The oldest first. */
  all: Snapshot[];
  names: string[];
  /** The snapshot that the guest's present state follows. */
  parent?: string;
  /** Whether the guest runs now: the list's entry `current` says so. */
  running: boolean;
}

interface Row {
  name: string;
  running?: number | boolean;
  snaptime?: number;
  parent?: string;
  description?: string;
  vmstate?: number | boolean;
  snapstate?: string;
}

/** `GET …/snapshot`: current at once, unlike the lists of the cluster. */
export async function readSnapshots(api: GetApi, at: GuestAt): Promise<Snapshots> {
  return snapshotsOf(await api.get<Row[]>(`${guestPath(at)}/snapshot`));
}

const snapshotsOf = oncePer((rows: readonly Row[]): Snapshots => {
  const all = rows
    .filter((r) => r.name !== 'current')
    .map((r) => ({
      name: String(r.name),
      description: String(r.description ?? ''),
      memory: isSet(r.vmstate),
      ...defined({ time: r.snaptime || undefined, parent: r.parent, state: r.snapstate || undefined }),
    }))
    .sort((a, b) => (a.time ?? 0) - (b.time ?? 0));
  const current = rows.find((r) => r.name === 'current');
  return { all, names: all.map(({ name }) => name), ...defined({ parent: current?.parent }), running: isSet(current?.running) };
});

/** Whether all disks of the guest can be snapshotted: `GET …/feature?feature=snapshot`. */
export async function canSnapshot(api: GetApi, at: GuestAt): Promise<boolean> {
  const { hasFeature } = await api.get<{ hasFeature?: number | boolean }>(`${guestPath(at)}/feature`, { feature: 'snapshot' });
  return isSet(hasFeature);
}
