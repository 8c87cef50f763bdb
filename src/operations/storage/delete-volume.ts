import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import type { Condition, Plan } from '../../core/plan/plan.ts';
import { isoOf } from '../../core/text/duration.ts';
import { plainText } from '../../core/text/text.ts';
import { path } from '../../proxmox/guest/encode.ts';
import { isDisk, listVolumes, storageOf } from '../../proxmox/storage.ts';
import { defineOperation } from '../define.ts';
import { bothReads } from '../vm/lib/api.ts';
import { outcomeOf } from '../vm/lib/outcome.ts';
import { nodeName, volumeId } from '../vm/lib/schemas.ts';
import { aboutBackup } from './lib/backup-left.ts';
import { findVolume } from './lib/find-volume.ts';
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
  async plan(ctx, args): Promise<Plan> {
    const found = await findVolume(ctx.api, args.volume, args.node);
    const { node, row, shared } = found;
    const volume = plainText(args.volume, 200);
    const storage = storageOf(args.volume);
    const isBackup = row.content === 'backup';
    const about = isBackup ? await aboutBackup(ctx.api, found) : { warnings: await refuseReferred(ctx, found) };
    const content = path`/nodes/${node}/storage/${storage}/content`;
    const gone: Condition = {
      kind: 'listed',
      path: content,
      row: { volid: args.volume },
      is: 'absent',
      says: `${volume} is gone from ${node}`,
    };
    const gib = Math.round(((row.size ?? 0) / 2 ** 30) * 1000) / 1000;
    return {
      ...{ operation: 'delete_volume', node, effect: 'destroy' },
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
      warnings: [
        ...about.warnings,
        ...(shared && isDisk(row) ? ['guests of another cluster that uses the same storage cannot be seen'] : []),
      ],
      before: { volume, size_gb: gib, ...defined({ guest: row.vmid === undefined ? undefined : Number(row.vmid) }) },
      after: {},
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

function sameVolume(content: string, { volid, size, ctime }: { volid: string; size?: number; ctime?: number }): Condition {
  const facts = Object.fromEntries(
    Object.entries({ size, ctime }).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
  );
  return { kind: 'listed', path: content, row: { volid, ...facts }, is: 'present', says: `${plainText(volid, 200)} is as it was` };
}
