import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { Effect } from '../../core/plan/effect.ts';
import type { Params, Plan, RequestStep, Step } from '../../core/plan/plan.ts';
import { atLeast } from '../../proxmox/version.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { GUEST_READS, ofBoth } from './lib/api.ts';
import { guestRequest, taskType } from './lib/guest-request.ts';
import { alreadySo, isHalted, reportOf } from './lib/outcome.ts';
import { changed, oneOrSeveral } from './lib/schemas.ts';
import { guestsAsked, planGuests, type Words } from './lib/several.ts';
import {
  about,
  doomedBy,
  label,
  pendingWarnings,
  readTarget,
  refuseLocked,
  refuseTemplate,
  stillItself,
  type Target,
  willBeGone,
} from './lib/target.ts';

const DEFAULT_TIMEOUT = 60;
/** Time for Proxmox itself around the guest's own. */
const SLACK_SECONDS = 60;

const input = z.strictObject({
  ...oneOrSeveral,
  timeout: z.int().min(1).max(3600).optional().describe('Seconds for the guest to shut down (60)'),
  force: z.boolean().default(false).describe('Cut the power at once, or after timeout if given'),
});
/** One guest of the call. */
type Args = Omit<z.output<typeof input>, 'vmid' | 'vmids'> & { vmid: number };

/** POST …/status/shutdown or …/status/stop. */
export const stopVm = defineOperation({
  name: 'stop_vm',
  title: 'Stop a VM or container',
  effect: 'disrupt',
  toolset: 'everyday',
  description: 'Shuts VMs or containers down gracefully; force powers them off. Needs approval.',
  input,
  byName: { vmid: 'name', vmids: 'names' },
  output: changed.extend({ guests: z.array(z.looseObject({ vmid: z.number() })).optional() }),
  reads: GUEST_READS,
  sends: {
    ...ofBoth('POST /nodes/{node}/{type}/{vmid}/status/shutdown', ['timeout', 'forceStop']),
    ...ofBoth('POST /nodes/{node}/{type}/{vmid}/status/stop', ['overrule-shutdown']),
  },
  example: { vmid: 100, force: true },
  async plan(ctx, { vmid, vmids, ...how }): Promise<Plan> {
    const words: Words = {
      ...{ verb: verbOf(how), done: 'stopped', already: 'all guests are already stopped' },
      undo: (plans) => undoOf(plans, how),
    };
    return planGuests(guestsAsked('stop_vm', { vmid, vmids }), words, (one, checked) => planOne(ctx, { vmid: one, ...how }, checked));
  },
  report: reportOf,
});

/** Stopping one guest. `checked`: others are stopped before it, which may take so long that it is another guest by then. */
async function planOne(ctx: OperationContext, args: Args, checked?: 'checked'): Promise<Plan> {
  const target = await readTarget(ctx.api, args.vmid);
  const { guest } = target;
  refuseTemplate(guest, 'stopped');
  const base = about('stop_vm', target);
  if (!target.running) {
    return { ...base, summary: `${label(guest)} is already stopped`, effect: 'disrupt', ...alreadySo(target) };
  }
  refuseLocked(target);
  if (!args.force && target.status.detail === 'paused') {
    fail('guest_state', `${label(guest)} is paused and cannot shut down.`, {
      hint: 'Ask the operator to resume it, or call stop_vm with force, which cuts the power.',
    });
  }
  const way = await wayOf(ctx, args, target);
  const doomed = doomedBy(guest.pending);
  const reasons = [
    ...(doomed ? [`the stop applies a pending removal by force, which destroys ${doomed.names}`] : []),
    ...(way.raisedBecause === undefined ? [] : [way.raisedBecause]),
  ];
  const stopped = { kind: 'guest', ...guest.at, is: 'stopped' } as const;
  return {
    ...base,
    summary: `${way.verb} ${label(guest)} on ${guest.at.node}${doomed ? `, which destroys ${doomed.names}` : ''}`,
    effect: doomed ? 'destroy' : way.effect,
    ...(reasons.length > 0 ? { raisedBecause: reasons.join('; ') } : {}),
    steps: [...(checked ? [stillItself(target)] : []), { ...way.step, proof: stopped }, ...way.after],
    expected: [stopped, ...willBeGone(guest.at, doomed)],
    warnings: present(
      ...way.warnings,
      isHalted(target.status) &&
        !args.force &&
        `the guest is halted (${target.status.detail}) and may ignore the request; force cuts its power`,
      ...pendingWarnings(guest),
    ),
    before: { status: 'running', ...doomed?.view },
    after: { status: 'stopped', ...doomed?.destroyed },
    undo: `start_vm {"vmid": ${args.vmid}}${args.force ? '; data that the guest had not written to disk is lost' : ''}${doomed ? `; ${doomed.names} cannot be restored` : ''}`,
  };
}

function undoOf(plans: readonly Plan[], { force }: Pick<Args, 'force'>): string {
  const destroyed = plans.flatMap(({ before, after }) =>
    Object.keys(after ?? {}).flatMap((slot) => (after?.[slot] === 'destroyed' ? [before?.[slot]] : [])),
  );
  return [
    'start_vm each of them',
    ...(force ? ['what the guests had not written to disk is lost'] : []),
    ...(destroyed.length > 0 ? [`${destroyed.join(', ')} cannot be restored`] : []),
  ].join('; ');
}

/** The requests for the guests. How each of them is reached, and what HA adds, depends on its own plan. */
function verbOf({ force, timeout }: Pick<Args, 'force' | 'timeout'>): string {
  if (!force) return 'Shut down';
  return timeout === undefined ? 'Power off' : `Shut down (power off after ${timeout} s)`;
}

interface StopWay {
  verb: string;
  effect: Effect;
  raisedBecause?: string;
  step: RequestStep;
  after: Step[];
  warnings: string[];
}

/** One of three ways: ask and never kill, ask and then kill, kill now. The approval's text says which. */
async function wayOf(ctx: OperationContext, args: Args, target: Target): Promise<StopWay> {
  const { at, identity } = target.guest;
  const managed = target.status.ha !== undefined;
  const timeout = args.timeout ?? DEFAULT_TIMEOUT;
  const pullNow = args.force && args.timeout === undefined;
  // Proxmox hands the request to its HA manager, which does not wait for a pending shutdown of ours.
  const overrule = pullNow && !managed && atLeast(await ctx.api.version(), 8, 2);
  const verb = verbOf(args);
  const params: Params = pullNow
    ? overrule
      ? { 'overrule-shutdown': true }
      : {}
    : { timeout, ...(args.force ? { forceStop: true } : {}) };
  const step = guestRequest(at, {
    id: 'stop',
    path: `/status/${pullNow ? 'stop' : 'shutdown'}`,
    params,
    purpose: pullNow
      ? `power off ${label({ identity })} at once`
      : `ask ${label({ identity })} to shut down within ${timeout} s${args.force ? ', then power it off' : ''}`,
    task: managed ? 'hastop' : taskType(at, pullNow ? 'stop' : 'shutdown'),
    seconds: (pullNow ? 0 : timeout) + SLACK_SECONDS,
    ...(args.force
      ? {}
      : {
          onFailure: `If the guest ignored the request it still runs. stop_vm {"vmid": ${at.vmid}, "force": true} cuts its power, which needs an approval of its own.`,
        }),
  });
  const lost = 'the power is cut: what the guest has not written to disk is lost';
  const forced = args.force ? { effect: 'destroy' as const, raisedBecause: lost } : { effect: 'disrupt' as const };
  if (!managed) return { verb, ...forced, step, after: [], warnings: [] };
  return {
    verb,
    // The HA manager always ends a shutdown with a power-off, so "never kills" cannot be promised here.
    effect: 'destroy',
    raisedBecause: args.force ? lost : `HA manages the guest and cuts its power when it has not shut down after ${timeout} s`,
    step,
    after: [
      {
        kind: 'wait',
        id: 'stopped',
        until: { kind: 'guest', ...at, is: 'stopped' },
        timeoutSeconds: timeout + 2 * SLACK_SECONDS,
        purpose: 'the HA manager has stopped it',
      },
    ],
    warnings: [`HA manages the guest: its requested state becomes "stopped" and it stays off until start_vm`],
  };
}
