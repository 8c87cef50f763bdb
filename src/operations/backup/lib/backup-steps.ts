import { defined } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import type { Condition, Step } from '../../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { requirePrivileges } from '../../../proxmox/access/privileges.ts';
import { backupRights } from '../../../proxmox/access/visibility.ts';
import { path } from '../../../proxmox/guest/encode.ts';
import { listStorages } from '../../../proxmox/storage.ts';
import { oneStorage } from '../../storage/lib/one-storage.ts';
import { hibernated, label, type Target } from '../../vm/lib/target.ts';

/** How long (s) the task may take before a run calls its outcome unknown. */
const BACKUP_SECONDS = 24 * 3600;

interface BackupRequest {
  storage: string;
  /** `snapshot` goes on, `suspend` pauses, `stop` shuts down and starts again. Default: snapshot. */
  mode?: 'snapshot' | 'suspend' | 'stop';
  protect?: boolean;
  /** One line; Proxmox replaces {{guestname}} and the like in it. */
  notes?: string | undefined;
}

/** The name of the storage to which a backup goes: the one that the caller names, or the only one. */
export async function backupStorage(api: ProxmoxReader, node: string, named: string | undefined) {
  const { storage, choices } = await oneStorage(api, {
    ...{ node, storages: await listStorages(api, node), named, takes: 'backups' },
    fits: ({ content }) => content.includes('backup'),
    freeOf: ({ freeGib }) => Math.floor(freeGib),
    remedy: 'Ask the operator to add backups to the content of a storage.',
  });
  return { storage: storage.storage, choices };
}

/** A backup that prunes no older one, and the proof that its volume is there. */
export async function backupSteps(
  api: ProxmoxReader,
  target: Target,
  { storage, mode = 'snapshot', protect = false, notes }: BackupRequest,
): Promise<Step[]> {
  const { at } = target.guest;
  if (hibernated(target.guest)) {
    fail('not_possible', `${label(target.guest)} is hibernated, and Proxmox cannot back up a hibernated guest.`, {
      hint: `Wake it with start_vm {"vmid": ${at.vmid}} and stop it, or continue without a backup.`,
    });
  }
  // Proxmox would accept the request, and its task would fail after a human has approved it.
  await requirePrivileges(api, `A backup of ${label(target.guest)} to ${storage}`, backupRights(at.vmid, storage));
  const there: Condition = { kind: 'backup', vmid: at.vmid, node: at.node, storage };
  return [
    {
      kind: 'request',
      id: 'backup',
      method: 'POST',
      path: path`/nodes/${at.node}/vzdump`,
      // Without remove=0 Proxmox prunes older backups by the storage's rule.
      params: {
        ...{ vmid: at.vmid, storage, mode, compress: 'zstd', remove: false },
        ...(protect ? { protected: true } : {}),
        ...defined({ 'notes-template': notes }),
      },
      purpose: `back up ${label(target.guest)} to ${storage}`,
      task: { type: 'vzdump', id: String(at.vmid), node: at.node, timeoutSeconds: BACKUP_SECONDS },
      proof: there,
      // Proxmox's own lock: a second vzdump of a node waits for the first inside its task.
      atMost: { [`backups of ${at.node}`]: 1, [`disks to ${storage}`]: 2 },
    },
    { kind: 'wait', id: 'backed-up', until: there, timeoutSeconds: 60, purpose: `the backup is on ${storage}` },
  ];
}
