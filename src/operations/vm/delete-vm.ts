import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { fail, ifAllowed } from '../../core/errors/errors.ts';
import type { Condition, PlanDraft } from '../../core/plan/plan.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { counted, plainText } from '../../core/text/text.ts';
import { type Backups, noBackupText } from '../../proxmox/backups.ts';
import { isAnother, isFree } from '../../proxmox/guest/guests.ts';
import { storageOf } from '../../proxmox/storage.ts';
import { exitOf } from '../../proxmox/tasks.ts';
import { backupSteps, backupStorage } from '../backup/lib/backup-steps.ts';
import { leftOut } from '../backup/lib/inside.ts';
import { defineOperation } from '../define.ts';
import { GUEST_READS, ofBoth, VOLUME_READS } from './lib/api.ts';
import { guestRequest, taskType } from './lib/guest-request.ts';
import { outcomeOf, placeOf } from './lib/outcome.ts';
import { changed, storageName, vmid } from './lib/schemas.ts';
import { about, factsOf, hibernated, label, readTarget, refuseLocked, stillItself, type Target } from './lib/target.ts';
import { orphansOf, ownVolumes, refuseBase, withSize } from './lib/volumes.ts';

const DELETE_SECONDS = 1800;

/** DELETE /nodes/{node}/qemu|lxc/{vmid}; with backup_storage POST /nodes/{node}/vzdump before it. */
export const deleteVm = defineOperation({
  name: 'delete_vm',
  title: 'Delete a VM or container',
  effect: 'destroy',
  toolset: 'everyday',
  description: 'Destroys a stopped VM or container with its disks and snapshots, for good. Needs approval.',
  input: z.strictObject({
    vmid,
    purge: z.boolean().default(true).describe('Also from HA, replication and backup jobs'),
    backup_storage: storageName.optional().describe('Back up there first'),
  }),
  byName: { vmid: 'name' },
  output: changed.extend({
    deleted: z.boolean(),
    volumes: z.array(z.string()).optional(),
    untouched: z.array(z.string()).optional(),
    orphans: z.array(z.string()).optional(),
    unchecked: z.string().optional(),
  }),
  reads: GUEST_READS,
  mayRead: [...VOLUME_READS, 'GET /cluster/replication'],
  sends: ofBoth('DELETE /nodes/{node}/{type}/{vmid}', ['purge', 'destroy-unreferenced-disks']),
  maySend: { 'POST /nodes/{node}/vzdump': ['vmid', 'storage', 'mode', 'compress', 'remove'] },
  example: { vmid: 104 },
  async plan(ctx, args): Promise<PlanDraft> {
    const target = await readTarget(ctx.api, args.vmid);
    const { guest } = target;
    const { at, identity } = guest;
    const snapshots = target.snapshots.names;
    // A stopped VM runs halted during its backup: it needs no stop_vm, which would end the backup.
    refuseLocked(target, ['suspended']);
    refuseLiving(target);
    const [volumes, jobs] = await Promise.all([ownVolumes(ctx.api, guest, snapshots), replicationJobs(ctx.api, args.vmid)]);
    refuseBase(guest, volumes);
    const managed = target.status.ha !== undefined;
    if (!args.purge && (managed || jobs.ids.length > 0)) {
      fail('not_possible', `${label(guest)} is used in ${managed ? 'HA' : `replication (${jobs.ids.join(', ')})`}.`, {
        hint: 'Delete with purge, which also removes it there.',
      });
    }
    const { backup_storage: storage } = args;
    const place = storage === undefined ? undefined : await backupStorage(ctx.api, at.node, storage);
    const backup = place ? await backupSteps(ctx.api, target, place) : [];
    const gone: Condition = { kind: 'guest', ...at, is: 'absent', key: identity.key };
    // Proxmox then destroys every volume with this VMID on any storage, so it is sent only where all of them were seen.
    const extra = args.purge && !volumes.partly ? volumes.extra : [];
    const doomed = [...volumes.freed, ...extra];
    const untouched = volumes.untouched.map((v) => v.volid);
    const names = (list: typeof extra) => list.map((v) => v.volid).join(', ');
    const contents = present(counted(doomed.length, 'volume'), snapshots.length > 0 && counted(snapshots.length, 'snapshot')).join(' and ');
    return {
      ...about(target),
      summary: `Delete ${label(guest)} on ${at.node} with ${contents}${backup.length > 0 ? `, after a backup to ${storage}` : ''}`,
      // The approval covers all that goes with the guest: another volume or snapshot makes it stale.
      target: { ...identity, disks: [...new Set([...identity.disks, ...doomed.map((v) => v.volid)])].sort(), snapshots },
      steps: [
        ...backup,
        // A backup takes long enough for the VMID to become another guest's.
        ...(backup.length > 0 ? [stillItself(identity)] : []),
        { kind: 'check', id: 'still-stopped', that: { kind: 'guest', ...at, is: 'stopped' }, purpose: `${label(guest)} is stopped` },
        guestRequest(at, {
          ...{ id: 'delete', method: 'DELETE', path: '' },
          params: { ...(args.purge ? { purge: true } : {}), ...(extra.length > 0 ? { 'destroy-unreferenced-disks': true } : {}) },
          purpose: `destroy ${label(guest)} and its disks`,
          ...{ task: taskType(at, 'destroy'), seconds: DELETE_SECONDS, proof: gone, retryOnLock: true },
        }),
      ],
      expected: [gone],
      warnings: present(
        !(await ctx.createdHere(identity)) && 'this guest was not created through this server',
        managed && 'HA manages the guest: it is removed there too',
        jobs.ids.length > 0 && `replication jobs are removed: ${jobs.ids.join(', ')}`,
        // Proxmox forgets the jobs at once, so that none of them removes its copy.
        jobs.targets.length > 0 &&
          `copies of its disks on ${jobs.targets.join(', ')} may stay behind; delete_volume (toolset rare) removes them`,
        hibernated(guest) && 'the guest is hibernated: its saved memory is lost',
        extra.length > 0 && `volumes with this VMID that are not among its disks are destroyed too: ${names(extra)}`,
        volumes.partly &&
          args.purge &&
          'volumes with this VMID show with Datastore.Audit on the storage and VM.Config.Disk on the guest: those that are not among its disks stay behind',
        extra.length === 0 && volumes.extra.length > 0 && `volumes stay behind: ${names(volumes.extra)}`,
        guest.template && 'only linked clones that the token can see were looked for; Proxmox refuses if there are others',
        backup.length > 0 && leftOut(guest).length > 0 && `destroyed without being in the backup: ${leftOut(guest).join(', ')}`,
        volumes.backups.newest === undefined && backup.length === 0 && noBackupText(volumes.backups),
      ),
      before: { status: 'stopped', volumes: doomed.map((v) => v.volid), ...(untouched.length > 0 ? { untouched } : {}) },
      undo:
        backup.length > 0
          ? `impossible; restore_backup {"source_vmid": ${at.vmid}} makes a guest of the backup on ${storage}`
          : `impossible: ${contents} cannot be restored`,
      facts: {
        ...factsOf(target),
        ...lastBackup(volumes.backups),
        disks: doomed.map(withSize),
        ...(untouched.length > 0 ? { untouched: volumes.untouched.map(withSize) } : {}),
      },
    };
  },
  async report(api, run) {
    const { name, ...at } = placeOf(run);
    const named = (list: unknown) => ((list ?? []) as string[]).map((v) => plainText(v, 300));
    const [volumes, untouched] = [named(run.plan.before?.volumes), named(run.plan.before?.untouched)];
    const storages = [...new Set(volumes.map(storageOf))].filter((s) => s !== '');
    const { fate, orphans, unchecked } = await leftBehind(api, run, storages);
    return {
      vmid: at.vmid,
      name,
      node: at.node,
      status: fate === 'unknown' ? 'unknown' : 'deleted',
      deleted: fate !== 'unknown',
      volumes,
      ...(untouched.length > 0 ? { untouched } : {}),
      ...(fate === 'reused' ? { note: `VMID ${at.vmid} now belongs to another guest, created after this one was deleted` } : {}),
      ...(orphans.length > 0 ? { orphans, orphans_note: 'these volumes still exist; free them with delete_volume (toolset rare)' } : {}),
      ...(unchecked.length > 0
        ? {
            unchecked: `leftover volumes on ${unchecked.join(', ')} could not be looked for: the token's rights on the guest ended with it`,
          }
        : {}),
      ...outcomeOf(run),
    };
  },
});

/** The fate of the guest, and the volumes that still bear its VMID. Where a new guest has that VMID, they belong to it. */
async function leftBehind(api: ProxmoxReader, run: RunRecord, storages: readonly string[]) {
  const fate = await fateOf(api, run);
  if (fate !== 'gone') return { fate, orphans: [], unchecked: [] };
  const left = await orphansOf(api, placeOf(run), storages);
  // Another guest may have got the VMID while the storages were read.
  const reused = left.orphans.length > 0 && (await fateOf(api, run)) === 'reused';
  return reused ? { fate: 'reused' as const, orphans: [], unchecked: [] } : { fate, ...left };
}

/** Null only where every visible storage would have shown one. */
function lastBackup({ newest, seen, hidden }: Backups): { lastBackup?: string | null } {
  if (newest !== undefined) return { lastBackup: newest };
  return seen.length > 0 && hidden.length === 0 ? { lastBackup: null } : {};
}

/** Stopping and unprotecting are decisions of their own, so neither is implicit. */
function refuseLiving(target: Target): void {
  const { guest } = target;
  if (target.running) {
    fail('guest_running', `${label(guest)} is running.`, {
      hint: `Stop it first with stop_vm {"vmid": ${guest.at.vmid}}, which needs its own approval.`,
    });
  }
  if (guest.identity.protection) fail('guest_protected', `${label(guest)} is protected against removal.`);
}

/** VM.Audit on the guest shows its jobs; without it the list is empty. */
async function replicationJobs(api: ProxmoxReader, vmid: number): Promise<{ ids: string[]; targets: string[] }> {
  const jobs = await ifAllowed(api.get<{ id?: string; guest?: number | string; target?: string }[]>('/cluster/replication'), []);
  const own = jobs.filter((job) => Number(job.guest) === vmid);
  const named = (list: (string | undefined)[]) => list.flatMap((one) => (one ? [plainText(one, 80)] : []));
  return { ids: named(own.map(({ id }) => id)), targets: named(own.map(({ target }) => target)) };
}

/**
 * The state of the VMID after the delete. A free one proves that the guest is gone, also to a token that may not see guests. A taken one is
 * another guest's if its identity is another, or if the task that destroyed ours ended well and the token may not look.
 */
async function fateOf(api: ProxmoxReader, { plan, steps }: RunRecord): Promise<'gone' | 'reused' | 'unknown'> {
  const { target } = plan;
  if (!target) return 'unknown';
  const free = await isFree(api, target.vmid).catch(() => undefined);
  if (free === true) return 'gone';
  if (free === undefined) return 'unknown';
  const another = await isAnother(api, target.vmid, target.key).catch(() => undefined);
  if (another !== undefined) return another ? 'reused' : 'unknown';
  const exit = steps.find((step) => step.id === 'delete')?.exit;
  return exit !== undefined && exitOf(exit).kind !== 'failed' ? 'reused' : 'unknown';
}
