import { defined } from '../../../core/defined.ts';
import type { Condition, Params, Plan, RequestStep } from '../../../core/plan/plan.ts';
import { duration, isoOf } from '../../../core/text/duration.ts';
import { plainText } from '../../../core/text/text.ts';
import type { Backup } from '../../../proxmox/backups.ts';
import { listStorages, placeOn } from '../../../proxmox/storage.ts';
import type { OperationContext } from '../../define.ts';
import { createRequest, taskType } from '../../vm/lib/guest-request.ts';
import { chooseStorage, refuseUnseenStorage } from '../../vm/provision/choose/storage.ts';
import type { Inside } from './inside.ts';

/** How long (s) the task may take before a run calls its outcome unknown. */
const RESTORE_SECONDS = 24 * 3600;

/** The request that restores a VM or a container. @param more parameters besides the archive and the VMID */
export function restoreStep(backup: Backup, vmid: number, more: Params, proof?: Condition): RequestStep {
  const { node, type, volid } = backup;
  const what: Params = type === 'qemu' ? { archive: volid } : { ostemplate: volid, restore: true };
  const at = { vmid, type, node };
  return createRequest(at, {
    id: 'restore',
    params: { ...what, ...more },
    purpose: `restore ${plainText(volid, 200)} to VMID ${vmid}`,
    ...{ task: taskType(at, 'restore'), seconds: RESTORE_SECONDS, ...defined({ proof }) },
  });
}

/** Binds an approval to this backup: another one may get its name, but not its size and time. */
export function boundTo({ volid, sizeGib, time }: Backup): NonNullable<Plan['binds']> {
  return { [`backup ${plainText(volid, 200)}`]: { size_gb: sizeGib, time } };
}

export function backupText({ vmid, time }: Backup): string {
  return `the backup of guest ${vmid} of ${isoOf(time)} (${duration(Date.now() / 1000 - time)} ago)`;
}

/**
 * Where the disks go: the storage that the caller names, else those of the backup. Proxmox would put a container on `local`, whatever the backup
 * says, so its storage is always sent.
 */
export async function placeFor(
  ctx: OperationContext,
  { storage }: { storage?: string | undefined },
  { node, type }: Backup,
  { disks, sizes }: Inside,
) {
  const storages = await listStorages(ctx.api, node);
  const own = [...new Set(disks.map((d) => d.storage))];
  const [only] = own;
  const usable = storages.filter((s) => s.usable).map((s) => s.storage);
  const keeps = storage === undefined && own.every((name) => usable.includes(name)) && (type === 'qemu' || own.length === 1);
  if (keeps) {
    const space = Object.fromEntries(
      own.map((name) => {
        const row = storages.find((s) => s.storage === name);
        const gib = disks.filter((d) => d.storage === name).reduce((sum, d) => sum + d.sizeGib, 0);
        return [row ? placeOn(node, row) : name, gib];
      }),
    );
    const params: Params = type === 'lxc' && only !== undefined ? { storage: only } : {};
    return { params, space, choices: own.length > 0 ? [`storage: ${own.join(', ')} (as in the backup)`] : [] };
  }
  await refuseUnseenStorage(ctx.api, storages, storage ?? ctx.defaults.storage);
  const chosen = chooseStorage(ctx, { node, storages, wanted: storage, needGib: sizes.diskGib });
  return {
    params: { storage: chosen.storage.storage },
    space: { [placeOn(node, chosen.storage)]: sizes.diskGib },
    choices: chosen.choices,
  };
}
