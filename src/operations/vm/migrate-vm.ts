import * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import { targetsOf } from '../../core/plan/parts.ts';
import type { Plan, RequestStep } from '../../core/plan/plan.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { plainText } from '../../core/text/text.ts';
import { listGuests } from '../../proxmox/guest/guests.ts';
import { defineOperation } from '../define.ts';
import { bothReads, GUEST_READS, NODE_READS } from './lib/api.ts';
import { outcomeOf, statusNow } from './lib/outcome.ts';
import { changed, nodeName, oneOrSeveral, storageName } from './lib/schemas.ts';
import { guestsAsked } from './lib/several.ts';
import { assemble } from './migrate/assemble.ts';
import { drain } from './migrate/drain.ts';
import { planMoves } from './migrate/plan-moves.ts';

const input = z.strictObject({
  ...oneOrSeveral,
  from_node: nodeName.optional().describe('Empty this node'),
  target_node: nodeName.optional().describe('Default: best fit'),
  storage: storageName.optional().describe('For local disks (same name)'),
});

/** POST …/migrate for each guest, one after another: the first failure stops the rest. */
export const migrateVm = defineOperation({
  name: 'migrate_vm',
  title: 'Move VMs or containers',
  effect: 'change',
  toolset: 'everyday',
  description: 'Moves VMs (live) or containers (restart) to other nodes. dry_run shows targets and blockers.',
  input,
  byName: { vmid: 'name', vmids: 'names' },
  output: changed.extend({ from: z.string() }),
  reads: [...GUEST_READS, ...bothReads('migrate')],
  mayRead: [
    ...NODE_READS,
    'GET /nodes/{node}/storage',
    'GET /nodes/{node}/network',
    'GET /nodes/{node}/storage/{storage}/content',
    'GET /nodes/{node}/storage/{storage}/content?content=images',
    'GET /cluster/replication',
    'GET /cluster/ha/rules',
    'GET /cluster/ha/resources',
  ],
  sends: {
    'POST /nodes/{node}/qemu/{vmid}/migrate': ['target', 'online', 'with-local-disks'],
    'POST /nodes/{node}/lxc/{vmid}/migrate': ['target', 'restart', 'timeout'],
  },
  maySend: {
    'POST /nodes/{node}/qemu/{vmid}/migrate': ['targetstorage'],
    'POST /nodes/{node}/lxc/{vmid}/migrate': ['target-storage'],
  },
  example: { vmid: 100, target_node: 'pve2' },
  async plan(ctx, { vmid, vmids, from_node: from, ...wanted }) {
    const isNamed = vmid !== undefined || vmids !== undefined;
    if (isNamed === (from !== undefined))
      fail('invalid_arguments', 'migrate_vm needs either guests (vmid, name, vmids, names) or from_node.');
    if (from !== undefined) return drain(ctx, from, wanted);
    const asked = guestsAsked('migrate_vm', { vmid, vmids });
    return assemble(await planMoves(ctx, asked, wanted), asked);
  },
  report,
});

/** Where the guests are now, by the list of the cluster, which knows it at once. */
async function report(api: ProxmoxReader, run: RunRecord) {
  const rows = await listGuests(api).catch(() => []);
  const guests = await Promise.all(
    targetsOf(run.plan).map(async ({ vmid, type, node: from, name }) => {
      const node = rows.find((row) => row.vmid === vmid)?.node ?? 'unknown';
      const status = await statusNow(api, { vmid, type, node }, run);
      return { vmid, name: plainText(name, 80), from, node, status, move: howOf(run.plan, vmid) };
    }),
  );
  const [first] = guests;
  return { ...(guests.length > 1 ? { guests } : {}), ...(first as NonNullable<typeof first>), ...outcomeOf(run) };
}

/** A guest without a request of its own moved with one that HA moves. */
function howOf({ steps }: Plan, vmid: number): string {
  const request = steps.find((step): step is RequestStep => step.kind === 'request' && step.task?.id === String(vmid));
  if (!request) return 'with HA';
  return request.params.online ? 'live' : request.params.restart ? 'restart' : 'offline';
}
