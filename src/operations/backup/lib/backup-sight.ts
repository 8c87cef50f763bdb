import { defined, present } from '../../../core/defined.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { ageDays, isoOf } from '../../../core/text/duration.ts';
import { rounded } from '../../../core/text/sizes.ts';
import { plainText } from '../../../core/text/text.ts';
import { allPrivileges, type Granted, grantedAt } from '../../../proxmox/access/privileges.ts';
import { showsBackups } from '../../../proxmox/access/visibility.ts';
import type { Backup, BackupLists } from '../../../proxmox/backups.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';

/** Guests that a notice names. */
const NAMED = 20;

/** A row of an answer. @param now epoch seconds */
export function backupRow(backup: Backup, now: number) {
  return {
    volume: plainText(backup.volid, 200),
    time: isoOf(backup.time),
    age_days: ageDays(backup.time, now),
    size_gb: rounded(backup.sizeGib, 2),
    ...(backup.protected ? { protected: true } : {}),
    ...defined({ verified: backup.verified }),
  };
}

/**
 * Whether the lists would have shown the backups of a guest: Proxmox silently omits what the token may not see. One request
 * (`GET /access/permissions`) tells it for all guests and storages.
 * @returns `sees`: whether a guest without a listed backup has none. `notice`: what is hidden or was not read, or an empty text
 */
export async function backupSight(api: ProxmoxReader, guests: readonly GuestRow[], { read, unread }: BackupLists) {
  const granted = await allPrivileges(api).catch((): Granted => ({}));
  const storages = [...new Set(read.map((place) => place.split('/').at(-1) ?? place))].sort();
  const shows = (storage: string, vmid: number) =>
    showsBackups(grantedAt(granted, `/storage/${storage}`), grantedAt(granted, `/vms/${vmid}`));
  const blind = storages.filter((storage) => !showsBackups(grantedAt(granted, `/storage/${storage}`), new Set(['VM.Backup'])));
  const open = storages.filter((storage) => !blind.includes(storage));
  const hidden = guests.filter(({ template, vmid }) => !template && !open.every((storage) => shows(storage, vmid))).map(({ vmid }) => vmid);
  const notice = present(
    ...unread.map(({ storage, why }) => `storage ${storage} was not read (${why})`),
    blind.length > 0 &&
      `backups on ${blind.join(', ')} are invisible to this token (Datastore.AllocateSpace on the storage and VM.Backup on the guest show them)`,
    hidden.length > 0 &&
      `backups of ${hidden.length} guests are invisible to this token (VM.Backup shows them): ${hidden.slice(0, NAMED).join(', ')}`,
    storages.length === 0 && unread.length === 0 && 'this token sees no storage for backups, so it cannot tell whether there are any',
  ).join('; ');
  const complete = unread.length === 0 && storages.length > 0;
  return { sees: (vmid: number) => complete && storages.every((storage) => shows(storage, vmid)), notice };
}
