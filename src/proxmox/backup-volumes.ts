import { defined } from '../core/defined.ts';
import { asError } from '../core/errors.ts';
import type { GuestType } from '../core/guest.ts';
import type { ProxmoxReader } from '../core/proxmox.ts';
import { gibOf, numberOf } from '../core/sizes.ts';
import { path } from './encode.ts';
import { listNodes } from './nodes.ts';
import { listStorages, placeOn, storageOf } from './storage.ts';

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

interface Row {
  volid: string;
  vmid?: number | string;
  ctime?: number;
  size?: number;
  protected?: number | boolean;
  notes?: string;
  subtype?: string;
  verification?: { state?: string };
}

/** The backups on all storages of all nodes; a storage that nodes share is read once. */
export async function readBackups(api: ProxmoxReader, vmid?: number): Promise<BackupLists> {
  const nodes = (await listNodes(api)).filter(({ online }) => online);
  const places = new Map<string, { nodes: string[]; storage: string; usable: boolean }>();
  for (const { node } of nodes) {
    for (const storage of await listStorages(api, node)) {
      const place = placeOn(node, storage);
      if (!storage.content.includes('backup')) continue;
      const known = places.get(place);
      const reached = storage.usable ? [...(known?.nodes ?? []), node] : (known?.nodes ?? []);
      places.set(place, { nodes: reached, storage: storage.storage, usable: reached.length > 0 });
    }
  }
  const lists: BackupLists = { backups: [], read: [], unread: [] };
  await Promise.all(
    [...places].map(async ([place, { nodes, storage, usable }]) => {
      const [node = ''] = nodes;
      if (!usable) return void lists.unread.push({ storage: place, why: 'offline' });
      try {
        const rows = await api.get<Row[]>(path`/nodes/${node}/storage/${storage}/content`, { content: 'backup', ...defined({ vmid }) });
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

function backupOf(row: Row, node: string, nodes: string[]): Backup[] {
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
      protected: Number(row.protected ?? 0) === 1,
      ...(state === 'ok' || state === 'failed' ? { verified: state } : {}),
      notes: String(row.notes ?? ''),
    },
  ];
}
