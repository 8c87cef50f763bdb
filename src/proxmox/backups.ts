import type { ProxmoxReader } from '../core/proxmox.ts';
import type { GuestAt } from './guests.ts';
import { listStorages, listVolumes } from './storage.ts';

/** ISO time of the guest's newest backup on a storage of its node; undefined when none can be seen. */
export async function newestBackup(api: ProxmoxReader, at: GuestAt): Promise<string | undefined> {
  const storages = (await listStorages(api, at.node)).filter((s) => s.usable && s.content.includes('backup'));
  const filter = { content: 'backup', vmid: at.vmid };
  const lists = await Promise.all(storages.map((s) => listVolumes(api, at.node, s.storage, filter).catch(() => [])));
  const times = lists.flat().flatMap((v) => (v.vmid === at.vmid && v.createdAt !== undefined ? [v.createdAt] : []));
  return times.length === 0 ? undefined : new Date(Math.max(...times) * 1000).toISOString();
}
