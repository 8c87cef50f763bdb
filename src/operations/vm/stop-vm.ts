import * as z from 'zod';
import type { Effect } from '../../core/effect.ts';
import { fail } from '../../core/errors.ts';
import type { Params, Plan, RequestStep, Step } from '../../core/plan.ts';
import { guestPath } from '../../proxmox/guests.ts';
import { atLeast } from '../../proxmox/version.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { outcomeOf, placeOf, statusNow } from './outcome.ts';
import { changed, vmid } from './schemas.ts';
import { factsOf, label, pendingWarnings, readTarget, refuseLocked, refuseTemplate, type Target } from './target.ts';

const DEFAULT_TIMEOUT = 60;
/** Time for Proxmox itself around the guest's own. */
const SLACK_SECONDS = 60;

const input = z.strictObject({
  vmid,
  timeout: z.int().min(1).max(3600).optional().describe('Seconds for the guest to shut down (60)'),
  force: z.boolean().default(false).describe('Cut the power at once, or after timeout if given'),
});
type Args = z.output<typeof input>;

/** POST …/status/shutdown or …/status/stop. */
export const stopVm = defineOperation({
  name: 'stop_vm',
  title: 'Stop a VM or container',
  effect: 'disrupt',
  toolset: 'vm',
  description: 'Shuts a VM or container down gracefully; force powers it off. Needs approval.',
  input,
  output: changed,
  async plan(ctx, args): Promise<Plan> {
    const target = await readTarget(ctx.api, args.vmid);
    const { guest } = target;
    refuseTemplate(guest, 'stopped');
    const base = { operation: 'stop_vm', target: guest.identity, node: guest.at.node, facts: factsOf(target), choices: [] };
    if (!target.running) {
      const existing = { vmid: args.vmid, name: guest.identity.name, node: guest.at.node, status: 'stopped', already: true };
      return {
        ...base,
        summary: `${label(guest)} is stopped already`,
        effect: 'disrupt',
        steps: [],
        expected: [],
        warnings: [],
        undo: '',
        existing,
      };
    }
    refuseLocked(target);
    if (!args.force && target.status.detail === 'paused') {
      fail('guest_state', `${label(guest)} is paused and cannot shut down.`, {
        hint: 'It has to be resumed first; or stop_vm with force, which cuts the power.',
      });
    }
    const way = await wayOf(ctx, args, target);
    const stopped = { kind: 'guest', type: guest.at.type, vmid: args.vmid, node: guest.at.node, is: 'stopped' } as const;
    return {
      ...base,
      summary: `${way.verb} ${label(guest)} on ${guest.at.node}`,
      effect: way.effect,
      ...(way.raisedBecause === undefined ? {} : { raisedBecause: way.raisedBecause }),
      steps: [{ ...way.step, proof: stopped }, ...way.after],
      expected: [stopped],
      warnings: [...way.warnings, ...pendingWarnings(guest)],
      before: { status: 'running' },
      after: { status: 'stopped' },
      undo: `start_vm {"vmid": ${args.vmid}}${args.force ? '; what the guest had not written to disk is lost' : ''}`,
    };
  },
  async report(ctx, _args, run) {
    const at = placeOf(run);
    return { vmid: at.vmid, name: at.name, node: at.node, status: await statusNow(ctx.api, at), ...outcomeOf(run) };
  },
});

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
  // Proxmox hands the wish to its HA manager, which does not wait for a pending shutdown of ours.
  const overrule = pullNow && !managed && atLeast(await ctx.api.version(), 8, 2);
  const kind = at.type === 'qemu' ? 'qm' : 'vz';
  const verb = pullNow ? 'Power off' : args.force ? `Shut down (power off after ${timeout} s)` : 'Shut down';
  const params: Params = pullNow
    ? overrule
      ? { 'overrule-shutdown': true }
      : {}
    : { timeout, ...(args.force ? { forceStop: true } : {}) };
  const step: RequestStep = {
    kind: 'request',
    id: 'stop',
    method: 'POST',
    path: `${guestPath(at)}/status/${pullNow ? 'stop' : 'shutdown'}`,
    params,
    purpose: pullNow
      ? `power off ${label({ identity })} at once`
      : `ask ${label({ identity })} to shut down within ${timeout} s${args.force ? ', then power it off' : ''}`,
    task: {
      type: managed ? 'hastop' : `${kind}${pullNow ? 'stop' : 'shutdown'}`,
      id: String(at.vmid),
      node: at.node,
      timeoutSeconds: (pullNow ? 0 : timeout) + SLACK_SECONDS,
    },
    ...(args.force
      ? {}
      : {
          onFailure: `If the guest ignored the request it still runs. stop_vm {"vmid": ${at.vmid}, "force": true} cuts its power, which needs an approval of its own.`,
        }),
  };
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
        until: { kind: 'guest', type: at.type, vmid: at.vmid, node: at.node, is: 'stopped' },
        timeoutSeconds: timeout + 2 * SLACK_SECONDS,
        purpose: 'wait until the HA manager has stopped it',
      },
    ],
    warnings: [`HA manages the guest: its wanted state becomes "stopped" and it stays off until start_vm`],
  };
}
