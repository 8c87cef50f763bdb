import * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import type { PlanDraft } from '../../core/plan/plan.ts';
import { guestPath } from '../../proxmox/guest/guests.ts';
import { defineOperation } from '../define.ts';
import { GUEST_READS } from './lib/api.ts';
import { destroying, doomedBy } from './lib/doomed.ts';
import { guestRequest, startSteps } from './lib/guest-request.ts';
import { alreadySo, isHalted, reportOf } from './lib/outcome.ts';
import { changed, vmid } from './lib/schemas.ts';
import { about, hibernated, label, pendingWarnings, readNearTarget, refuseLocked, refuseTemplate } from './lib/target.ts';

const RESUME_SECONDS = 60;

/** POST …/status/resume of a paused VM; a hibernated one is woken by POST …/status/start. */
export const resumeVm = defineOperation({
  name: 'resume_vm',
  title: 'Resume a VM',
  effect: 'change',
  toolset: 'rare',
  description: 'Resumes a paused or hibernated VM.',
  input: z.strictObject({ vmid }),
  byName: { vmid: 'name' },
  output: changed,
  reads: GUEST_READS,
  sends: { 'POST /nodes/{node}/qemu/{vmid}/status/resume': [], 'POST /nodes/{node}/qemu/{vmid}/status/start': [] },
  example: { vmid: 101 },
  async plan(ctx, { vmid }): Promise<PlanDraft> {
    const target = await readNearTarget(ctx.api, vmid);
    const { guest, running, status } = target;
    const { at } = guest;
    const of = label(guest);
    refuseTemplate(guest, 'resumed');
    const sleeps = hibernated(guest);
    if (running && !isHalted(status)) return alreadySo(target, `${of} already runs`);
    refuseLocked(target, ['suspended', ...(running ? ['backup'] : [])]);
    if (!running && !sleeps) {
      fail('guest_state', `${of} is stopped, not paused.`, { hint: `Start it with start_vm {"vmid": ${vmid}}.` });
    }
    const doomed = doomedBy(sleeps ? guest.pending : []);
    const up = { kind: 'reads' as const, path: `${guestPath(at)}/status/current`, has: { qmpstatus: 'running' }, says: `${of} runs` };
    const resume = guestRequest(at, {
      ...{ id: 'resume', path: '/status/resume', purpose: `resume ${of}`, task: 'qmresume', seconds: RESUME_SECONDS },
      proof: up,
    });
    const plan: PlanDraft = {
      ...about(target),
      summary: `${sleeps ? 'Wake' : 'Resume'} ${of} on ${at.node}`,
      steps: sleeps ? startSteps(at, of, { managed: status.ha !== undefined }) : [resume],
      expected: [up],
      warnings: sleeps ? pendingWarnings(guest) : [],
      before: { status: sleeps ? 'hibernated' : 'paused' },
      after: { status: 'running' },
      undo: `suspend_vm {"vmid": ${vmid}${sleeps ? ', "to_disk": true' : ''}}`,
    };
    return destroying(plan, doomed, at, 'the start');
  },
  report: reportOf,
});
