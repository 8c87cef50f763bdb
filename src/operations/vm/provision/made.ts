import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import type { RunRecord } from '../../../core/run.ts';
import { outcomeOf, placeOf, statusNow } from '../lib/outcome.ts';
import { changed } from '../lib/schemas.ts';

/** The answer of operations that create a guest; `differences` only when it existed already. */
export const made = z.looseObject({
  notice: z.string().optional(),
  ...changed.shape,
  created: z.boolean(),
  existing: z.boolean().optional(),
  differences: z.array(z.string()).optional(),
  choices: z.array(z.string()).optional(),
  warnings: z.array(z.string()).optional(),
});

export async function madeReport(api: ProxmoxReader, run: RunRecord): Promise<z.input<typeof made>> {
  const { name, ...at } = placeOf(run);
  const { continues } = run.plan;
  return {
    created: true,
    ...defined({ continues }),
    vmid: at.vmid,
    name,
    node: at.node,
    status: await statusNow(api, at, run),
    ...outcomeOf(run),
  };
}
