import type { ProxmoxReader } from '../../core/proxmox.ts';
import { privilegesAt, type Want } from './privileges.ts';

/** The volumes of one guest that the content lists of storages show to this token. Proxmox silently omits the rest from a 200. */
export interface Sight {
  /** Storages whose list shows the guest's disks. */
  disks: string[];
  /** Storages whose list shows its backups. */
  backups: string[];
}

type Privileges = ReadonlySet<string>;

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

/** Asks Proxmox for the privileges on the guest and on each storage. Privileges that cannot be read count as missing. */
export async function sightOf(api: ProxmoxReader, vmid: number, storages: readonly string[]): Promise<Sight> {
  const none = () => new Set<string>();
  const [guest, ...places] = await Promise.all([
    privilegesAt(api, `/vms/${vmid}`).catch(none),
    ...storages.map((storage) => privilegesAt(api, `/storage/${storage}`).catch(none)),
  ]);
  return {
    disks: storages.filter((_, index) => showsDisks(places[index] ?? none(), guest)),
    backups: storages.filter((_, index) => showsBackups(places[index] ?? none(), guest)),
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
