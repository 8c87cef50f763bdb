import * as z from 'zod';
import { defined, present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { Condition, PlanDraft } from '../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { isoOf } from '../../core/text/duration.ts';
import { gibOf, isSet, numberOf, rounded } from '../../core/text/sizes.ts';
import { counted, plainText } from '../../core/text/text.ts';
import { failMissing } from '../../proxmox/access/privileges.ts';
import { readBackups } from '../../proxmox/backups.ts';
import { backupOwner } from '../../proxmox/guest/disks.ts';
import { path } from '../../proxmox/guest/encode.ts';
import { isFree, listGuests, readGuest } from '../../proxmox/guest/guests.ts';
import { isDisk, listVolumes, storageOf, type VolumeRow } from '../../proxmox/storage.ts';
import { defineOperation } from '../define.ts';
import { bothReads } from '../vm/lib/api.ts';
import { outcomeOf } from '../vm/lib/outcome.ts';
import { nodeName, volumeId } from '../vm/lib/schemas.ts';
import { type FoundVolume, findVolume } from './lib/find-volume.ts';
import { refuseReferred } from './lib/references.ts';

const DELETE_SECONDS = 1_800;

/** DELETE /nodes/{node}/storage/{storage}/content/{volume}, which itself looks only for linked clones and protected backups. */
export const deleteVolume = defineOperation({
  name: 'delete_volume',
  title: 'Delete a volume',
  effect: 'destroy',
  toolset: 'rare',
  description: 'Deletes an orphaned disk, backup, ISO, image or template file for good. Refuses what a guest refers to or may refer to.',
  input: z.strictObject({ volume: volumeId, node: nodeName.optional().describe('For a local storage of several nodes') }),
  output: z.looseObject({ volume: z.string(), node: z.string(), deleted: z.boolean() }),
  reads: [
    'GET /nodes/{node}/storage',
    'GET /nodes/{node}/storage/{storage}/content',
    'GET /cluster/resources',
    ...bothReads('pending', 'snapshot', 'snapshot/{snapname}/config'),
  ],
  mayRead: ['GET /nodes/{node}/storage/{storage}/content/{volume}'],
  sends: { 'DELETE /nodes/{node}/storage/{storage}/content/{volume}': [] },
  example: { volume: 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst', node: 'pve' },
  async plan(ctx, args): Promise<PlanDraft> {
    const found = await findVolume(ctx.api, args.volume, args.node);
    const { node, row, shared } = found;
    const volume = plainText(args.volume, 200);
    const storage = storageOf(args.volume);
    const about = row.content === 'backup' ? await aboutBackup(ctx.api, found) : { warnings: await refuseReferred(ctx, found) };
    const content = path`/nodes/${node}/storage/${storage}/content`;
    const gone: Condition = {
      kind: 'listed',
      path: content,
      row: { volid: args.volume },
      is: 'absent',
      says: `${volume} is gone from ${node}`,
    };
    const gib = rounded(gibOf(row.size ?? 0), 3);
    return {
      node,
      ...about,
      binds: { [`volume ${volume} on ${node}`]: { size: row.size ?? null, ctime: row.ctime ?? null } },
      summary: `Delete ${volume} (${gib} GiB${row.ctime === undefined ? '' : `, of ${isoOf(row.ctime)}`}) on ${node}`,
      steps: [
        { kind: 'check', id: 'same', that: sameVolume(content, row), purpose: `${volume} is the one of the plan` },
        {
          kind: 'request',
          id: 'delete',
          method: 'DELETE',
          path: `${content}${path`/${args.volume}`}`,
          params: {},
          purpose: `delete ${volume} on ${node}`,
          task: { type: 'imgdel', id: row.vmid === undefined ? storage : `${row.vmid}@${storage}`, node, timeoutSeconds: DELETE_SECONDS },
          proof: gone,
        },
      ],
      expected: [gone],
      choices: [],
      warnings: present(
        ...about.warnings,
        shared && isDisk(row) && 'this token cannot see guests of another cluster that uses the same storage',
      ),
      before: { volume, size_gb: gib, ...defined({ guest: numberOf(row.vmid) }) },
      undo: 'impossible: the volume is lost',
    };
  },
  async report(api, run) {
    const volid = String(run.args.volume);
    const { node = '' } = run.plan;
    const left = (await listVolumes(api, node, storageOf(volid))).some((one) => one.volid === volid);
    return { volume: plainText(volid, 200), node, deleted: !left, ...outcomeOf(run) };
  },
});

function sameVolume(content: string, { volid, size, ctime }: VolumeRow): Condition {
  const facts = Object.entries(defined({ size, ctime })).map(([key, value]) => [key, String(value)]);
  const row = { volid, ...Object.fromEntries(facts) };
  return { kind: 'listed', path: content, row, is: 'present', says: `${plainText(volid, 200)} is as it was` };
}

/**
 * A backup belongs to its guest while the guest exists, so that the policy's rules about the guest apply. The warnings count the other backups.
 * @throws guest_protected, permission_denied for a backup of a guest that the token does not see
 */
async function aboutBackup(api: ProxmoxReader, { row }: FoundVolume): Promise<Pick<PlanDraft, 'target' | 'facts' | 'warnings'>> {
  const shown = plainText(row.volid, 200);
  if (isSet(row.protected)) {
    fail('guest_protected', `${shown} is a protected backup.`, { hint: 'Ask the operator to remove the protection of this backup.' });
  }
  const owner = backupOwner(row.volid) ?? numberOf(row.vmid);
  if (owner === undefined) return { warnings: [] };
  const { backups, unread } = await readBackups(api, owner);
  const [newest, ...more] = backups.filter(({ volid }) => volid !== row.volid);
  const left = newest
    ? `${counted(more.length + 1, 'other backup')} of guest ${owner}, the newest of ${isoOf(newest.time)}`
    : `no other backup of guest ${owner}`;
  const warnings = present(
    `this token sees ${left}`,
    unread.length > 0 && `not read: ${unread.map(({ storage, why }) => `${storage} (${why})`).join(', ')}`,
  );
  const at = (await listGuests(api)).find(({ vmid }) => vmid === owner);
  if (!at) {
    if (!(await isFree(api, owner)))
      failMissing(`Seeing guest ${owner} of the backup`, [{ path: `/vms/${owner}`, privileges: ['VM.Audit'] }]);
    return { warnings };
  }
  const { identity, tags } = await readGuest(api, at);
  return { target: identity, facts: { disks: [], tags, lastBackup: newest ? isoOf(newest.time) : null }, warnings };
}
