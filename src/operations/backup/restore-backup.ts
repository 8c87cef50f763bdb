import * as z from 'zod';
import { defined, present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { Condition, PlanDraft } from '../../core/plan/plan.ts';
import { plainText } from '../../core/text/text.ts';
import { type Backup, readBackups } from '../../proxmox/backups.ts';
import { listGuests, tagsOf } from '../../proxmox/guest/guests.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { BACKUP_READS, GUEST_READS, NODE_READS, VOLUME_READS } from '../vm/lib/api.ts';
import { refuseTooLarge, sizesOn } from '../vm/lib/limits.ts';
import { guestName, poolName, storageName, vmid, volumeId } from '../vm/lib/schemas.ts';
import { made, madeReport } from '../vm/provision/made.ts';
import { newGuest } from '../vm/provision/new-guest.ts';
import { type Inside, readInside } from './lib/inside.ts';
import { overPlan } from './lib/restore-over.ts';
import { backupText, boundTo, nodeFor, placeFor, restoreStep } from './lib/restore-parts.ts';

const input = z.strictObject({
  volume: volumeId.optional().describe('Of list_backups'),
  source_vmid: vmid.optional().describe('Or the newest backup of this guest'),
  vmid: vmid.optional().describe('Next free one'),
  name: guestName.optional(),
  storage: storageName.optional().describe('For the disks; default as in the backup'),
  pool: poolName.optional(),
  overwrite: z.boolean().default(false).describe('Over that guest, which is lost'),
});
type RestoreArgs = z.output<typeof input>;

/** POST /nodes/{node}/qemu with `archive`, or …/lxc with `restore`. */
export const restoreBackup = defineOperation({
  name: 'restore_backup',
  title: 'Restore a backup',
  effect: 'change',
  toolset: 'everyday',
  description:
    'Restores a backup as a new, stopped guest with new MAC addresses. overwrite replaces the guest it was made of and needs approval.',
  input,
  byName: { source_vmid: 'source_name' },
  output: made.extend({ replaced: z.boolean().optional() }),
  reads: [...GUEST_READS, ...BACKUP_READS, 'GET /nodes/{node}/vzdump/extractconfig'],
  mayRead: [...NODE_READS, ...VOLUME_READS, 'GET /nodes/{node}/storage/{storage}/content', 'GET /pools'],
  sends: {
    'POST /nodes/{node}/qemu': ['vmid', 'archive', 'storage', 'unique'],
    'POST /nodes/{node}/lxc': ['vmid', 'ostemplate', 'restore', 'storage', 'unique'],
  },
  maySend: {
    'POST /nodes/{node}/qemu': ['pool', 'force', 'name'],
    'POST /nodes/{node}/lxc': ['pool', 'force', 'hostname'],
  },
  reserves: ({ vmid, name, overwrite }) => (overwrite ? undefined : defined({ vmid, name })),
  example: { source_vmid: 102 },
  async plan(ctx, args): Promise<PlanDraft> {
    if (args.overwrite && args.name !== undefined) {
      fail('invalid_arguments', 'name is for a new guest. With overwrite the guest gets the name in its backup.', {
        hint: 'Leave name out, and rename the guest with update_vm afterwards.',
      });
    }
    const backup = await findBackup(ctx, args);
    const inside = await readInside(ctx.api, backup);
    return args.overwrite ? overPlan(ctx, args, backup, inside) : newPlan(ctx, args, backup, inside);
  },
  async report(api, run) {
    const report = await madeReport(api, run);
    return run.args.overwrite === true ? { ...report, created: false, replaced: true } : report;
  },
});

async function newPlan(ctx: OperationContext, args: RestoreArgs, found: Backup, inside: Inside): Promise<PlanDraft> {
  const own = await newGuest(ctx, args);
  const { vmid, pool } = own;
  const { node, choices } = await nodeFor(ctx, args, found, inside);
  const { sizes, warnings } = await sizesOn(ctx.api, inside, node);
  const demand = own.demand(sizes);
  await refuseTooLarge(ctx, demand, undefined);
  const backup = { ...found, node };
  const place = await placeFor(ctx, args, backup, inside);
  const { type } = backup;
  const name = args.name ?? inside.name;
  const twins = await namedSo(ctx, name, args);
  const label = `${name === '' ? 'guest' : plainText(name, 80)} (${vmid})`;
  const nameKey = type === 'lxc' ? 'hostname' : 'name';
  // A failed restore may leave an empty guest. Without a name, another setting tells it from a restored one.
  const trait = name === '' ? ['ostype', 'cores', 'memory'].find((key) => inside.config[key] !== undefined) : undefined;
  const there: Condition = {
    kind: 'config',
    type,
    vmid,
    node,
    has: { [nameKey]: name || null, lock: null, ...(trait === undefined ? {} : { [trait]: inside.config[trait] ?? null }) },
  };
  return {
    node,
    demand,
    space: place.space,
    binds: boundTo(backup),
    savedAt: backup.time,
    becomes: { tags: tagsOf(inside.config.tags), protection: false },
    summary: `Restore ${backupText(backup)} as a new guest ${label} on ${node}`,
    steps: [restoreStep(backup, vmid, { ...place.params, unique: true, ...defined({ pool, [nameKey]: args.name }) }, there)],
    expected: [there],
    choices: [
      ...own.choices,
      ...choices,
      ...place.choices,
      ...(args.volume === undefined ? [`volume: ${plainText(backup.volid, 200)} (the newest)`] : []),
    ],
    warnings: present(
      'it is stopped and has new MAC addresses; its addresses and host name are those of the original: do not run both on one network',
      twins.length > 0 && `guests called ${plainText(name, 80)} already: ${twins.join(', ')}. Give name for another one`,
      inside.excluded.length > 0 && `missing, because they were excluded from the backup: ${inside.excluded.join(', ')}`,
      inside.config.template === '1' && 'the backup is of a template, so the new guest is one and never starts',
      ...warnings,
      ...place.warnings,
      backup.verified === 'failed' && 'the verification of this backup failed',
    ),
    after: { name, status: 'stopped' },
    ...own.wayBack,
  };
}

/**
 * VMIDs of the guests with this name: Proxmox lets several have it, and then only a VMID tells them apart.
 * @throws conflict for a VMID that is taken, and for a name that the caller chose, so that the same call twice makes one guest
 */
async function namedSo({ api }: OperationContext, name: string, { name: chosen, vmid }: RestoreArgs): Promise<number[]> {
  const rows = await listGuests(api);
  const taken = rows.find((row) => row.vmid === vmid);
  if (taken) {
    fail('conflict', `VMID ${taken.vmid} is taken by ${taken.name === '' ? 'a guest' : plainText(taken.name, 80)}.`, {
      hint: 'Choose another VMID. To replace that guest, ask the user and call again with overwrite.',
    });
  }
  const twins = rows.filter((row) => name !== '' && row.name.toLowerCase() === name.toLowerCase());
  const [twin] = twins;
  if (twin && chosen !== undefined) {
    fail('conflict', `Guest ${twin.vmid} has the name ${name} already.`, {
      hint: `Choose another name. If ${twin.vmid} is what an earlier call restored, nothing is left to do.`,
    });
  }
  return twins.map(({ vmid }) => vmid);
}

/** @throws invalid_arguments, not_possible with the storages that were read */
async function findBackup({ api }: OperationContext, { volume, source_vmid: source }: RestoreArgs): Promise<Backup> {
  if ((volume === undefined) === (source === undefined)) {
    fail('invalid_arguments', 'restore_backup needs either volume, or source_vmid or source_name.');
  }
  const lists = await readBackups(api, source);
  const found = volume === undefined ? lists.backups[0] : lists.backups.find(({ volid }) => volid === volume);
  if (found) return found;
  const unread = lists.unread.map(({ storage, why }) => `${storage} (${why})`);
  const hint = present(
    'Call list_backups. Backups show with VM.Backup on the guest and Datastore.AllocateSpace on the storage.',
    `Storages read: ${lists.read.join(', ') || 'none'}.`,
    unread.length > 0 && `Not read: ${unread.join(', ')}.`,
  ).join(' ');
  fail('not_possible', `No backup ${volume === undefined ? `of guest ${source}` : plainText(volume, 200)} is visible.`, { hint });
}
