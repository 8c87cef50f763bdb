import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { type Condition, nothingToSend, type PlanDraft, type Step } from '../../core/plan/plan.ts';
import { counted, plainText } from '../../core/text/text.ts';
import { guestPath, listGuests } from '../../proxmox/guest/guests.ts';
import type { Snapshot } from '../../proxmox/guest/snapshots.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { GUEST_READS, ofBoth } from '../vm/lib/api.ts';
import { guestRequest, taskType } from '../vm/lib/guest-request.ts';
import { reportOf } from '../vm/lib/outcome.ts';
import { changed, oneOrSeveral } from '../vm/lib/schemas.ts';
import { guestsAsked, planGuests } from '../vm/lib/several.ts';
import { about, label, readTarget, refuseLocked, type Target } from '../vm/lib/target.ts';
import { readAll, unreadText } from './lib/read-all.ts';
import { bound, findSnapshot, listed, snapshotName, snapshotPath, snapshotText } from './lib/snapshots.ts';

const TASK_SECONDS = 3_600;
/** Guests that one plan may cover. */
const MAX_GUESTS = 50;

const input = z.strictObject({
  ...oneOrSeveral,
  snapshot: snapshotName.optional(),
  older_than_days: z.number().min(0).optional().describe('Instead of snapshot: all older ones, of all guests if none is named'),
});
type Wanted = Pick<z.output<typeof input>, 'snapshot' | 'older_than_days'>;

/** DELETE …/snapshot/{snapname}, the newest first. */
export const deleteSnapshot = defineOperation({
  name: 'delete_snapshot',
  title: 'Delete snapshots',
  effect: 'destroy',
  toolset: 'everyday',
  description: 'Deletes a snapshot, or all that are older than some days, under one approval. The guests stay as they are.',
  input,
  byName: { vmid: 'name', vmids: 'names' },
  output: changed.extend({ deleted: z.array(z.string()) }),
  reads: GUEST_READS,
  sends: ofBoth('DELETE /nodes/{node}/{type}/{vmid}/snapshot/{snapname}'),
  example: { vmid: 104, snapshot: 'clean' },
  async plan(ctx, { vmid, vmids, ...wanted }) {
    if ((wanted.snapshot === undefined) === (wanted.older_than_days === undefined)) {
      fail('invalid_arguments', 'delete_snapshot needs either snapshot or older_than_days.');
    }
    const isOpen = vmid === undefined && vmids === undefined && wanted.older_than_days !== undefined;
    const found = isOpen ? await guestsWithOld(ctx, wanted) : { vmids: guestsAsked('delete_snapshot', { vmid, vmids }), unread: undefined };
    const [first, ...others] = found.vmids;
    if (first === undefined) return nothing(wanted, found.unread);
    const words = {
      ...{ verb: 'Delete snapshots of', done: 'cleared of these snapshots', already: 'none of them has such a snapshot' },
      undo: () => 'impossible: what the snapshots hold is lost',
    };
    const plan = await planGuests([first, ...others], words, (one) => planOne(ctx, one, wanted));
    return { ...plan, warnings: present(...plan.warnings, found.unread) };
  },
  async report(api, run) {
    const deleted = run.plan.steps.flatMap((step) => (step.kind === 'request' ? [step.purpose.replace(/^delete /, '')] : []));
    return { ...(await reportOf(api, run)), deleted };
  },
});

async function planOne(ctx: OperationContext, vmid: number, wanted: Wanted): Promise<PlanDraft> {
  const target = await readTarget(ctx.api, vmid);
  const { guest, snapshots } = target;
  const { at } = guest;
  const of = label(guest);
  const chosen =
    wanted.snapshot === undefined ? snapshots.all.filter((one) => isOlder(one, wanted)) : [findSnapshot(target, wanted.snapshot)];
  const base = about(target);
  if (chosen.length === 0) {
    const existing = { vmid, name: plainText(guest.identity.name, 80), node: at.node, status: target.status.status, deleted: [] };
    return { ...base, summary: `${of} has no such snapshot`, ...nothingToSend(existing) };
  }
  refuseLocked(target);
  const newestFirst = [...chosen].reverse();
  return {
    ...base,
    binds: Object.assign({}, ...chosen.map((one) => bound(target, one))),
    summary: `Delete ${counted(chosen.length, 'snapshot')} of ${of}: ${chosen.map((one) => snapshotText(one, Date.now())).join(', ')}`,
    steps: newestFirst.flatMap((one, index) => deletion(target, one, index)),
    expected: chosen.map((one) => listed(at, one.name, 'absent', of)),
    warnings: chosen.some((one) => one.memory) ? ['the saved memory is deleted too'] : [],
    before: { snapshots: snapshots.names.map((one) => plainText(one, 40)) },
    after: { snapshots: snapshots.names.filter((one) => !chosen.some(({ name }) => name === one)).map((one) => plainText(one, 40)) },
    undo: 'impossible: what the snapshot holds is lost. The guest itself stays as it is',
  };
}

/** Deleting takes long, and a name may be used again meanwhile, so each further snapshot is checked before its request. */
function deletion({ guest }: Target, one: Snapshot, index: number): Step[] {
  const { at } = guest;
  const of = label(guest);
  const name = plainText(one.name, 40);
  const same: Condition = {
    ...{ kind: 'listed', path: `${guestPath(at)}/snapshot`, is: 'present', says: `snapshot ${name} of ${of} is the one of the plan` },
    row: { name: one.name, ...(one.time === undefined ? {} : { snaptime: String(one.time) }) },
  };
  const suffix = index === 0 ? '' : String(index + 1);
  return [
    ...(index === 0 ? [] : [{ kind: 'check' as const, id: `same${suffix}`, that: same, purpose: same.says }]),
    guestRequest(at, {
      id: `delete${suffix}`,
      method: 'DELETE',
      path: snapshotPath(one.name),
      purpose: `delete snapshot ${name} of ${of}`,
      task: taskType(at, 'delsnapshot'),
      seconds: TASK_SECONDS,
      proof: listed(at, one.name, 'absent', of),
    }),
  ];
}

function isOlder({ time }: Snapshot, { older_than_days: days = 0 }: Wanted): boolean {
  return time !== undefined && time < Date.now() / 1000 - days * 86_400;
}

/** @throws too_large where one approval would cover too many guests */
async function guestsWithOld(ctx: OperationContext, wanted: Wanted): Promise<{ vmids: number[]; unread: string | undefined }> {
  const { found, unread } = await readAll(ctx.api, await listGuests(ctx.api));
  const vmids = found.filter(({ snapshots }) => snapshots.all.some((one) => isOlder(one, wanted))).map(({ guest }) => guest.vmid);
  if (vmids.length > MAX_GUESTS) {
    fail('invalid_arguments', `${vmids.length} guests have such snapshots; one approval covers at most ${MAX_GUESTS}.`, {
      hint: 'Name some of the guests in vmids.',
      details: { vmids: vmids.slice(0, 200) },
    });
  }
  return { vmids, unread: unreadText(unread) };
}

function nothing({ older_than_days: days }: Wanted, unread: string | undefined): PlanDraft {
  const summary = present(`no snapshot that this token can see is older than ${days} days`, unread).join('; ');
  return {
    summary,
    ...nothingToSend({ vmid: 0, name: '', node: '', status: '', deleted: [], notice: summary }),
  };
}
