import { present } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import { raisedTo } from '../../../core/plan/effect.ts';
import type { Condition, PlanDraft } from '../../../core/plan/plan.ts';
import { summed } from '../../../core/sums.ts';
import { plainText } from '../../../core/text/text.ts';
import type { Backup } from '../../../proxmox/backups.ts';
import type { Disk } from '../../../proxmox/guest/disks.ts';
import { type Guest, tagsOf } from '../../../proxmox/guest/guests.ts';
import { uuidOf } from '../../../proxmox/guest/identity.ts';
import type { OperationContext } from '../../define.ts';
import { refuseTooLarge, sizesOn } from '../../vm/lib/limits.ts';
import { factsOf, label, readTarget, refuseLocked, refuseRunning } from '../../vm/lib/target.ts';
import { ownVolumes, refuseBase, withSize } from '../../vm/lib/volumes.ts';
import type { Inside } from './inside.ts';
import { backupText, boundTo, placeFor, restoreStep } from './restore-parts.ts';

/**
 * The guest's own volumes: those that Proxmox replaces, and those that it detaches. It destroys all volumes of a container once the new ones
 * are made; of a VM it first frees the drives that the backup has too.
 */
function volumesUnder({ at, disks }: Guest, inside: Inside) {
  const own = disks.filter((d) => d.owner === at.vmid && d.media !== 'cdrom');
  const isLost = ({ slot, media }: Disk) => at.type === 'lxc' || media === 'cloudinit' || inside.disks.some((one) => one.slot === slot);
  const lost = own.filter(isLost);
  const freed = summed(at.type === 'lxc' ? [] : lost.map(({ storage, sizeGib = 0 }) => [storage, sizeGib] as const));
  return { lost: lost.map(withSize), kept: own.filter((d) => !isLost(d)).map(withSize), freed };
}

/** Restores over an existing guest, whose disks and snapshots go. @throws guest_running, guest_protected */
export async function overPlan(
  ctx: OperationContext,
  args: { vmid?: number | undefined; storage?: string | undefined },
  found: Backup,
  inside: Inside,
): Promise<PlanDraft> {
  const vmid = args.vmid ?? found.vmid;
  const target = await readTarget(ctx.api, vmid);
  const { guest, snapshots, running } = target;
  const backup = { ...found, node: guest.at.node };
  const of = label(guest);
  const { type, node } = guest.at;
  const asNew = { hint: 'Restore to a new VMID. Call again without overwrite.' };
  if (type !== found.type)
    fail('not_possible', `${of} is a ${type === 'qemu' ? 'VM' : 'container'}, and the backup is of the other kind.`, asNew);
  refuseLocked(target);
  refuseRunning(guest, running);
  if (guest.identity.protection) fail('guest_protected', `${of} is protected, and a restore over it would destroy it.`, asNew);
  if (!found.nodes.includes(node))
    fail('not_possible', `The nodes ${found.nodes.join(', ')} reach the backup, and ${of} is on ${node}.`, asNew);
  // Proxmox would leave the base to its clones, outside of the configuration.
  if (guest.template) refuseBase(guest, await ownVolumes(ctx.api, guest, snapshots.names));
  const { sizes, warnings } = await sizesOn(ctx.api, inside, node);
  const demand = {
    newGuests: 0 as const,
    vmid,
    before: { cpu: guest.sizes.cpu ?? 0, memoryMib: guest.sizes.memoryMib, diskGib: guest.sizes.diskGib },
    after: sizes,
  };
  await refuseTooLarge(ctx, demand, undefined);
  const { lost, kept, freed } = volumesUnder(guest, inside);
  const place = await placeFor(ctx, args, backup, inside, freed);
  const missing = inside.excluded.filter((slot) => !guest.disks.some((d) => d.slot === slot));
  const uuid = uuidOf(inside.config);
  const isOther = uuid !== undefined && uuid !== guest.identity.key;
  // No read tells the restored guest from the former one. Without its task the outcome stays unknown.
  const there: Condition = { kind: 'config', ...guest.at, has: { lock: null } };
  const names = snapshots.names.map((name) => plainText(name, 40));
  return {
    target: { ...guest.identity, snapshots: snapshots.names },
    node,
    facts: factsOf(target),
    demand,
    space: place.space,
    binds: boundTo(backup),
    savedAt: backup.time,
    becomes: { tags: tagsOf(inside.config.tags), protection: inside.config.protection === '1' },
    summary: `Restore ${backupText(backup)} over ${of}, ${kept.length === 0 ? 'whose present disks are destroyed' : `which destroys ${lost.join(', ') || 'its configuration'}`}`,
    ...raisedTo('destroy', `${of} as it is now is lost`),
    steps: [restoreStep(backup, vmid, { ...place.params, force: true, ...(backup.vmid === vmid ? {} : { unique: true }) })],
    expected: [there],
    choices: place.choices,
    warnings: present(
      `lost: ${lost.join(', ') || 'its configuration'}`,
      names.length > 0 && `lost: its snapshots ${names.join(', ')}`,
      kept.length > 0 && `not in the backup, so detached with their data: ${kept.join(', ')}`,
      missing.length > 0 && `missing, because they were excluded from the backup: ${missing.join(', ')}`,
      inside.config.template === '1' && !guest.template && 'the backup is of a template, so the guest becomes one and never starts',
      ...warnings,
      ...place.warnings,
      backup.verified === 'failed' && 'the verification of this backup failed',
      isOther && `the backup is of another machine: its identity differs from that of ${of}`,
      backup.vmid !== vmid && `the backup is of guest ${backup.vmid}, not of ${of}`,
    ),
    before: { disks: [...lost, ...kept] },
    after: { name: inside.name, status: 'stopped' },
    undo: `impossible, unless it is backed up first: backup_vm {"vmid": ${vmid}}`,
  };
}
