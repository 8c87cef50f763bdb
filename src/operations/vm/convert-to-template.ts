import * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import type { Condition, PlanDraft } from '../../core/plan/plan.ts';
import { defineOperation } from '../define.ts';
import { GUEST_READS, ofBoth } from './lib/api.ts';
import { guestRequest } from './lib/guest-request.ts';
import { alreadySo, reportOf } from './lib/outcome.ts';
import { changed, vmid } from './lib/schemas.ts';
import { about, label, readTarget, refuseLocked, refuseRunning } from './lib/target.ts';

/** Disks on some storages are copied. */
const TEMPLATE_SECONDS = 3_600;

/** POST …/template. */
export const convertToTemplate = defineOperation({
  name: 'convert_to_template',
  title: 'Convert to a template',
  effect: 'destroy',
  toolset: 'rare',
  description: 'Turns a stopped VM or container into a template, for good: it never starts again. Needs approval.',
  input: z.strictObject({ vmid }),
  byName: { vmid: 'name' },
  output: changed.extend({ template: z.boolean() }),
  reads: GUEST_READS,
  sends: ofBoth('POST /nodes/{node}/{type}/{vmid}/template'),
  example: { vmid: 105 },
  async plan(ctx, args): Promise<PlanDraft> {
    const target = await readTarget(ctx.api, args.vmid);
    const { guest, snapshots, running } = target;
    const { at } = guest;
    const of = label(guest);
    if (guest.template) return alreadySo(target, `${of} is a template already`, { template: true });
    refuseLocked(target);
    refuseRunning(guest, running);
    if (guest.identity.protection) {
      fail('guest_protected', `${of} is protected against this.`, { hint: 'Ask the user whether update_vm may clear its protection.' });
    }
    if (snapshots.names.length > 0) {
      fail('not_possible', `${of} has snapshots (${snapshots.names.length}), and a template has none.`, {
        hint: 'Ask the user whether delete_snapshot may remove them.',
      });
    }
    const isTemplate: Condition = { kind: 'config', ...at, has: { template: '1' } };
    const convert = guestRequest(at, {
      ...{ id: 'convert', path: '/template', purpose: `convert ${of} to a template`, proof: isTemplate },
      // A container is converted at once, without a task.
      ...(at.type === 'qemu' ? { task: 'qmtemplate', seconds: TEMPLATE_SECONDS } : {}),
    });
    return {
      ...about(target),
      summary: `Convert ${of} on ${at.node} to a template`,
      steps: [convert],
      expected: [isTemplate],
      warnings: ['lost: it never starts again and its disks become read-only; work goes on with clones of it'],
      before: { template: false },
      after: { template: true },
      undo: `impossible: a full clone of it is a guest again, ${
        at.type === 'qemu'
          ? `clone_template {"source_vmid": ${at.vmid}, "full_clone": true}`
          : `which the operator makes with pct clone ${at.vmid} NEWID --full on ${at.node}`
      }`,
    };
  },
  async report(api, run) {
    return { ...(await reportOf(api, run)), template: true };
  },
});
