import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { raisedTo } from '../../core/plan/effect.ts';
import { targetsOf } from '../../core/plan/parts.ts';
import type { PlanDraft } from '../../core/plan/plan.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { isObject } from '../../core/text/json.ts';
import { rounded } from '../../core/text/sizes.ts';
import { plainText } from '../../core/text/text.ts';
import { readBackups } from '../../proxmox/backups.ts';
import { path } from '../../proxmox/guest/encode.ts';
import { parseProperties } from '../../proxmox/guest/property-strings.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { BACKUP_READS, GUEST_READS } from '../vm/lib/api.ts';
import { reportOf } from '../vm/lib/outcome.ts';
import { changed, line, oneOrSeveral, storageName } from '../vm/lib/schemas.ts';
import { guestsAsked, planGuests } from '../vm/lib/several.ts';
import { about, label, readTarget, refuseLocked, type Target } from '../vm/lib/target.ts';
import { backupSteps, backupStorage } from './lib/backup-steps.ts';
import { leftOut } from './lib/inside.ts';

const input = z.strictObject({
  ...oneOrSeveral,
  storage: storageName.optional().describe('Default: the only one that takes backups'),
  mode: z.enum(['snapshot', 'suspend', 'stop']).default('snapshot').describe('stop: consistent, with a shutdown'),
  protected: z.boolean().default(false).describe('Never pruned'),
  notes: line(200).optional(),
});
type Args = Omit<z.output<typeof input>, 'vmid' | 'vmids'>;

/** POST /nodes/{node}/vzdump, one request a guest, so that every guest has its own outcome. */
export const backupVm = defineOperation({
  name: 'backup_vm',
  title: 'Back up VMs or containers',
  effect: 'change',
  toolset: 'everyday',
  description: 'Backs up VMs or containers now and answers with the volume. It never prunes older backups.',
  input,
  byName: { vmid: 'name', vmids: 'names' },
  output: changed.extend({ backups: z.array(z.looseObject({ vmid: z.number() })) }),
  reads: [...GUEST_READS, ...BACKUP_READS],
  mayRead: ['GET /nodes/{node}/vzdump/defaults'],
  sends: { 'POST /nodes/{node}/vzdump': ['vmid', 'storage', 'mode', 'compress', 'remove'] },
  maySend: { 'POST /nodes/{node}/vzdump': ['protected', 'notes-template'] },
  example: { vmid: 104, storage: 'nas' },
  async plan(ctx, { vmid, vmids, ...args }) {
    const words = { verb: 'Back up', done: 'backed up', undo: () => 'delete_volume with each new volume (toolset rare)' };
    return planGuests(guestsAsked('backup_vm', { vmid, vmids }), words, (one) => planOne(ctx, one, args));
  },
  async report(api, run) {
    return { ...(await reportOf(api, run)), backups: await madeBy(api, run) };
  },
});

async function planOne(ctx: OperationContext, vmid: number, args: Args): Promise<PlanDraft> {
  const target = await readTarget(ctx.api, vmid);
  const { guest, running } = target;
  const { at } = guest;
  const of = label(guest);
  refuseLocked(target);
  const { storage, choices } = await backupStorage(ctx.api, at.node, args.storage);
  if (!args.protected) await refuseAtLimit(ctx.api, target, storage);
  if (args.mode === 'stop' && running && target.status.ha !== undefined) {
    fail('not_possible', `${of} is managed by HA, and Proxmox does not back it up with mode stop.`, { hint: 'Use mode snapshot.' });
  }
  const pauses = running && args.mode !== 'snapshot';
  const steps = await backupSteps(ctx.api, target, { storage, mode: args.mode, protect: args.protected, notes: args.notes });
  return {
    ...about(target),
    summary: `Back up ${of} to ${storage} (${args.mode})`,
    ...raisedTo('disrupt', pauses && `${of} is ${args.mode === 'stop' ? 'shut down and started again' : 'paused'} for the backup`),
    steps,
    expected: [{ kind: 'backup', vmid, node: at.node, storage }],
    choices,
    warnings: warningsOf(target),
    after: { backup: `on ${storage}`, ...(args.protected ? { protected: true } : {}) },
    undo: 'delete_volume with the new volume (toolset rare)',
  };
}

function warningsOf({ guest, running }: Target): string[] {
  const left = leftOut(guest);
  return present(
    left.length > 0 && `disks that are excluded from backups are not in it: ${left.join(', ')}`,
    guest.disks.some((d) => d.media === 'bind') && 'bind mounts are not in it',
    !running && guest.at.type === 'qemu' && 'Proxmox shows the stopped VM as running while it is backed up',
  );
}

/** With remove=0 vzdump fails where the storage keeps so many backups already (`GET /nodes/{node}/vzdump/defaults`). @throws not_possible */
async function refuseAtLimit(api: ProxmoxReader, { guest }: Target, storage: string): Promise<void> {
  const { at } = guest;
  const defaults = path`/nodes/${at.node}/vzdump/defaults`;
  const limit = limitOf(await api.get<Retention>(defaults, { storage }).catch((): Retention => ({})));
  if (limit === undefined) return;
  const { backups } = await readBackups(api, at.vmid);
  const counted = backups.filter((b) => b.storage === storage && b.type === at.type && !b.protected);
  const oldest = counted.at(-1);
  if (counted.length < limit || !oldest) return;
  fail('not_possible', `Storage ${storage} keeps ${limit} backups of a guest, and ${label(guest)} has ${counted.length}.`, {
    hint: `Use another storage or protected, or ask the user whether to delete the oldest: ${plainText(oldest.volid, 200)}.`,
    details: { limit, backups: counted.map(({ volid }) => plainText(volid, 200)) },
  });
}

/** Proxmox answers with a text or an object. */
type Retention = { 'prune-backups'?: unknown };

/** How many backups of a guest a retention keeps, as vzdump counts them; undefined: all. */
function limitOf({ 'prune-backups': keep }: Retention): number | undefined {
  const kept: Record<string, unknown> = isObject(keep) ? keep : parseProperties(String(keep ?? ''), 'keep-all');
  if (Number(kept['keep-all'] ?? 0) === 1) return undefined;
  const sum = Object.entries(kept).reduce((total, [name, value]) => total + (name.startsWith('keep-') ? Number(value) || 0 : 0), 0);
  return sum > 0 ? sum : undefined;
}

/** The volumes that the run made: the newest of each guest since it began. */
async function madeBy(api: ProxmoxReader, { plan, startedAt }: RunRecord) {
  const guests = targetsOf(plan);
  const since = Math.floor(Date.parse(startedAt) / 1000) - 5;
  const found = await readBackups(api, guests.length === 1 ? guests[0]?.vmid : undefined);
  return guests.map(({ vmid, type }) => {
    const made = found.backups.find((b) => b.vmid === vmid && b.type === type && b.time >= since);
    return { vmid, ...(made ? { volume: plainText(made.volid, 200), size_gb: rounded(made.sizeGib, 2) } : {}) };
  });
}
