import type { ProxmoxReader } from '../../core/proxmox.ts';
import type { Guest } from '../../proxmox/guests.ts';
import { privilegesAt } from '../../proxmox/privileges.ts';
import { listStorages, listVolumes, type Volume } from '../../proxmox/storage.ts';

export interface OwnVolumes {
  /** Bear the guest's VMID but stand neither in its configuration nor among its snapshots' memory. */
  extra: string[];
  /** A storage could not be looked through, so there may be more than `extra` names. */
  partly: boolean;
  /** ISO time of the newest backup; null: there is none; absent: the token cannot tell. */
  lastBackup?: string | null;
  /** VMIDs of linked clones that stand on the guest's disks, as far as they are visible. */
  clones: number[];
}

/** Looks through the storages of the guest's node for what belongs to it. */
export async function ownVolumes(api: ProxmoxReader, guest: Guest): Promise<OwnVolumes> {
  const { at } = guest;
  const storages = (await listStorages(api, at.node)).filter((s) => s.usable);
  // Only a template needs to know about the disks of others.
  const filter = guest.template ? {} : { vmid: at.vmid };
  const listed = await Promise.all(storages.map((s) => listVolumes(api, at.node, s.storage, filter).catch(() => undefined)));
  const partly = listed.includes(undefined);
  const volumes = listed.flatMap((list) => list ?? []);
  const mine = volumes.filter((v) => v.vmid === at.vmid);
  const known = new Set(guest.disks.map((d) => nameOf(d.volid)));
  const backups = mine.filter((v) => v.content === 'backup').map((v) => v.createdAt ?? 0);
  const base = new RegExp(`(^|[/:])base-${at.vmid}-disk-`);
  return {
    extra: mine.filter((v) => isDisk(v) && !known.has(nameOf(v.volid)) && !/-state-/.test(v.volid)).map((v) => v.volid),
    partly,
    ...(await lastBackup(api, at.vmid, backups, partly)),
    clones: guest.template
      ? [
          ...new Set(
            volumes.flatMap((v) =>
              v.vmid !== undefined && v.vmid !== at.vmid && (base.test(v.parent ?? '') || base.test(v.volid)) ? [v.vmid] : [],
            ),
          ),
        ]
      : [],
  };
}

async function lastBackup(api: ProxmoxReader, vmid: number, times: number[], partly: boolean): Promise<{ lastBackup?: string | null }> {
  if (times.length > 0) return { lastBackup: new Date(Math.max(...times) * 1000).toISOString() };
  // Proxmox leaves out backups of guests that the token may not back up, so an empty list proves nothing to it.
  const sees = !partly && (await privilegesAt(api, `/vms/${vmid}`)).has('VM.Backup');
  return sees ? { lastBackup: null } : {};
}

function isDisk(volume: Volume): boolean {
  return volume.content === 'images' || volume.content === 'rootdir';
}

/** Storage and file: a linked clone's volume id also names its base, in some lists only. */
function nameOf(volid: string): string {
  return `${volid.slice(0, volid.indexOf(':'))}:${volid.split(/[/:]/).at(-1)}`;
}

/**
 * Volumes of a deleted guest that are still there, and the storages on which this token could not see them: rights that came from the pool
 * ended with the guest.
 * @param storages names of those that held its volumes
 */
export async function orphansOf(
  api: ProxmoxReader,
  at: { vmid: number; node: string },
  storages: readonly string[],
): Promise<{ orphans: string[]; unchecked: string[] }> {
  const sees = (await privilegesAt(api, `/vms/${at.vmid}`).catch(() => new Set<string>())).has('VM.Config.Disk');
  const orphans: string[] = [];
  const unchecked: string[] = [];
  for (const storage of storages) {
    const all = sees || (await privilegesAt(api, `/storage/${storage}`).catch(() => new Set<string>())).has('Datastore.Allocate');
    const volumes = all ? await listVolumes(api, at.node, storage, { vmid: at.vmid }).catch(() => undefined) : undefined;
    if (volumes) orphans.push(...volumes.filter((v) => v.vmid === at.vmid && isDisk(v)).map((v) => v.volid));
    else unchecked.push(storage);
  }
  return { orphans, unchecked };
}
