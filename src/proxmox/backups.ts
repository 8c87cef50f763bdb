import { isoOf } from '../core/duration.ts';
import type { ProxmoxReader } from '../core/proxmox.ts';
import { sightOf } from './access/visibility.ts';
import type { GuestAt } from './guests.ts';
import { listStorages, listVolumes } from './storage.ts';

/** A guest's backups as far as the token can see them. */
export interface Backups {
  /** ISO time. */
  newest?: string;
  /** Storages that take backups: those on which this token would see one, and the others. Storages that it cannot see are in neither. */
  seen: string[];
  hidden: string[];
}

/** Searches the storages of the guest's node for backups. */
export async function backupsOf(api: ProxmoxReader, at: GuestAt): Promise<Backups> {
  const storages = (await listStorages(api, at.node)).filter((s) => s.content.includes('backup'));
  const filter = { content: 'backup', vmid: at.vmid };
  const lists = await Promise.all(
    storages.map(async (s) => (s.usable ? listVolumes(api, at.node, s.storage, filter).catch(() => undefined) : undefined)),
  );
  const readable = storages.filter((_, index) => lists[index] !== undefined).map((s) => s.storage);
  const times = lists.flat().flatMap((v) => (v?.vmid === at.vmid && v.createdAt !== undefined ? [v.createdAt] : []));
  return backupsFrom(
    api,
    at.vmid,
    storages.map((s) => s.storage),
    readable,
    times,
  );
}

/**
 * The same from lists that were read already.
 * @param places storages that take backups
 * @param readable those whose list came
 * @param times epoch seconds of the backups found
 */
export async function backupsFrom(
  api: ProxmoxReader,
  vmid: number,
  places: readonly string[],
  readable: readonly string[],
  times: readonly number[],
): Promise<Backups> {
  if (times.length > 0) return { newest: isoOf(Math.max(...times)), seen: [...readable], hidden: [] };
  const { backups: seen } = await sightOf(api, vmid, readable);
  return { seen, hidden: places.filter((storage) => !seen.includes(storage)) };
}

/** The text when no backup was found: "none" only for where one would have been seen. */
export function noBackupText({ seen, hidden }: Pick<Backups, 'seen' | 'hidden'>): string {
  const none = `no backup on the storages this token can see (${seen.join(', ')})`;
  if (hidden.length === 0) return seen.length > 0 ? none : 'this token sees no storage for backups, so it cannot tell whether there is one';
  const why = 'backups show with VM.Backup on the guest and Datastore.AllocateSpace on the storage';
  if (seen.length === 0) return `this token cannot tell whether there is a backup on ${hidden.join(', ')}: ${why}`;
  return `${none}; cannot tell on ${hidden.join(', ')}: ${why}`;
}
