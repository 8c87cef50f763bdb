import type { ProxmoxReader } from '../../core/proxmox.ts';
import { type Need, need } from '../contract/need.ts';
import { byLatePrivileges, type Has, type Privileges, privilegesAt } from './remembered.ts';

/** The volumes of one guest that the content lists of storages show to this token. Proxmox silently omits the rest from a 200. */
export interface Sight {
  /** Storages whose list shows the guest's disks. */
  disks: string[];
  /** Storages whose list shows its backups. */
  backups: string[];
}

const NONE: Privileges = new Set();

/**
 * Measured on Proxmox VE 9.2: a list needs Datastore.Audit or AllocateSpace on the storage. In it disks show with Datastore.Audit and
 * VM.Config.Disk on the guest, backups with Datastore.AllocateSpace and VM.Backup on the guest; Datastore.Allocate shows both.
 */
function shows(onStorage: Privileges, onGuest: Privileges, [ofStorage, ofGuest]: readonly [string, string]): boolean {
  const listed = onStorage.has('Datastore.Audit') || onStorage.has('Datastore.AllocateSpace');
  return listed && (onStorage.has('Datastore.Allocate') || (onStorage.has(ofStorage) && onGuest.has(ofGuest)));
}

/** Whether the content list of a storage shows the guest's backups to a token with these privileges on both. */
export function showsBackups(onStorage: Privileges, onGuest: Privileges): boolean {
  return shows(onStorage, onGuest, ['Datastore.AllocateSpace', 'VM.Backup']);
}

/** The same for its disks. */
function showsDisks(onStorage: Privileges, onGuest: Privileges): boolean {
  return shows(onStorage, onGuest, ['Datastore.Audit', 'VM.Config.Disk']);
}

/** By the privileges on the guest and on each storage. Privileges that cannot be read count as missing. */
export function sightOf(api: ProxmoxReader, vmid: number, storages: readonly string[]): Promise<Sight> {
  const guest = `/vms/${vmid}`;
  const sight = (has: Has): Sight => {
    const shown = (shows: typeof showsDisks) => storages.filter((storage) => shows(has(`/storage/${storage}`) ?? NONE, has(guest) ?? NONE));
    return { disks: shown(showsDisks), backups: shown(showsBackups) };
  };
  const isAll = ({ disks, backups }: Sight) => disks.length === storages.length && backups.length === storages.length;
  return byLatePrivileges(api, [guest, ...storages.map((storage) => `/storage/${storage}`)], sight, isAll);
}

/** Whether the lists of all storages show the disks of all guests; an ACL on a single path below may still hide some. */
export async function seesEveryDisk(api: ProxmoxReader): Promise<boolean> {
  const none = () => NONE;
  const [guests, storages] = await Promise.all([privilegesAt(api, '/vms').catch(none), privilegesAt(api, '/storage').catch(none)]);
  return storages.has('Datastore.Audit') && (storages.has('Datastore.Allocate') || guests.has('VM.Config.Disk'));
}

/** The privileges that show a guest's backups on a storage, and allow a backup there. */
export function backupRights(vmid: number, storage: string): Need[] {
  return [need(`/vms/${vmid}`, 'VM.Backup'), need(`/storage/${storage}`, 'Datastore.AllocateSpace')];
}
