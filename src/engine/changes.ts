import { defined } from '../core/defined.ts';
import { vmidsOf } from '../core/plan/parts.ts';
import type { Plan } from '../core/plan/plan.ts';
import { begunAt } from '../core/plan/run.ts';
import type { Json } from '../core/text/json.ts';
import { plainText } from '../core/text/text.ts';
import type { OwnChange } from '../operations/define.ts';
import type { Birth } from './limits/birth.ts';
import type { Ports } from './ports.ts';

/** Runs that are searched, and changes that are shown. */
const SEARCHED = 300;
const SHOWN = 10;

/**
 * The changes of a guest that went through this server, the newest first, each with its requester, its approver and its outcome.
 * @param birth the runs before it are about a former guest with its VMID, and are left out
 */
export async function changesOf(vmid: number, birth: Birth | undefined, ports: Ports): Promise<OwnChange[]> {
  const store = await ports.store();
  const recent = await store.runs.recent({ cluster: ports.cluster.name, limit: SEARCHED });
  const end = recent.findIndex(({ id }) => id === birth?.runId);
  // Retention deletes the run that made the guest, and keeps earlier ones whose outcome is unknown.
  const own = end >= 0 ? recent.slice(0, end + 1) : recent.filter((run) => begunAt(run) / 1000 >= (birth?.at ?? 0));
  const runs = own.filter(({ plan }) => vmidsOf(plan).includes(vmid));
  return Promise.all(
    runs.slice(0, SHOWN).map(async (run) => {
      const { decidedBy, decidedVia } = (run.approvalId === undefined ? undefined : await store.approvals.get(run.approvalId)) ?? {};
      return {
        at: run.startedAt,
        what: plainText([run.plan.summary, ...differences(run.plan)].join('; '), 200),
        by: plainText(run.principal, 80),
        status: run.status === 'executing' ? 'running' : run.status,
        ...defined({ approved_by: decidedBy && plainText(decidedBy, 80), approved_via: decidedVia }),
        run_id: run.id,
        upids: run.steps.flatMap(({ upid }) => upid ?? []),
      };
    }),
  );
}

/** `memory 1024 → 2048` */
function differences({ before = {}, after = {} }: Plan): string[] {
  const text = (value: Json | undefined) => (value === undefined || value === null ? 'none' : plainText(String(value), 60));
  return Object.keys(after)
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]) && typeof after[key] !== 'object')
    .map((key) => `${key} ${text(before[key])} → ${text(after[key])}`);
}
