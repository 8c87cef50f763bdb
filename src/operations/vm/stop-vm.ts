import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { raisedTo } from '../../core/plan/effect.ts';
import type { PlanDraft, RequestStep } from '../../core/plan/plan.ts';
import { atLeast } from '../../proxmox/version.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { GUEST_READS, ofBoth } from './lib/api.ts';
import { destroying, doomedBy } from './lib/doomed.ts';
import { guestRequest, taskType } from './lib/guest-request.ts';
import { alreadySo, isHalted, reportOf } from './lib/outcome.ts';
import { changedEach, oneOrSeveral, SHUTDOWN_SECONDS, shutdownTimeout } from './lib/schemas.ts';
import { callFor, guestsAsked, planGuests, undoAll, type Words } from './lib/several.ts';
import { about, label, pendingWarnings, readTarget, refuseLocked, refuseTemplate, type Target } from './lib/target.ts';

/** Time for Proxmox beside the guest's own. */
const SLACK_SECONDS = 60;

const input = z.strictObject({
  ...oneOrSeveral,
  timeout: shutdownTimeout,
  force: z.boolean().default(false).describe('Cut the power at once, or after timeout if given'),
});
type How = Pick<z.output<typeof input>, 'timeout' | 'force'>;

/** POST …/status/shutdown or …/status/stop. */
export const stopVm = defineOperation({
  name: 'stop_vm',
  title: 'Stop a VM or container',
  effect: 'disrupt',
  toolset: 'everyday',
  description: 'Shuts VMs or containers down gracefully; force powers them off. Needs approval.',
  input,
  byName: { vmid: 'name', vmids: 'names' },
  output: changedEach,
  reads: GUEST_READS,
  sends: {
    ...ofBoth('POST /nodes/{node}/{type}/{vmid}/status/shutdown', ['timeout', 'forceStop']),
    ...ofBoth('POST /nodes/{node}/{type}/{vmid}/status/stop', ['overrule-shutdown']),
  },
  example: { vmid: 100, force: true },
  async plan(ctx, { vmid, vmids, ...how }): Promise<PlanDraft> {
    const words: Words = {
      ...{ verb: verbOf(how), done: 'stopped', already: 'all guests are already stopped' },
      undo: (plans) => undoAll(callFor('start_vm', plans), plans),
    };
    return planGuests(guestsAsked('stop_vm', { vmid, vmids }), words, (one) => planOne(ctx, one, how));
  },
  report: reportOf,
});

async function planOne(ctx: OperationContext, vmid: number, how: How): Promise<PlanDraft> {
  const target = await readTarget(ctx.api, vmid);
  const { guest, status } = target;
  const { at } = guest;
  const { force, timeout = SHUTDOWN_SECONDS } = how;
  const of = label(guest);
  refuseTemplate(guest, 'stopped');
  if (!target.running) return alreadySo(target, `${of} is already stopped`);
  // Proxmox powers off a container whose disks an operator has mounted, but does not ask it to shut down.
  refuseLocked(target, force && how.timeout === undefined ? ['mounted'] : []);
  if (!force && status.detail === 'paused') {
    fail('guest_state', `${of} is paused and cannot shut down.`, {
      hint: 'Ask the operator to resume it, or call stop_vm with force, which cuts the power.',
    });
  }
  const managed = status.ha !== undefined;
  const stopped = { kind: 'guest', ...at, is: 'stopped' } as const;
  const byManager = { kind: 'wait', id: 'stopped', until: stopped, timeoutSeconds: timeout + 2 * SLACK_SECONDS } as const;
  const plan: PlanDraft = {
    ...about(target),
    summary: `${verbOf(how)} ${of} on ${at.node}`,
    ...raisedTo(
      'destroy',
      force && 'the power is cut: what the guest has not written to disk is lost',
      // The HA manager always ends a shutdown with a power-off, so a stop without it cannot be promised here.
      managed && !force && `HA manages the guest and cuts its power when it has not shut down after ${timeout} s`,
    ),
    steps: [
      { ...(await stopRequest(ctx, target, how)), proof: stopped },
      ...(managed ? [{ ...byManager, purpose: 'the HA manager has stopped it' }] : []),
    ],
    expected: [stopped],
    warnings: present(
      managed && 'HA manages the guest: its requested state becomes "stopped" and it stays off until start_vm',
      isHalted(status) && !force && `the guest is halted (${status.detail}) and may ignore the request; force cuts its power`,
      ...pendingWarnings(guest),
    ),
    before: { status: 'running' },
    after: { status: 'stopped' },
    undo: `start_vm {"vmid": ${vmid}}${force ? '; data that was not written to disk is lost' : ''}`,
  };
  return destroying(plan, doomedBy(guest.pending), at, 'the stop');
}

/** Begins the summary. The plan of each guest tells what HA adds. */
function verbOf({ force, timeout }: How): string {
  if (!force) return 'Shut down';
  return timeout === undefined ? 'Power off' : `Shut down (power off after ${timeout} s)`;
}

/** Asks only, asks and then powers off, or powers off at once. The approval's text says which. */
async function stopRequest(ctx: OperationContext, { guest, status }: Target, { force, timeout }: How): Promise<RequestStep> {
  const { at } = guest;
  const managed = status.ha !== undefined;
  if (force && timeout === undefined) {
    // Proxmox hands the request to its HA manager, which does not wait for a pending shutdown of ours.
    const overrules = !managed && atLeast(await ctx.api.version(), 8, 2);
    return guestRequest(at, {
      ...{ id: 'stop', path: '/status/stop', params: overrules ? { 'overrule-shutdown': true } : {} },
      ...{ purpose: `power off ${label(guest)} at once`, task: managed ? 'hastop' : taskType(at, 'stop'), seconds: SLACK_SECONDS },
    });
  }
  const seconds = timeout ?? SHUTDOWN_SECONDS;
  return guestRequest(at, {
    ...{ id: 'stop', path: '/status/shutdown', params: { timeout: seconds, ...(force ? { forceStop: true } : {}) } },
    purpose: `ask ${label(guest)} to shut down within ${seconds} s${force ? ', then power it off' : ''}`,
    ...{ task: managed ? 'hastop' : taskType(at, 'shutdown'), seconds: seconds + SLACK_SECONDS },
    ...(force
      ? {}
      : {
          onFailure: `If the guest ignored the request it still runs. stop_vm {"vmid": ${at.vmid}, "force": true} cuts its power, which needs an approval of its own.`,
        }),
  });
}
