import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { PlanDraft } from '../../core/plan/plan.ts';
import { duration } from '../../core/text/duration.ts';
import { plainText } from '../../core/text/text.ts';
import { dataGib, disksOf } from '../../proxmox/guest/disks.ts';
import { cpuOf, guestPath, memoryOf, tagsOf } from '../../proxmox/guest/guests.ts';
import { optionsOf } from '../../proxmox/guest/property-strings.ts';
import type { Snapshot } from '../../proxmox/guest/snapshots.ts';
import { listStorages } from '../../proxmox/storage.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { bothReads, GUEST_READS, NODE_READS, ofBoth } from '../vm/lib/api.ts';
import { guestRequest, taskType } from '../vm/lib/guest-request.ts';
import { demandOf, sizesOn } from '../vm/lib/limits.ts';
import { reportOf } from '../vm/lib/outcome.ts';
import { changed, vmid } from '../vm/lib/schemas.ts';
import { about, label, readTarget, refuseLocked, refuseTemplate, type Target } from '../vm/lib/target.ts';
import { bound, findSnapshot, snapshotName, snapshotPath, snapshotText } from './lib/snapshots.ts';

const TASK_SECONDS = 3_600;
/** Options that a rollback leaves as they are, and those that only describe the snapshot. */
const KEPT =
  /^(?:description|unused\d+|snaptime|snapstate|parent|vmstate|vmgenid|runningmachine|runningcpu|running-nets-host-mtu|digest|lock|meta)$/;

/** POST …/snapshot/{snapname}/rollback. */
export const rollbackSnapshot = defineOperation({
  name: 'rollback_snapshot',
  title: 'Roll back to a snapshot',
  effect: 'destroy',
  toolset: 'everyday',
  description:
    'Sets disks and configuration of a VM or container back to a snapshot; everything since is lost. Needs approval. list_snapshots shows the names.',
  input: z.strictObject({ vmid, snapshot: snapshotName, start: z.boolean().default(false).describe('Start it afterwards') }),
  byName: { vmid: 'name' },
  output: changed.extend({ snapshot: z.string() }),
  reads: [...GUEST_READS, ...bothReads('snapshot/{snapname}/config')],
  mayRead: [...NODE_READS, 'GET /nodes/{node}/storage'],
  sends: ofBoth('POST /nodes/{node}/{type}/{vmid}/snapshot/{snapname}/rollback'),
  maySend: ofBoth('POST /nodes/{node}/{type}/{vmid}/snapshot/{snapname}/rollback', ['start']),
  example: { vmid: 104, snapshot: 'before-upgrade' },
  async plan(ctx, args): Promise<PlanDraft> {
    const target = await readTarget(ctx.api, args.vmid);
    const { guest, running } = target;
    const { at } = guest;
    const of = label(guest);
    refuseTemplate(guest, 'rolled back');
    refuseLocked(target);
    const snapshot = findSnapshot(target, args.snapshot);
    refuseIncomplete(target, snapshot);
    await refuseOlder(ctx, target, snapshot.name);
    const config = await ctx.api.get<Record<string, unknown>>(`${guestPath(at)}${snapshotPath(snapshot.name)}/config`);
    const then = optionsOf(Object.entries(config));
    const lost = snapshot.time === undefined ? 'unknown' : duration(Date.now() / 1000 - snapshot.time);
    const differs = [...new Set([...Object.keys(guest.config), ...Object.keys(then)])]
      .filter((key) => !KEPT.test(key) && guest.config[key] !== then[key])
      .sort();
    const disks = disksOf(then);
    const now = new Set(disks.map((d) => d.volid));
    const dropped = guest.disks.filter((d) => d.media === 'disk' && !now.has(d.volid)).map((d) => `${d.slot} ${plainText(d.volid, 120)}`);
    const old = { ...cpuOf(at.type, then), memoryMib: memoryOf(then), diskGib: dataGib(disks, at.vmid) };
    const { sizes, warnings } = await sizesOn(ctx.api, old, at.node);
    const starts = snapshot.memory || args.start;
    // HA starts a guest that should run, as after a crash.
    const byManager = !starts && target.status.ha === 'started';
    const runs = starts || byManager;
    const after = { kind: 'guest', ...at, is: runs ? 'running' : 'stopped' } as const;
    return {
      ...about(target),
      binds: { ...bound(target, snapshot), [`configuration of snapshot ${snapshot.name}`]: then },
      summary: `Roll ${of} back to snapshot ${snapshotText(snapshot, Date.now())}; everything written since is lost`,
      demand: demandOf(guest, sizes, guest.sizes.cpu ?? target.row.cpus),
      becomes: { tags: tagsOf(then.tags), protection: then.protection === '1' },
      steps: [
        guestRequest(at, {
          id: 'rollback',
          path: `${snapshotPath(snapshot.name)}/rollback`,
          params: args.start && !snapshot.memory ? { start: true } : {},
          purpose: `roll ${of} back to snapshot ${snapshot.name}`,
          task: taskType(at, 'rollback'),
          seconds: TASK_SECONDS,
        }),
      ],
      // The manager notices later that it is stopped.
      expected: byManager ? [] : [after],
      warnings: present(
        `lost: all changes on its disks of the last ${lost}`,
        running && `${of} runs and is powered off${runs ? ', then it starts again' : '. It stays off'}`,
        byManager && 'HA manages the guest and starts it after the rollback',
        differs.length > 0 && `its old configuration comes back: ${differs.map((key) => plainText(key, 40)).join(', ')}`,
        dropped.length > 0 && `disks that were added since leave the configuration: ${dropped.join(', ')}`,
        guest.identity.protection && then.protection !== '1' && 'the guest is protected now and loses its protection',
        guest.pending.length > 0 && 'changes that are pending are dropped',
        ...warnings,
      ),
      before: { status: running ? 'running' : 'stopped' },
      after: { status: runs ? 'running' : 'stopped', snapshot: snapshot.name },
      undo: `impossible, unless a new snapshot is taken first: snapshot_vm {"vmid": ${at.vmid}}`,
    };
  },
  async report(api, run) {
    return { ...(await reportOf(api, run)), snapshot: String(run.plan.after?.snapshot ?? '') };
  },
});

/** Proxmox refuses it, too, but only after an approval. @throws not_possible */
function refuseIncomplete({ guest }: Target, { name, state }: Snapshot): void {
  if (state === undefined) return;
  const done = state === 'delete' ? 'deleted' : 'taken';
  fail('not_possible', `Snapshot ${name} of ${label(guest)} is incomplete: Proxmox was interrupted while it was ${done}.`, {
    hint: 'Choose another snapshot. delete_snapshot removes this one.',
  });
}

/** ZFS rolls back to the newest snapshot only: going to an older one would destroy the newer ones. @throws not_possible naming them */
async function refuseOlder(ctx: OperationContext, { guest, snapshots }: Target, name: string): Promise<void> {
  const newer = snapshots.names.slice(snapshots.names.indexOf(name) + 1);
  if (newer.length === 0) return;
  const storages = await listStorages(ctx.api, guest.at.node);
  const zfs = guest.disks.filter((d) => d.media === 'disk' && storages.find((s) => s.storage === d.storage)?.type === 'zfspool');
  if (zfs.length === 0) return;
  const only = `${label(guest)} has disks on ZFS, which rolls back to the newest snapshot only.`;
  fail('not_possible', `${only} Newer than ${name}: ${newer.join(', ')}.`, {
    hint: 'Ask the user whether to delete these. Then call delete_snapshot, the newest first.',
    details: { newer },
  });
}
