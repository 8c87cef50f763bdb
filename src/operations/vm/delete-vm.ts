import * as z from 'zod';
import { asError, fail } from '../../core/errors.ts';
import type { Condition, Plan, Step } from '../../core/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { counted, plainText } from '../../core/text.ts';
import { path } from '../../proxmox/encode.ts';
import { guestPath } from '../../proxmox/guests.ts';
import { listStorages, storageOf } from '../../proxmox/storage.ts';
import { defineOperation } from '../define.ts';
import { outcomeOf, placeOf } from './outcome.ts';
import { changed, storageName, vmid } from './schemas.ts';
import { factsOf, label, readTarget, refuseLocked, type Target } from './target.ts';
import { orphansOf, ownVolumes } from './volumes.ts';

const DELETE_SECONDS = 1800;
const BACKUP_SECONDS = 24 * 3600;

/** DELETE /nodes/{node}/qemu|lxc/{vmid}; with backup_storage POST /nodes/{node}/vzdump before it. */
export const deleteVm = defineOperation({
  name: 'delete_vm',
  title: 'Delete a VM or container',
  effect: 'destroy',
  toolset: 'vm',
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
    orphans: z.array(z.string()).optional(),
    unchecked: z.string().optional(),
  }),
  async plan(ctx, args): Promise<Plan> {
    const target = await readTarget(ctx.api, args.vmid);
    const { guest } = target;
    const { at, identity } = guest;
    refuseLiving(target);
    refuseLocked(target);
    const [volumes, jobs] = await Promise.all([ownVolumes(ctx.api, guest), replicationJobs(ctx.api, args.vmid)]);
    if (volumes.clones.length > 0) {
      fail('guest_state', `${label(guest)} is the base of linked clones: ${volumes.clones.join(', ')}.`, {
        hint: 'Those have to be deleted first (or become full clones).',
        details: { clones: volumes.clones },
      });
    }
    const managed = target.status.ha !== undefined;
    if (!args.purge && (managed || jobs.length > 0)) {
      fail('not_possible', `${label(guest)} is used in ${managed ? 'HA' : `replication (${jobs.join(', ')})`}.`, {
        hint: 'Delete with purge, which also removes it there.',
      });
    }
    const backup = args.backup_storage === undefined ? [] : await backupSteps(ctx.api, target, args.backup_storage);
    const gone: Condition = { kind: 'guest', type: at.type, vmid: at.vmid, node: at.node, is: 'absent' };
    // Proxmox would look through all storages and destroy whatever bears this VMID: only where that is what was seen.
    const extra = args.purge && !volumes.partly ? volumes.extra : [];
    const disks = guest.disks.filter((d) => d.media !== 'cdrom').map((d) => ({ volid: d.volid, sizeGib: d.sizeGib }));
    return {
      operation: 'delete_vm',
      summary: `Delete ${label(guest)} on ${at.node} with ${counted(disks.length, 'volume')}${target.snapshots.names.length > 0 ? ` and ${counted(target.snapshots.names.length, 'snapshot')}` : ''}${backup.length > 0 ? `, after a backup to ${args.backup_storage}` : ''}`,
      effect: 'destroy',
      // Whatever goes with it belongs to what was decided about: another volume or snapshot makes the approval stale.
      target: { ...identity, disks: [...identity.disks, ...extra].sort(), snapshots: target.snapshots.names },
      node: at.node,
      steps: [
        ...backup,
        {
          kind: 'check',
          id: 'still-stopped',
          that: { kind: 'guest', type: at.type, vmid: at.vmid, node: at.node, is: 'stopped' },
          purpose: `${label(guest)} is stopped`,
        },
        {
          kind: 'request',
          id: 'delete',
          method: 'DELETE',
          path: guestPath(at),
          params: { ...(args.purge ? { purge: true } : {}), ...(extra.length > 0 ? { 'destroy-unreferenced-disks': true } : {}) },
          purpose: `destroy ${label(guest)} and its disks`,
          task: {
            type: at.type === 'qemu' ? 'qmdestroy' : 'vzdestroy',
            id: String(at.vmid),
            node: at.node,
            timeoutSeconds: DELETE_SECONDS,
          },
          proof: gone,
          retryOnLock: true,
        },
      ],
      expected: [gone],
      choices: [],
      warnings: [
        ...((await ctx.createdHere(identity)) ? [] : ['this guest was not created through this server']),
        ...(managed ? ['HA manages the guest: it is removed there too'] : []),
        ...(jobs.length > 0 ? [`replication jobs are removed: ${jobs.join(', ')}`] : []),
        ...(extra.length > 0 ? [`volumes with this VMID that are not in its configuration are destroyed too: ${extra.join(', ')}`] : []),
        ...(extra.length === 0 && volumes.extra.length > 0 ? [`volumes stay behind: ${volumes.extra.join(', ')}`] : []),
        ...(guest.template ? ['only linked clones that the token can see were looked for; Proxmox refuses if there are others'] : []),
        ...(volumes.lastBackup === null && backup.length === 0 ? ['there is no backup of this guest'] : []),
      ],
      before: { status: 'stopped', volumes: [...disks.map((d) => d.volid), ...extra] },
      undo:
        backup.length > 0
          ? `impossible; the operator can restore the backup on ${args.backup_storage}`
          : 'impossible: disks and snapshots are gone for good',
      facts: {
        ...factsOf(target),
        ...(volumes.lastBackup === undefined ? {} : { lastBackup: volumes.lastBackup }),
        disks: [...disks.map((d) => (d.sizeGib === undefined ? d.volid : `${d.volid} (${size(d.sizeGib)})`)), ...extra],
      },
    };
  },
  async report(ctx, _args, run) {
    const { name, ...at } = placeOf(run);
    const volumes = ((run.plan.before?.volumes ?? []) as string[]).map((v) => plainText(v, 300));
    const { orphans, unchecked } = await orphansOf(
      ctx.api,
      at,
      [...new Set(volumes.map(storageOf))].filter((s) => s !== ''),
    );
    const gone = await isGone(ctx.api, at.vmid);
    return {
      vmid: at.vmid,
      name,
      node: at.node,
      status: gone ? 'deleted' : 'unknown',
      deleted: gone,
      volumes,
      ...(orphans.length > 0 ? { orphans, orphans_note: 'these volumes are still there; the operator frees them' } : {}),
      ...(unchecked.length > 0
        ? {
            unchecked: `leftover volumes on ${unchecked.join(', ')} could not be looked for: the token's rights on the guest ended with it`,
          }
        : {}),
      ...outcomeOf(run),
    };
  },
});

/** Never stopped or unprotected implicitly: both are decisions of their own. */
function refuseLiving(target: Target): void {
  const { guest } = target;
  if (target.running) {
    fail('guest_running', `${label(guest)} is running.`, {
      hint: `Stop it first: stop_vm {"vmid": ${guest.at.vmid}}, which needs its own approval.`,
    });
  }
  if (guest.identity.protection) fail('guest_protected', `${label(guest)} is protected against removal.`);
}

/** VM.Audit on the guest shows its jobs; without it the list is empty. */
async function replicationJobs(api: ProxmoxReader, vmid: number): Promise<string[]> {
  const jobs = await api.get<{ id?: string; guest?: number | string }[]>('/cluster/replication').catch((thrown) => {
    if (asError(thrown).code === 'permission_denied') return [];
    throw thrown;
  });
  return jobs.filter((job) => Number(job.guest) === vmid).map((job) => plainText(String(job.id ?? ''), 40));
}

/** A backup that prunes no older one, and the proof that its volume is there. */
async function backupSteps(api: ProxmoxReader, target: Target, storage: string): Promise<Step[]> {
  const { at } = target.guest;
  const storages = await listStorages(api, at.node);
  const places = storages.filter((s) => s.usable && s.content.includes('backup')).map((s) => s.storage);
  if (!places.includes(storage)) {
    fail('storage_unavailable', `Storage ${storage} on ${at.node} is missing, offline or does not take backups.`, {
      hint: places.length > 0 ? `Choose one of: ${places.join(', ')}.` : 'No visible storage takes backups.',
      details: { candidates: places },
    });
  }
  const there: Condition = { kind: 'backup', vmid: at.vmid, node: at.node, storage };
  return [
    {
      kind: 'request',
      id: 'backup',
      method: 'POST',
      path: path`/nodes/${at.node}/vzdump`,
      // Without remove=0 Proxmox prunes older backups by the storage's rule.
      params: { vmid: at.vmid, storage, mode: 'snapshot', compress: 'zstd', remove: false },
      purpose: `back up ${label(target.guest)} to ${storage}`,
      task: { type: 'vzdump', id: String(at.vmid), node: at.node, timeoutSeconds: BACKUP_SECONDS },
      proof: there,
    },
    { kind: 'wait', id: 'backed-up', until: there, timeoutSeconds: 60, purpose: `the backup lies on ${storage}` },
  ];
}

/** A free VMID proves it, also to a token that may not see the guest. */
async function isGone(api: ProxmoxReader, vmid: number): Promise<boolean> {
  return api.get('/cluster/nextid', { vmid }).then(
    () => true,
    () => false,
  );
}

/** `8 GiB`, and `4 MiB` for what is smaller than one. */
function size(gib: number): string {
  return gib < 1 ? `${Math.round(gib * 1024)} MiB` : `${Math.round(gib * 100) / 100} GiB`;
}
