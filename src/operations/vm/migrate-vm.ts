import * as z from 'zod';
import { graver } from '../../core/effect.ts';
import { fail, type ProxmoxMcpError } from '../../core/errors.ts';
import { type Plan, type RequestStep, targetsOf } from '../../core/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import type { RunRecord } from '../../core/run.ts';
import { counted, plainText } from '../../core/text.ts';
import { allPrivileges } from '../../proxmox/access/privileges.ts';
import { unseenBy } from '../../proxmox/access/unseen.ts';
import { listGuests } from '../../proxmox/guests.ts';
import { listNodes } from '../../proxmox/nodes.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { GUEST_READS } from './lib/api.ts';
import { outcomeOf, statusNow } from './lib/outcome.ts';
import { changed, nodeName, oneOrSeveral, storageName } from './lib/schemas.ts';
import { guestsAsked, planGuests, type Words } from './lib/several.ts';
import { planMoves } from './migrate/plan-moves.ts';
import { onlineNode } from './migrate/survey.ts';

/** Guests that one plan may cover. */
const MAX_GUESTS = 50;

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
  reads: [...GUEST_READS, 'GET /nodes/{node}/qemu/{vmid}/migrate', 'GET /nodes/{node}/lxc/{vmid}/migrate'],
  mayRead: [
    ...[
      'GET /nodes' as const,
      'GET /nodes/{node}/status' as const,
      'GET /nodes/{node}/storage' as const,
      'GET /nodes/{node}/network' as const,
    ],
    ...['GET /nodes/{node}/storage/{storage}/content?content=images' as const, 'GET /cluster/replication' as const],
  ],
  sends: {
    'POST /nodes/{node}/qemu/{vmid}/migrate': ['target', 'online', 'with-local-disks'],
    'POST /nodes/{node}/lxc/{vmid}/migrate': ['target', 'restart', 'timeout'],
  },
  maySend: {
    'POST /nodes/{node}/qemu/{vmid}/migrate': ['target', 'online', 'with-local-disks', 'targetstorage'],
    'POST /nodes/{node}/lxc/{vmid}/migrate': ['target', 'restart', 'timeout', 'target-storage'],
  },
  example: { vmid: 100, target_node: 'pve2' },
  async plan(ctx, { vmid, vmids, from_node: from, ...wanted }) {
    const isNamed = vmid !== undefined || vmids !== undefined;
    if (isNamed === (from !== undefined))
      fail('invalid_arguments', 'migrate_vm needs either guests (vmid, name, vmids, names) or from_node.');
    return from === undefined ? moveNamed(ctx, guestsAsked('migrate_vm', { vmid, vmids }), wanted) : drain(ctx, from, wanted);
  },
  report,
});
type Wanted = Pick<z.output<typeof input>, 'target_node' | 'storage'>;

const WORDS: Words = {
  ...{ verb: 'Move', done: 'moved', already: 'all of them are on that node already' },
  stopsAtFailure: true,
  undo: (plans) => undoOfAll(plans),
};

/** One call for the guests that go back to the same place. */
function undoOfAll(plans: readonly Plan[]): string {
  const calls = new Map<string, number[]>();
  for (const { undo, target } of plans) {
    const call = undo.replace(/"vmid": \d+/, '"vmids": [VMIDS]');
    calls.set(call, [...(calls.get(call) ?? []), target?.vmid ?? 0]);
  }
  return [...calls].map(([call, vmids]) => call.replace('VMIDS', vmids.join(', '))).join('; ');
}

/** @throws for the guests that cannot move; then none does */
async function moveNamed(ctx: OperationContext, vmids: readonly [number, ...number[]], wanted: Wanted): Promise<Plan> {
  const { plans, refused, capacity } = await planMoves(ctx, vmids, wanted);
  const plan = await planGuests(vmids, WORDS, async (vmid, checked) => {
    const error = refused.get(vmid);
    if (error) throw error;
    return (plans.get(vmid) as NonNullable<ReturnType<typeof plans.get>>)(checked);
  });
  return plan.existing ? plan : withCapacity(plan, capacity);
}

/** Those that cannot move stay, and the plan says why. */
async function drain(ctx: OperationContext, node: string, wanted: Wanted): Promise<Plan> {
  const [rows, granted, nodes] = await Promise.all([listGuests(ctx.api), allPrivileges(ctx.api), listNodes(ctx.api)]);
  onlineNode(nodes, node);
  const here = rows.filter((row) => row.node === node);
  const hidden = unseenBy(granted, ['guests']);
  if (here.length === 0) return nothingOn(node, hidden);
  if (here.length > MAX_GUESTS) {
    fail('invalid_arguments', `${here.length} guests are on ${node}. One approval covers at most ${MAX_GUESTS}.`, {
      hint: 'Name some of the guests in vmids.',
      details: { vmids: here.map(({ vmid }) => vmid) },
    });
  }
  if (node === wanted.target_node) fail('invalid_arguments', `from_node and target_node are both ${node}.`);
  const { plans, refused, capacity } = await planMoves(
    ctx,
    here.map(({ vmid }) => vmid),
    wanted,
  );
  const [first, ...others] = [...plans.keys()].sort((a, b) => a - b);
  if (first === undefined) failAll(node, refused);
  const plan = await planGuests([first, ...others], WORDS, async (vmid, checked) => {
    return (plans.get(vmid) as NonNullable<ReturnType<typeof plans.get>>)(checked);
  });
  const stay = [...refused].map(([vmid, { message, hint }]) => `stays on ${node}: ${vmid}. ${message} ${hint}`);
  const all = withCapacity(plan, capacity);
  const left = refused.size === 0 ? '' : `, ${counted(refused.size, 'guest')} cannot move`;
  return {
    ...all,
    summary: `Empty ${node}: move ${counted(plans.size, 'guest')}${left}`,
    effect: graver(all.effect, 'disrupt'),
    raisedBecause: [`it moves all guests of ${node}`, ...(all.raisedBecause === undefined ? [] : [all.raisedBecause])].join('; '),
    warnings: [...stay, ...hidden, ...all.warnings],
  };
}

function withCapacity(plan: Plan, { before, after, warnings }: Awaited<ReturnType<typeof planMoves>>['capacity']): Plan {
  return { ...plan, before: { ...plan.before, ...before }, after: { ...plan.after, ...after }, warnings: [...plan.warnings, ...warnings] };
}

function failAll(node: string, refused: ReadonlyMap<number, ProxmoxMcpError>): never {
  const list = [...refused].map(([vmid, { code, message, hint }]) => ({ vmid, code, message, hint }));
  fail(list[0]?.code ?? 'not_possible', `None of the guests of ${node} can move.`, {
    hint: 'Do what details.refused says about each. Then call again.',
    details: { refused: list },
  });
}

function nothingOn(node: string, hidden: readonly string[]): Plan {
  const summary = [`no guest that this token can see is on ${node}`, ...hidden].join('; ');
  const existing = { vmid: 0, name: '', node, status: '', from: node, notice: summary };
  const base = { steps: [], expected: [], choices: [], warnings: [], undo: '' };
  return { operation: 'migrate_vm', summary, effect: 'change', ...base, existing };
}

/** Where the guests are now, by the list of the cluster, which knows it at once. */
async function report(api: ProxmoxReader, run: RunRecord) {
  const rows = await listGuests(api);
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
