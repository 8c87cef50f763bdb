import { fail } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import { failMissing, missingPrivileges } from '../../../proxmox/access/privileges.ts';
import { backupRights } from '../../../proxmox/access/visibility.ts';
import { type Need, need } from '../../../proxmox/contract/need.ts';
import { backupOwner } from '../../../proxmox/guest/disks.ts';
import { listNodes } from '../../../proxmox/nodes.ts';
import { listStorages, storageOf, type VolumeRow, volumeRows } from '../../../proxmox/storage.ts';

export type FoundVolume = Awaited<ReturnType<typeof findVolume>>;

/**
 * Where a volume is. Local storages of one name hold different volumes of one name on different nodes.
 * @returns `rows`: all that the storage lists there. `elsewhere`: volumes of the same name on other nodes, where the storage is local
 * @throws ambiguous, storage_unavailable, permission_denied where it may exist unseen
 */
export async function findVolume(api: ProxmoxReader, volid: string, wanted: string | undefined) {
  const name = storageOf(volid);
  const found: { node: string; row: VolumeRow; rows: VolumeRow[]; shared: boolean }[] = [];
  const looked: string[] = [];
  for (const { node, online } of await listNodes(api)) {
    const storage = online ? (await listStorages(api, node)).find((one) => one.storage === name && one.usable) : undefined;
    if (!storage || (storage.shared && found.length > 0 && node !== wanted)) continue;
    const rows = await volumeRows(api, node, name);
    looked.push(node);
    const row = rows.find((one) => one.volid === volid);
    if (row) found.push({ node, row, rows, shared: storage.shared });
  }
  const shown = plainText(volid, 200);
  const chosen = found.filter(({ node, shared }) => wanted === undefined || node === wanted || (shared && found.length === 1));
  const [first] = chosen;
  if (!first) {
    await refuseUnseen(api, volid);
    const where = wanted ?? (looked.join(', ') || 'any node that is online');
    const others = found.length > 0 ? `It exists on ${found.map(({ node }) => node).join(', ')}. ` : '';
    return fail('storage_unavailable', `${shown} does not exist on ${where}.`, {
      hint: `${others}Call get_cluster for media and list_backups for backups.`,
    });
  }
  if (chosen.length > 1 && !first.shared) {
    const candidates = chosen.map(({ node }) => node);
    fail('ambiguous', `${shown} exists on ${candidates.join(', ')}, and local storages of one name hold different volumes.`, {
      hint: 'Give node.',
      details: { candidates },
    });
  }
  const others = first.shared ? [] : found.filter(({ node }) => node !== first.node);
  return { ...first, elsewhere: new Map(others.map(({ node, row }) => [node, row])) };
}

/** A storage shows with either of two privileges, and Datastore.Allocate shows all its volumes. Backups show with the rights on their guest. */
async function refuseUnseen(api: ProxmoxReader, volid: string): Promise<void> {
  const storage = storageOf(volid);
  const owner = backupOwner(volid);
  const on = (...privileges: string[]): Need[] => [need(`/storage/${storage}`, ...privileges)];
  const [listing, everything] = await Promise.all([
    missingPrivileges(api, on('Datastore.Audit', 'Datastore.AllocateSpace')),
    missingPrivileges(api, on('Datastore.Allocate')),
  ]);
  const volumes = owner === undefined || everything.length === 0 ? everything : await missingPrivileges(api, backupRights(owner, storage));
  const missing = [...listing, ...volumes];
  if (missing.length > 0) failMissing(`Seeing whether ${plainText(volid, 200)} exists`, missing);
}
