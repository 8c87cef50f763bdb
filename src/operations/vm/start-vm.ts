import * as z from 'zod';
import { fail } from '../../core/errors.ts';
import type { Condition, Plan } from '../../core/plan.ts';
import { listNodes } from '../../proxmox/nodes.ts';
import { defineOperation } from '../define.ts';
import { GUEST_READS, NODE_READS } from './lib/api.ts';
import { refuseTooManyCpus, unseenNode } from './lib/limits.ts';
import { alreadySo, isHalted, reportOf } from './lib/outcome.ts';
import { startSteps } from './lib/power-on.ts';
import { changed, vmid } from './lib/schemas.ts';
import { doomedBy, factsOf, label, pendingWarnings, readTarget, refuseLocked, refuseTemplate, willBeGone } from './lib/target.ts';

/** POST …/status/start. */
export const startVm = defineOperation({
  name: 'start_vm',
  title: 'Start a VM or container',
  effect: 'change',
  toolset: 'everyday',
  description: 'Starts a stopped VM or container; pending configuration changes take effect.',
  input: z.strictObject({ vmid }),
  byName: { vmid: 'name' },
  output: changed,
  reads: GUEST_READS,
  mayRead: NODE_READS,
  sends: {
    'POST /nodes/{node}/qemu/{vmid}/status/start': [],
    'POST /nodes/{node}/lxc/{vmid}/status/start': [],
  },
  example: { vmid: 105 },
  async plan(ctx, args): Promise<Plan> {
    const target = await readTarget(ctx.api, args.vmid);
    const { guest, status } = target;
    const { at, identity } = guest;
    refuseTemplate(guest, 'started');
    const base = { operation: 'start_vm', target: identity, node: at.node, facts: factsOf(target), effect: 'change' as const, choices: [] };
    if (target.running) {
      if (isHalted(status)) {
        const reason = status.detail === 'paused' ? '' : ' to find the reason and';
        fail(
          'guest_state',
          `${label(guest)} is ${status.detail === 'paused' ? 'paused' : `halted (${status.detail})`}. It keeps its memory but does not run.`,
          {
            hint: `Ask the operator${reason} to resume it in Proxmox, or restart it with stop_vm (force) and start_vm.`,
          },
        );
      }
      return { ...base, summary: `${label(guest)} already runs`, ...alreadySo(target) };
    }
    // A hibernated guest carries the lock `suspended`, and starting is what wakes it.
    refuseLocked(target, ['suspended']);
    const node = at.type === 'qemu' ? (await listNodes(ctx.api)).find((n) => n.node === at.node) : undefined;
    if (at.type === 'qemu') refuseTooManyCpus(guest.sizes.cpu, node);
    const managed = status.ha !== undefined;
    const running: Condition = { kind: 'guest', type: at.type, vmid: at.vmid, node: at.node, is: 'running' };
    const doomed = doomedBy(guest.pending);
    return {
      ...base,
      summary: `Start ${label(guest)} on ${at.node}${doomed ? `, which destroys ${doomed.names}` : ''}`,
      ...(doomed
        ? { effect: 'destroy' as const, raisedBecause: `the start applies a pending removal by force, which destroys ${doomed.names}` }
        : {}),
      steps: startSteps(at, label(guest), managed),
      expected: [running, ...willBeGone(at, doomed)],
      warnings: [
        ...unseenNode(node),
        ...pendingWarnings(guest),
        ...(managed ? ['HA manages the guest: its requested state becomes "started"'] : []),
      ],
      before: { status: 'stopped', ...doomed?.view },
      after: { status: 'running', ...doomed?.destroyed },
      undo: `stop_vm {"vmid": ${at.vmid}}${doomed ? `; ${doomed.names} cannot be restored` : ''}`,
    };
  },
  report: reportOf,
});
