import * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import { raisedTo } from '../../core/plan/effect.ts';
import type { PlanDraft, RequestStep } from '../../core/plan/plan.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { type GuestAt, readGuest } from '../../proxmox/guest/guests.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { GUEST_READS } from './lib/api.ts';
import { destroying, doomedBy } from './lib/doomed.ts';
import { guestRequest, taskType } from './lib/guest-request.ts';
import { isHalted, placeOf, reportOf } from './lib/outcome.ts';
import { changed, oneOrSeveral, SHUTDOWN_SECONDS, shutdownTimeout } from './lib/schemas.ts';
import { guestsAsked, planGuests, undoAll, type Words } from './lib/several.ts';
import { about, label, pendingText, readTarget, refuseLocked, refuseTemplate } from './lib/target.ts';

/** Time for the stop and the start around the guest's own shutdown. */
const SLACK_SECONDS = 120;

const input = z.strictObject({
  ...oneOrSeveral,
  timeout: shutdownTimeout,
  force: z.boolean().default(false).describe('Press reset: for a VM that hangs'),
});
type Args = Pick<z.output<typeof input>, 'timeout' | 'force'>;

/** POST …/status/reboot, which Proxmox executes as shutdown and start; with force POST …/status/reset. */
export const rebootVm = defineOperation({
  name: 'reboot_vm',
  title: 'Reboot a VM or container',
  effect: 'disrupt',
  toolset: 'everyday',
  description: 'Shuts VMs or containers down and starts them again, which applies pending changes. Needs approval.',
  input,
  byName: { vmid: 'name', vmids: 'names' },
  output: changed.extend({ applied: z.array(z.string()).optional() }),
  reads: GUEST_READS,
  sends: {
    'POST /nodes/{node}/qemu/{vmid}/status/reboot': ['timeout'],
    'POST /nodes/{node}/lxc/{vmid}/status/reboot': ['timeout'],
    'POST /nodes/{node}/qemu/{vmid}/status/reset': [],
  },
  example: { vmid: 100 },
  async plan(ctx, { vmid, vmids, ...how }) {
    const words: Words = { verb: how.force ? 'Reset' : 'Reboot', done: 'rebooted', undo: (plans) => undoAll(UNDO, plans) };
    return planGuests(guestsAsked('reboot_vm', { vmid, vmids }), words, (one) => planOne(ctx, one, how));
  },
  async report(api, run) {
    const applied = await appliedOf(api, run);
    return { ...(await reportOf(api, run)), ...(applied.length > 0 ? { applied } : {}) };
  },
});

const UNDO = 'impossible: a reboot has happened';

async function planOne(ctx: OperationContext, vmid: number, { timeout, force }: Args): Promise<PlanDraft> {
  const target = await readTarget(ctx.api, vmid);
  const { guest, running, status } = target;
  const { at } = guest;
  const of = label(guest);
  refuseTemplate(guest, 'rebooted');
  refuseLocked(target);
  if (!running) fail('guest_state', `${of} is stopped and cannot be rebooted.`, { hint: `Start it with start_vm {"vmid": ${vmid}}.` });
  if (isHalted(status) && !force) {
    fail('guest_state', `${of} is halted (${status.detail}) and cannot shut down.`, {
      hint: 'Call resume_vm first, or reboot_vm with force.',
    });
  }
  if (force && at.type === 'lxc') {
    fail('not_possible', `${of} is a container and has no reset.`, { hint: 'Call stop_vm with force, then start_vm.' });
  }
  const up = { kind: 'guest', ...at, is: 'running' } as const;
  const plan: PlanDraft = {
    ...about(target),
    summary: `${force ? 'Reset' : 'Reboot'} ${of} on ${at.node}`,
    ...raisedTo('destroy', force && 'reset cuts the power: data that the guest has not written to disk is lost'),
    steps: [force ? resetStep(at, of) : rebootStep(at, of, timeout ?? SHUTDOWN_SECONDS)],
    expected: [up],
    ...(force ? {} : { changes: guest.pending.map((one) => ({ keys: [one.key], text: pendingText([one]) })) }),
    warnings:
      guest.pending.length === 0 ? [] : [`pending changes ${force ? 'stay pending' : 'take effect'}: ${pendingText(guest.pending)}`],
    before: { status: 'running' },
    after: { status: 'running' },
    undo: UNDO,
  };
  // A reset keeps the machine as it is: nothing that is pending is applied.
  return force ? plan : destroying(plan, doomedBy(guest.pending), at, 'the reboot');
}

function rebootStep(at: GuestAt, of: string, timeout: number): RequestStep {
  return guestRequest(at, {
    id: 'reboot',
    path: '/status/reboot',
    params: { timeout },
    purpose: `reboot ${of}, which has ${timeout} s to shut down`,
    task: taskType(at, 'reboot'),
    seconds: timeout + SLACK_SECONDS,
    onFailure: `If the guest ignored the request, it still runs. reboot_vm {"vmid": ${at.vmid}, "force": true} resets it, which needs an approval of its own.`,
  });
}

function resetStep(at: GuestAt, of: string): RequestStep {
  return guestRequest(at, { id: 'reset', path: '/status/reset', purpose: `reset ${of}`, task: 'qmreset', seconds: SLACK_SECONDS });
}

/** The changes that were pending and are no longer. */
async function appliedOf(api: ProxmoxReader, run: RunRecord): Promise<string[]> {
  const { changes = [] } = run.plan;
  const guest = changes.length === 0 ? undefined : await readGuest(api, placeOf(run)).catch(() => undefined);
  const open = new Set(guest?.pending.map(({ key }) => key));
  return guest ? changes.filter(({ keys }) => !keys.some((key) => open.has(key))).map(({ text }) => text) : [];
}
