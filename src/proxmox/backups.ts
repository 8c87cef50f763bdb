import { defined } from '../core/defined.ts';
import { asError } from '../core/errors/errors.ts';
import type { GuestType } from '../core/guest.ts';
import type { ProxmoxReader } from '../core/proxmox.ts';
import { isoOf } from '../core/text/duration.ts';
import { gibOf, isSet, numberOf } from '../core/text/sizes.ts';
import { sightOf } from './access/visibility.ts';
import type { GuestAt } from './guest/guests.ts';
import { listNodes } from './nodes.ts';
import { listStorages, listVolumes, placeOn, storageOf, type VolumeRow, volumeRows } from './storage.ts';

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
  return backupsFrom(api, { vmid: at.vmid, places: storages.map((s) => s.storage), readable, times });
}

/** Lists of backups that were read. */
interface ReadLists {
  vmid: number;
  /** Storages that take backups. */
  places: readonly string[];
  /** Those whose list came. */
  readable: readonly string[];
  /** Epoch seconds of the backups found. */
  times: readonly number[];
}

/** The same from lists that were read already. */
export async function backupsFrom(api: ProxmoxReader, { vmid, places, readable, times }: ReadLists): Promise<Backups> {
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

/** A backup on a storage. On Proxmox Backup Server it also tells its verification. */
export interface Backup {
  volid: string;
  storage: string;
  /** A node that reaches it, and all of them. */
  node: string;
  nodes: string[];
  /** The guest that it was made of: another one may have the VMID by now. */
  vmid: number;
  type: GuestType;
  /** Epoch seconds. */
  time: number;
  sizeGib: number;
  protected: boolean;
  verified?: 'ok' | 'failed';
  notes: string;
}

export interface BackupLists {
  /** The newest first. */
  backups: Backup[];
  /** Storages whose list came, by the place that holds them. */
  read: string[];
  /** Storages that take backups and whose list did not come, with the reason. */
  unread: { storage: string; why: string }[];
}

/** The backups on all storages of all nodes; a storage that nodes share is read once. */
export async function readBackups(api: ProxmoxReader, vmid?: number): Promise<BackupLists> {
  const nodes = (await listNodes(api)).filter(({ online }) => online);
  /** Storages with the nodes that reach them. */
  const places = new Map<string, { nodes: string[]; storage: string }>();
  for (const { node } of nodes) {
    for (const storage of await listStorages(api, node)) {
      const place = placeOn(node, storage);
      if (!storage.content.includes('backup')) continue;
      const known = places.get(place) ?? { nodes: [], storage: storage.storage };
      if (storage.usable) known.nodes.push(node);
      places.set(place, known);
    }
  }
  const lists: BackupLists = { backups: [], read: [], unread: [] };
  await Promise.all(
    [...places].map(async ([place, { nodes, storage }]) => {
      const [node] = nodes;
      if (node === undefined) return void lists.unread.push({ storage: place, why: 'offline' });
      try {
        const rows = await volumeRows(api, node, storage, { content: 'backup', ...defined({ vmid }) });
        lists.read.push(place);
        lists.backups.push(...rows.flatMap((row) => backupOf(row, node, nodes)));
      } catch (thrown) {
        const { code } = asError(thrown);
        lists.unread.push({ storage: place, why: code === 'permission_denied' ? 'the token may not list it' : code });
      }
    }),
  );
  lists.backups.sort((a, b) => b.time - a.time || a.volid.localeCompare(b.volid));
  lists.read.sort();
  return lists;
}

function backupOf(row: VolumeRow, node: string, nodes: string[]): Backup[] {
  const vmid = numberOf(row.vmid);
  if (vmid === undefined) return [];
  const state = row.verification?.state;
  return [
    {
      volid: row.volid,
      storage: storageOf(row.volid),
      node,
      nodes,
      vmid,
      type: row.subtype === 'lxc' || /vzdump-lxc-|backup\/ct\//.test(row.volid) ? 'lxc' : 'qemu',
      time: row.ctime ?? 0,
      sizeGib: gibOf(row.size ?? 0),
      protected: isSet(row.protected),
      ...(state === 'ok' || state === 'failed' ? { verified: state } : {}),
      notes: String(row.notes ?? ''),
    },
  ];
}
