import { requestsOf } from '../../core/plan/parts.ts';
import { begunAt, type RunRecord } from '../../core/plan/run.ts';
import { isoOf } from '../../core/text/duration.ts';
import { isObject } from '../../core/text/json.ts';
import { backupOwner } from '../../proxmox/guest/disks.ts';
import type { Life } from '../../store/repositories/guests.ts';
import type { Ports } from '../ports.ts';

export interface Birth {
  /** Epoch seconds by Proxmox's clock. */
  at: number;
  /** The run that made the guest, or the last one that continued with it. */
  runId: string;
}

/** The births of the present guests of these VMIDs, without those that are not known. */
export type BornAt = (vmids: readonly number[]) => Promise<ReadonlyMap<number, Birth>>;

/**
 * VMIDs are recycled, and Proxmox tells backups and tasks by VMID alone: those from before belong to a former guest. Known for a guest that was
 * made through this server. One that was restored from a backup of its own VMID is the guest of that backup.
 */
export function birthsIn(ports: Ports): BornAt {
  const { name: cluster } = ports.cluster;
  return async (vmids) => {
    const { guests, reservations, runs } = await ports.store();
    // A guest is recorded when its run ends. Until then its reservation names the run.
    const making = (await reservations.all(cluster)).filter(({ newGuest, vmid }) => newGuest && vmids.includes(vmid));
    const makers = new Map((await runs.all(making.flatMap(({ runId }) => runId ?? []))).map((run) => [run.id, run]));
    const begun = making.flatMap(({ vmid, runId = '' }) => {
      const run = makers.get(runId);
      return run ? { ...lifeOf(run, vmid), runId } : [];
    });
    const births = new Map<number, Birth>();
    /** The oldest backup of which the guests of each VMID were restored, so far. */
    const until = new Map<number, number>();
    for (const { vmid, at, savedAt, runId } of [...begun, ...(await guests.lives(cluster, vmids))]) {
      const born = Math.floor(Date.parse(at) / 1000);
      if (births.has(vmid) || born > (until.get(vmid) ?? Number.MAX_VALUE)) continue;
      if (typeof savedAt === 'string') until.set(vmid, Date.parse(savedAt) / 1000);
      else births.set(vmid, { at: born, runId });
    }
    return births;
  };
}

/** Since when the guest has its VMID that this run makes. */
export function lifeOf(run: RunRecord, vmid: number): Life {
  const saved = timeOfOwnBackup(run, vmid);
  return { vmid, at: new Date(begunAt(run)).toISOString(), ...(saved === undefined ? {} : { savedAt: isoOf(saved) }) };
}

/** When (epoch seconds) the backup was made from which a run restored a guest under its own VMID; undefined for every other run. */
function timeOfOwnBackup({ plan }: RunRecord, vmid: number): number | undefined {
  const archives = requestsOf(plan).flatMap(({ params }) => [params.archive, params.ostemplate]);
  if (!archives.some((volume) => typeof volume === 'string' && backupOwner(volume) === vmid)) return undefined;
  const [bound] = Object.values(plan.binds ?? {});
  return isObject(bound) && typeof bound.time === 'number' ? bound.time : 0;
}
