import { requestsOf } from '../../core/plan/parts.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import { backupOwner } from '../../proxmox/guest/disks.ts';
import type { Ports } from '../ports.ts';

/** When (ms) the present guest of a VMID was made; undefined where this is not known. */
export type BornAt = (vmid: number) => Promise<number | undefined>;

/**
 * VMIDs are recycled, and Proxmox tells backups and tasks by VMID alone: those from before belong to a former guest. Known for a guest that was
 * made through this server. One that was restored from a backup of its own VMID is the former guest.
 */
export function birthsIn(ports: Ports): BornAt {
  return async (vmid) => {
    const store = await ports.store();
    const made = await store.guests.lastMade(ports.cluster.name, vmid);
    if (made === undefined) return undefined;
    const run = await store.runs.get(made.runId);
    if (run && bringsBack(run, vmid)) return undefined;
    return Date.parse(run && run.startedAt < made.at ? run.startedAt : made.at);
  };
}

function bringsBack({ plan }: RunRecord, vmid: number): boolean {
  const archives = requestsOf(plan).flatMap(({ params }) => [params.archive, params.ostemplate]);
  return archives.some((volume) => typeof volume === 'string' && backupOwner(volume) === vmid);
}
