import * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import type { Condition, PlanDraft } from '../../core/plan/plan.ts';
import { guestPath } from '../../proxmox/guest/guests.ts';
import { defineOperation } from '../define.ts';
import { GUEST_READS } from './lib/api.ts';
import { doomedBy } from './lib/doomed.ts';
import { guestRequest } from './lib/guest-request.ts';
import { alreadySo, isHalted, reportOf } from './lib/outcome.ts';
import { changed, vmid } from './lib/schemas.ts';
import { about, hibernated, label, readTarget, refuseLocked, refuseTemplate } from './lib/target.ts';

const PAUSE_SECONDS = 60;
/** Memory is written to disk. */
const HIBERNATE_SECONDS = 1_800;

/** POST …/status/suspend; with to_disk `todisk=1`. */
export const suspendVm = defineOperation({
  name: 'suspend_vm',
  title: 'Pause or hibernate a VM',
  effect: 'disrupt',
  toolset: 'rare',
  description: 'Pauses a running VM in memory, or hibernates it to disk. resume_vm wakes either. Needs approval.',
  input: z.strictObject({ vmid, to_disk: z.boolean().default(false).describe('Hibernate: memory is saved, the VM stops') }),
  byName: { vmid: 'name' },
  output: changed,
  reads: GUEST_READS,
  sends: { 'POST /nodes/{node}/qemu/{vmid}/status/suspend': [] },
  maySend: { 'POST /nodes/{node}/qemu/{vmid}/status/suspend': ['todisk'] },
  example: { vmid: 101 },
  async plan(ctx, { vmid, to_disk: toDisk }): Promise<PlanDraft> {
    const target = await readTarget(ctx.api, vmid);
    const { guest, running, status } = target;
    const { at } = guest;
    const of = label(guest);
    const verb = toDisk ? 'hibernated' : 'paused';
    refuseTemplate(guest, verb);
    if (at.type === 'lxc') fail('not_possible', `${of} is a container. Only VMs can be ${verb}.`, { hint: 'Call stop_vm instead.' });
    const isSo = toDisk ? hibernated(guest) : status.detail === 'paused';
    if (isSo) return alreadySo(target, `${of} is ${verb} already`);
    refuseLocked(target, toDisk || isHalted(status) ? [] : ['backup']);
    if (!running) fail('guest_state', `${of} is stopped and cannot be ${verb}.`, { hint: 'Nothing needs to be done. It is stopped.' });
    if (toDisk && status.ha !== undefined) {
      fail('not_possible', `${of} is managed by HA, and Proxmox does not hibernate it.`, { hint: 'Pause it without to_disk, or stop it.' });
    }
    const doomed = doomedBy(toDisk ? guest.pending : []);
    if (doomed.names) {
      fail('not_possible', `${of} has a pending removal by force, which a stop applies. It would destroy ${doomed.names}.`, {
        hint: 'Pause it without to_disk, or ask the user about stop_vm.',
      });
    }
    const done: Condition = toDisk
      ? { kind: 'config', ...at, has: { lock: 'suspended' } }
      : { kind: 'reads', path: `${guestPath(at)}/status/current`, has: { qmpstatus: 'paused' }, says: `${of} is paused` };
    return {
      ...about(target),
      summary: `${toDisk ? 'Hibernate' : 'Pause'} ${of} on ${at.node}`,
      steps: [
        guestRequest(at, {
          id: 'suspend',
          path: '/status/suspend',
          params: toDisk ? { todisk: true } : {},
          purpose: `${toDisk ? 'hibernate' : 'pause'} ${of}`,
          task: toDisk ? 'qmsuspend' : 'qmpause',
          seconds: toDisk ? HIBERNATE_SECONDS : PAUSE_SECONDS,
          proof: done,
        }),
      ],
      expected: [done],
      warnings: toDisk
        ? ['its memory is saved on disk; network connections break']
        : ['it keeps its memory and answers no request until it is resumed'],
      before: { status: 'running' },
      after: { status: toDisk ? 'stopped' : 'paused' },
      undo: `resume_vm {"vmid": ${vmid}}`,
    };
  },
  report: reportOf,
});
