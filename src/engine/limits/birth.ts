import { present } from '../../core/defined.ts';
import { requestsOf } from '../../core/plan/parts.ts';
import { begunAt, type RunRecord } from '../../core/plan/run.ts';
import { isObject } from '../../core/text/json.ts';
import { backupOwner } from '../../proxmox/guest/disks.ts';
import type { Reservation } from '../../store/schema.ts';
import type { Ports } from '../ports.ts';

export interface Birth {
  /** Epoch seconds by Proxmox's clock. */
  at: number;
  /** The run that made the guest, or the last one that continued with it. */
  runId: string;
}

/** The birth of the present guest of a VMID; undefined where it is not known. */
export type BornAt = (vmid: number) => Promise<Birth | undefined>;

/**
 * VMIDs are recycled, and Proxmox tells backups and tasks by VMID alone: those from before belong to a former guest. Known for a guest that was
 * made through this server. One that was restored from a backup of its own VMID is the guest of that backup.
 */
export function birthsIn(ports: Ports): BornAt {
  const { name: cluster } = ports.cluster;
  let reserved: Promise<Reservation[]> | undefined;
  return async (vmid) => {
    const { guests, reservations, runs } = await ports.store();
    reserved ??= reservations.all(cluster);
    // A guest is recorded when its run ends. Until then its reservation names the run.
    const making = (await reserved).flatMap((one) =>
      one.newGuest && one.vmid === vmid && one.runId ? [{ at: undefined, runId: one.runId }] : [],
    );
    let until = Number.MAX_VALUE;
    for (const { runId, at } of [...making, ...(await guests.madeAs(cluster, vmid))]) {
      const run = await runs.get(runId);
      const born = Math.floor(Math.min(...present(run && begunAt(run), at && Date.parse(at))) / 1000);
      if (born > until) continue;
      const restored = run && timeOfOwnBackup(run, vmid);
      if (restored === undefined) return { at: born, runId };
      until = restored;
    }
    return undefined;
  };
}

/** When (epoch seconds) the backup was made from which a run restored a guest under its own VMID; undefined for every other run. */
function timeOfOwnBackup({ plan }: RunRecord, vmid: number): number | undefined {
  const archives = requestsOf(plan).flatMap(({ params }) => [params.archive, params.ostemplate]);
  if (!archives.some((volume) => typeof volume === 'string' && backupOwner(volume) === vmid)) return undefined;
  const [bound] = Object.values(plan.binds ?? {});
  return isObject(bound) && typeof bound.time === 'number' ? bound.time : 0;
}
