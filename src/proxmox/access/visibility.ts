import type { ProxmoxReader } from '../../core/proxmox.ts';
import { privilegesAt, type Want } from './privileges.ts';

/** The volumes of one guest that the content lists of storages show to this token. Proxmox silently omits the rest from a 200. */
export interface Sight {
  /** Storages whose list shows the guest's disks. */
  disks: string[];
  /** Storages whose list shows its backups. */
  backups: string[];
}

/**
 * Measured on Proxmox VE 9.2: a list needs Datastore.Audit or AllocateSpace on the storage. In it disks show with Datastore.Audit and
 * VM.Config.Disk on the guest, backups with Datastore.AllocateSpace and VM.Backup on the guest; Datastore.Allocate shows both.
 */
export async function sightOf(api: ProxmoxReader, vmid: number, storages: readonly string[]): Promise<Sight> {
  const none = () => new Set<string>();
  const [guest, ...places] = await Promise.all([
    privilegesAt(api, `/vms/${vmid}`).catch(none),
    ...storages.map((storage) => privilegesAt(api, `/storage/${storage}`).catch(none)),
  ]);
  const shows = (has: Set<string> | undefined, onStorage: string, onGuest: string) =>
    has !== undefined &&
    (has.has('Datastore.Audit') || has.has('Datastore.AllocateSpace')) &&
    (has.has('Datastore.Allocate') || (has.has(onStorage) && guest.has(onGuest)));
  return {
    disks: storages.filter((_, index) => shows(places[index], 'Datastore.Audit', 'VM.Config.Disk')),
    backups: storages.filter((_, index) => shows(places[index], 'Datastore.AllocateSpace', 'VM.Backup')),
  };
}

/** Whether the lists of all storages show the disks of all guests; an ACL on a single path below may still hide some. */
export async function seesEveryDisk(api: ProxmoxReader): Promise<boolean> {
  const none = () => new Set<string>();
  const [guests, storages] = await Promise.all([privilegesAt(api, '/vms').catch(none), privilegesAt(api, '/storage').catch(none)]);
  return storages.has('Datastore.Audit') && (storages.has('Datastore.Allocate') || guests.has('VM.Config.Disk'));
}

/** The privileges that show a guest's backups on a storage, and allow a backup there. */
export function backupRights(vmid: number, storage: string): Want[] {
  return [
    { path: `/vms/${vmid}`, anyOf: ['VM.Backup'] },
    { path: `/storage/${storage}`, anyOf: ['Datastore.AllocateSpace'] },
  ];
}
