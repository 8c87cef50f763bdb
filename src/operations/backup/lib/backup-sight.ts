import { present } from '../../../core/defined.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { allPrivileges, type Granted, grantedAt } from '../../../proxmox/access/privileges.ts';
import { showsBackups } from '../../../proxmox/access/visibility.ts';
import type { BackupLists } from '../../../proxmox/backups.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';

/** Whether the lists of backups would have shown a guest's: a 200 silently omits what the token may not see. */
export interface BackupSight {
  /** True where every storage for backups was read and would have shown the guest's: only there a guest without one has none. */
  sees(vmid: number): boolean;
  /** The words about it; empty where all would have been seen. */
  notice: string;
}

/** Guests that a notice names. */
const NAMED = 20;

/** Asks once for everything that the token has (`GET /access/permissions`), whatever the number of guests and storages. */
export async function backupSight(api: ProxmoxReader, guests: readonly GuestRow[], { read, unread }: BackupLists): Promise<BackupSight> {
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
  return { sees: (vmid) => complete && storages.every((storage) => shows(storage, vmid)), notice };
}
