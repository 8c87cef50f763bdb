import { fail } from '../../../core/errors/errors.ts';
import type { Plan } from '../../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { isoOf } from '../../../core/text/duration.ts';
import { counted, plainText } from '../../../core/text/text.ts';
import { failMissing } from '../../../proxmox/access/privileges.ts';
import { readBackups } from '../../../proxmox/backups.ts';
import { backupOwner } from '../../../proxmox/guest/disks.ts';
import { isFree, listGuests, readGuest } from '../../../proxmox/guest/guests.ts';
import type { FoundVolume } from './find-volume.ts';

/**
 * A backup belongs to its guest while that exists, so that rules of the policy about the guest apply to it; and how many others there are.
 * @throws guest_protected, permission_denied for a backup of a guest that the token does not see
 */
export async function aboutBackup(api: ProxmoxReader, { row }: FoundVolume): Promise<Pick<Plan, 'target' | 'facts' | 'warnings'>> {
  const shown = plainText(row.volid, 200);
  if (Number(row.protected ?? 0) === 1) {
    fail('guest_protected', `${shown} is a protected backup.`, { hint: 'Ask the operator to remove the protection of this backup.' });
  }
  const owner = backupOwner(row.volid) ?? (row.vmid === undefined ? undefined : Number(row.vmid));
  if (owner === undefined) return { warnings: [] };
  const { backups, unread } = await readBackups(api, owner);
  const [newest, ...more] = backups.filter(({ volid }) => volid !== row.volid);
  const left = newest
    ? `${counted(more.length + 1, 'other backup')} of guest ${owner}, the newest of ${isoOf(newest.time)}`
    : `no other backup of guest ${owner}`;
  const warnings = [
    `this token sees ${left}`,
    ...(unread.length > 0 ? [`not read: ${unread.map(({ storage, why }) => `${storage} (${why})`).join(', ')}`] : []),
  ];
  const at = (await listGuests(api)).find(({ vmid }) => vmid === owner);
  if (!at) {
    if (!(await isFree(api, owner)))
      failMissing(`Seeing guest ${owner} of the backup`, [{ path: `/vms/${owner}`, privileges: ['VM.Audit'] }]);
    return { warnings };
  }
  const { identity, tags } = await readGuest(api, at);
  return { target: identity, facts: { disks: [], tags, lastBackup: newest ? isoOf(newest.time) : null }, warnings };
}
