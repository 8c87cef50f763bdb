import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { allPrivileges, type Granted } from '../../../proxmox/access/privileges.ts';
import type { BackupLists } from '../../../proxmox/backups.ts';
import type { GuestRow } from '../../../proxmox/guests.ts';

/** Whether a list of backups would have shown a guest's: a 200 silently omits what the token may not see. */
export interface Sight {
  sees(vmid: number): boolean;
  /** Guests whose backups no list shows to this token. */
  hidden: number[];
  /** The words about it; empty where all would have been seen. */
  notice: string;
}

/**
 * Measured on Proxmox VE 9.2: a backup shows with Datastore.AllocateSpace on its storage and VM.Backup on its guest, or with
 * Datastore.Allocate on the storage.
 */
export async function sightOf(api: ProxmoxReader, guests: readonly GuestRow[], { read, unread }: BackupLists): Promise<Sight> {
  const granted = await allPrivileges(api).catch((): Granted => ({}));
  const has = (path: string, privilege: string) =>
    privilege in (granted[path] ?? granted[path.replace(/\/[^/]+$/, '')] ?? granted['/'] ?? {});
  const names = read.map((place) => place.split('/').at(-1) ?? place);
  const blind = names.filter(
    (name) => !has(`/storage/${name}`, 'Datastore.AllocateSpace') && !has(`/storage/${name}`, 'Datastore.Allocate'),
  );
  const full = names.some((name) => has(`/storage/${name}`, 'Datastore.Allocate'));
  const sees = (vmid: number) => full || (blind.length < names.length && has(`/vms/${vmid}`, 'VM.Backup'));
  const hidden = guests.filter(({ template, vmid }) => !template && !sees(vmid)).map(({ vmid }) => vmid);
  const notice = [
    ...unread.map(({ storage, why }) => `storage ${storage} was not read (${why})`),
    ...(blind.length > 0
      ? [`backups on ${[...new Set(blind)].join(', ')} are invisible to this token (Datastore.AllocateSpace shows them)`]
      : []),
    ...(hidden.length > 0
      ? [`backups of ${hidden.length} guests are invisible to this token (VM.Backup shows them): ${hidden.slice(0, 20).join(', ')}`]
      : []),
    ...(names.length === 0 && unread.length === 0
      ? ['this token sees no storage for backups, so it cannot tell whether there are any']
      : []),
  ].join('; ');
  return { sees, hidden, notice };
}
