import * as z from 'zod';
import { defined, present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { raisedTo } from '../../core/plan/effect.ts';
import type { PlanDraft } from '../../core/plan/plan.ts';
import { plainText } from '../../core/text/text.ts';
import { canSnapshot } from '../../proxmox/guest/snapshots.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { bothReads, GUEST_READS } from '../vm/lib/api.ts';
import { guestRequest, taskType } from '../vm/lib/guest-request.ts';
import { reportOf } from '../vm/lib/outcome.ts';
import { changed, lines, oneOrSeveral } from '../vm/lib/schemas.ts';
import { guestsAsked, planGuests } from '../vm/lib/several.ts';
import { about, label, readNearTarget, readTarget, refuseLocked, refuseTemplate } from '../vm/lib/target.ts';
import { listed, snapshotName, snapshotText } from './lib/snapshots.ts';

/** Saving memory writes all of it to disk. */
const TASK_SECONDS = 1_800;

const input = z.strictObject({
  ...oneOrSeveral,
  snapshot: snapshotName.describe('Name of the new snapshot'),
  description: lines(1024).optional(),
  memory: z.boolean().default(false).describe('Also the memory of a running VM, which pauses meanwhile'),
});
type Args = Omit<z.output<typeof input>, 'vmid' | 'vmids'>;

/** POST …/snapshot. */
export const snapshotVm = defineOperation({
  name: 'snapshot_vm',
  title: 'Take a snapshot',
  effect: 'change',
  toolset: 'everyday',
  description: 'Takes a snapshot of VMs or containers before a risky change; rollback_snapshot goes back to it. It is not a backup.',
  input,
  byName: { vmid: 'name', vmids: 'names' },
  output: changed.extend({ snapshot: z.string().optional() }),
  reads: [...GUEST_READS, ...bothReads('feature')],
  sends: {
    'POST /nodes/{node}/qemu/{vmid}/snapshot': ['snapname', 'description', 'vmstate'],
    'POST /nodes/{node}/lxc/{vmid}/snapshot': ['snapname', 'description'],
  },
  example: { vmid: 104, snapshot: 'before-change' },
  async plan(ctx, { vmid, vmids, ...args }) {
    const asked = guestsAsked('snapshot_vm', { vmid, vmids });
    const undo = () => `delete_snapshot {"vmids": [${asked.join(', ')}], "snapshot": "${args.snapshot}"}`;
    const words = { verb: `Take snapshot ${args.snapshot} of`, done: 'snapshotted', undo };
    return planGuests(asked, words, (one) => planOne(ctx, one, args));
  },
  async report(api, run) {
    return { ...(await reportOf(api, run)), snapshot: String(run.args.snapshot) };
  },
});

async function planOne(ctx: OperationContext, vmid: number, { snapshot, description, memory }: Args): Promise<PlanDraft> {
  const target = await (memory ? readTarget : readNearTarget)(ctx.api, vmid);
  const { guest, snapshots, running } = target;
  const { at } = guest;
  const of = label(guest);
  refuseTemplate(guest, 'snapshotted');
  refuseLocked(target);
  const taken = snapshots.all.find((one) => one.name.toLowerCase() === snapshot.toLowerCase());
  if (taken) {
    fail('conflict', `${of} already has a snapshot ${snapshotText(taken, Date.now())}.`, {
      hint: 'Choose another name, or ask the user whether delete_snapshot may remove that one.',
    });
  }
  if (memory && at.type === 'lxc') {
    fail('not_possible', `${of} is a container. Its memory cannot be saved.`, { hint: 'Call again without memory.' });
  }
  if (!(await canSnapshot(ctx.api, at))) {
    const disks = guest.disks.map((d) => `${d.slot} ${plainText(d.volid, 120)}`);
    fail('not_possible', `${of} cannot be snapshotted, because the storage of a disk does not support it.`, {
      hint: `Disks: ${disks.join(', ')}. Snapshots need qcow2, ZFS, LVM-thin, Ceph or btrfs. backup_vm works on every storage.`,
    });
  }
  const pauses = memory && running;
  const there = listed(at, snapshot, 'present', of);
  return {
    ...about(target),
    summary: `Take snapshot ${snapshot} of ${of}${pauses ? ' with its memory' : ''}`,
    ...raisedTo('disrupt', pauses && `${of} is paused while its memory is saved`),
    steps: [
      guestRequest(at, {
        id: 'snapshot',
        path: '/snapshot',
        params: { snapname: snapshot, ...defined({ description }), ...(at.type === 'qemu' ? { vmstate: pauses } : {}) },
        purpose: `take snapshot ${snapshot} of ${of}`,
        task: taskType(at, 'snapshot'),
        seconds: TASK_SECONDS,
        proof: there,
      }),
    ],
    expected: [there],
    warnings: present(
      running && !pauses && at.type === 'qemu' && 'the VM runs: the snapshot holds its disks as after a power cut, without memory',
      guest.pending.length > 0 && 'changes that are pending are not part of the snapshot',
    ),
    before: { snapshots: snapshots.names.map((one) => plainText(one, 40)) },
    after: { snapshot },
    undo: `delete_snapshot {"vmid": ${vmid}, "snapshot": "${snapshot}"}`,
  };
}
