import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { asError, fail } from '../../core/errors/errors.ts';
import type { Condition, PlanDraft } from '../../core/plan/plan.ts';
import { guestPath, locate } from '../../proxmox/guest/guests.ts';
import { listNodes } from '../../proxmox/nodes.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { GUEST_READS, NODE_READS, ofBoth } from './lib/api.ts';
import { destroying, doomedBy } from './lib/doomed.ts';
import { startSteps } from './lib/guest-request.ts';
import { nodeWarnings, refuseTooManyCpus } from './lib/limits.ts';
import { alreadySo, isHalted, reportOf } from './lib/outcome.ts';
import { changedEach, oneOrSeveral } from './lib/schemas.ts';
import { callFor, guestsAsked, planGuests, undoAll, type Words } from './lib/several.ts';
import { about, factsOf, label, type NearTarget, pendingWarnings, readNearTarget, refuseLocked, refuseTemplate } from './lib/target.ts';

/** POST …/status/start. */
export const startVm = defineOperation({
  name: 'start_vm',
  title: 'Start a VM or container',
  effect: 'change',
  toolset: 'everyday',
  description: 'Starts a stopped VM or container; pending configuration changes take effect.',
  input: z.strictObject(oneOrSeveral),
  byName: { vmid: 'name', vmids: 'names' },
  output: changedEach,
  reads: GUEST_READS,
  mayRead: NODE_READS,
  sends: ofBoth('POST /nodes/{node}/{type}/{vmid}/status/start'),
  example: { vmid: 105 },
  async plan(ctx, asked): Promise<PlanDraft> {
    const words: Words = {
      ...{ verb: 'Start', done: 'started', already: 'all guests already run' },
      undo: (plans) => undoAll(callFor('stop_vm', plans), plans),
    };
    return planGuests(guestsAsked('start_vm', asked), words, (one) => planOne(ctx, one));
  },
  report: reportOf,
});

async function planOne(ctx: OperationContext, vmid: number): Promise<PlanDraft> {
  // The nodes are read at the same time, because they do not depend on the guest.
  const [target, nodes] = await Promise.all([readNearTarget(ctx.api, vmid), listNodes(ctx.api).catch(asError)]);
  const { guest, status } = target;
  const { at } = guest;
  const of = label(guest);
  refuseTemplate(guest, 'started');
  if (isBackedUp(target)) return duringBackup(target);
  // The backup goes on, and a stop would end it.
  if (status.detail === 'prelaunch') refuseLocked(target);
  if (isHalted(status)) {
    const isPaused = status.detail === 'paused';
    fail('guest_state', `${of} is ${isPaused ? 'paused' : `halted (${status.detail})`}. It keeps its memory but does not run.`, {
      hint: `Ask the operator${isPaused ? '' : ' to find the reason and'} to resume it in Proxmox, or restart it with stop_vm (force) and start_vm.`,
    });
  }
  if (target.running) return alreadySo(target, `${of} already runs`);
  // A start wakes a hibernated guest (`suspended`), and Proxmox starts a container whose disks an operator has mounted.
  refuseLocked(target, ['suspended', 'mounted']);
  if (at.type === 'qemu' && !Array.isArray(nodes)) throw nodes;
  const node = at.type === 'qemu' && Array.isArray(nodes) ? nodes.find((n) => n.node === at.node) : undefined;
  if (at.type === 'qemu') refuseTooManyCpus(guest.sizes.cpu, node);
  const managed = status.ha !== undefined;
  const running: Condition = { kind: 'guest', ...at, is: 'running' };
  const doomed = doomedBy(guest.pending);
  const plan: PlanDraft = {
    ...about(target),
    // A human decides about these volumes and sees the pool, too.
    ...(doomed.names ? { facts: factsOf({ ...target, row: target.row ?? (await locate(ctx.api, vmid)) }) } : {}),
    summary: `Start ${of} on ${at.node}`,
    steps: startSteps(at, of, { managed }),
    expected: [running],
    warnings: present(
      ...nodeWarnings(node),
      ...pendingWarnings(guest),
      managed && 'HA manages the guest: its requested state becomes "started"',
    ),
    before: { status: 'stopped' },
    after: { status: 'running' },
    undo: `stop_vm {"vmid": ${at.vmid}}`,
  };
  return destroying(plan, doomed, at, 'the start');
}

/** Proxmox runs a stopped VM halted to back it up, and stops it afterwards unless it was started meanwhile. HA does not start such a VM. */
function isBackedUp({ guest, status }: NearTarget): boolean {
  return status.detail === 'prelaunch' && guest.identity.lock === 'backup' && status.ha === undefined;
}

function duringBackup(target: NearTarget): PlanDraft {
  const { at } = target.guest;
  const of = label(target.guest);
  const up: Condition = { kind: 'reads', path: `${guestPath(at)}/status/current`, has: { qmpstatus: 'running' }, says: `${of} runs` };
  return {
    ...about(target),
    summary: `Start ${of} on ${at.node} during its backup`,
    steps: startSteps(at, of).map((step) => ({ ...step, proof: up })),
    expected: [up],
    warnings: ['a backup of the stopped guest runs: the guest keeps running after it'],
    before: { status: 'stopped' },
    after: { status: 'running' },
    undo: `stop_vm {"vmid": ${at.vmid}} after the backup`,
  };
}
