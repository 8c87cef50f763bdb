import { present } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import type { Condition, Plan } from '../../../core/plan/plan.ts';
import { plainText } from '../../../core/text/text.ts';
import type { Backup } from '../../../proxmox/backups.ts';
import { tagsOf } from '../../../proxmox/guest/guests.ts';
import { uuidOf } from '../../../proxmox/guest/identity.ts';
import type { OperationContext } from '../../define.ts';
import { refuseTooLarge } from '../../vm/lib/limits.ts';
import { factsOf, label, readTarget, refuseLocked } from '../../vm/lib/target.ts';
import { withSize } from '../../vm/lib/volumes.ts';
import type { Inside } from './inside.ts';
import { backupText, boundTo, placeFor, restoreStep } from './restore-parts.ts';

/** Restores over an existing guest. Proxmox destroys its disks and all its snapshots first. @throws guest_running, guest_protected */
export async function overPlan(
  ctx: OperationContext,
  args: { vmid?: number | undefined; storage?: string | undefined },
  found: Backup,
  inside: Inside,
): Promise<Plan> {
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
  if (running) fail('guest_running', `${of} runs. It must be stopped first.`, { hint: `Call stop_vm {"vmid": ${vmid}}, then call again.` });
  if (guest.identity.protection) fail('guest_protected', `${of} is protected, and a restore over it would destroy it.`, asNew);
  if (!found.nodes.includes(node))
    fail('not_possible', `The nodes ${found.nodes.join(', ')} reach the backup, and ${of} is on ${node}.`, asNew);
  const demand = {
    newGuests: 0 as const,
    vmid,
    before: { cpu: guest.sizes.cpu ?? 0, memoryMib: guest.sizes.memoryMib, diskGib: guest.sizes.diskGib },
    after: inside.sizes,
  };
  await refuseTooLarge(ctx, demand, undefined);
  const place = await placeFor(ctx, args, backup, inside);
  const uuid = uuidOf(inside.config);
  const isOther = uuid !== undefined && uuid !== guest.identity.key;
  const disks = guest.disks.filter((d) => d.owner === vmid && d.media !== 'cdrom').map(withSize);
  // No read tells the restored guest from the former one. Without its task the outcome stays unknown.
  const there: Condition = { kind: 'config', ...guest.at, has: { lock: null } };
  const names = snapshots.names.map((name) => plainText(name, 40));
  return {
    operation: 'restore_backup',
    target: { ...guest.identity, snapshots: snapshots.names },
    node,
    facts: factsOf(target),
    demand,
    space: place.space,
    binds: boundTo(backup),
    becomes: { tags: tagsOf(inside.config.tags), protection: inside.config.protection === '1' },
    summary: `Restore ${backupText(backup)} over ${of}, whose present disks are destroyed`,
    effect: 'destroy',
    raisedBecause: `${of} as it is now is lost`,
    steps: [restoreStep(backup, vmid, { ...place.params, force: true, ...(backup.vmid === vmid ? {} : { unique: true }) })],
    expected: [there],
    choices: place.choices,
    warnings: present(
      `lost: ${disks.join(', ') || 'its configuration'}`,
      names.length > 0 && `lost: its snapshots ${names.join(', ')}`,
      inside.excluded.length > 0 && `disks that were excluded from the backup are detached: ${inside.excluded.join(', ')}`,
      ...inside.warnings,
      backup.verified === 'failed' && 'the verification of this backup failed',
      isOther && `the backup is of another machine: its identity differs from that of ${of}`,
      backup.vmid !== vmid && `the backup is of guest ${backup.vmid}, not of ${of}`,
    ),
    before: { disks },
    after: { name: inside.name, status: 'stopped' },
    undo: `impossible, unless it is backed up first: backup_vm {"vmid": ${vmid}}`,
  };
}
