import { fail } from '../../core/errors/errors.ts';
import { requestsOf } from '../../core/plan/parts.ts';
import type { Plan, RequestStep } from '../../core/plan/plan.ts';
import { path } from '../../proxmox/guest/encode.ts';
import type { Ports } from '../ports.ts';
import { lateDelete } from '../runs/outcome/late.ts';

/**
 * A snapshot or a file with a name at which a DELETE of unknown outcome may still arrive would be deleted by it. A VMID is blocked in the same case,
 * see refuseDoomed.
 * @throws conflict
 */
export async function refuseDoomedNames(plan: Plan, ports: Ports): Promise<void> {
  const made = new Map(
    requestsOf(plan).flatMap((step) => {
      const at = pathOfMade(step);
      return at === undefined ? [] : [[at, step.purpose] as const];
    }),
  );
  const late = made.size === 0 ? undefined : await lateDelete([...made.keys()], ports);
  if (late === undefined) return;
  const { path: at, run } = late;
  fail('conflict', `To ${made.get(at)} is blocked. Proxmox may still execute an earlier DELETE, which would delete the new one.`, {
    hint: `Choose another name. ${run.status === 'executing' ? `Or wait for the end of get_task {"run_id": "${run.id}"}.` : `The operator ends the watch with \`proxmox-mcp runs close ${run.id}\`.`}`,
    details: { run_id: run.id },
  });
}

/** The path of what a request makes, as a DELETE names it. */
function pathOfMade({ method, path: at, params }: RequestStep): string | undefined {
  if (method !== 'POST') return undefined;
  if (at.endsWith('/snapshot')) return `${at}${path`/${String(params.snapname)}`}`;
  const [, content, storage] = /^(.*\/storage\/([^/]+))\/download-url$/.exec(at) ?? [];
  if (content === undefined || storage === undefined) return undefined;
  return `${content}/content${path`/${`${decodeURIComponent(storage)}:${params.content}/${params.filename}`}`}`;
}
