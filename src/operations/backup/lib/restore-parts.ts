import { defined, present } from '../../../core/defined.ts';
import type { Condition, Params, Plan, RequestStep } from '../../../core/plan/plan.ts';
import { summed } from '../../../core/sums.ts';
import { duration, isoOf } from '../../../core/text/duration.ts';
import { plainText } from '../../../core/text/text.ts';
import type { Backup } from '../../../proxmox/backups.ts';
import { listGuests } from '../../../proxmox/guest/guests.ts';
import { listStorages, placeOn, type StorageRow } from '../../../proxmox/storage.ts';
import type { OperationContext } from '../../define.ts';
import { createRequest, taskType } from '../../vm/lib/guest-request.ts';
import { chooseStorage, thinWarnings } from '../../vm/provision/choose/storage.ts';
import { spaceFor } from '../../vm/provision/clone/space.ts';
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

/** The kind of content that a storage must take for the disks of a guest. */
const CONTENT = { qemu: 'images', lxc: 'rootdir' } as const;

/** GiB by storage as they are in the backup. */
function needsOf({ disks }: Inside): Map<string, number> {
  return summed(disks.map(({ storage, sizeGib }) => [storage, sizeGib] as const));
}

/** Whether each disk can be where it was. A container goes to one storage as a whole. */
function canKeep(backup: Backup, needs: ReadonlyMap<string, number>, storages: readonly StorageRow[]): boolean {
  return takeAll(backup, [...needs.keys()], storages) && (backup.type === 'qemu' || needs.size === 1);
}

function takeAll({ type }: Backup, names: readonly string[], storages: readonly StorageRow[]): boolean {
  return names.every((name) => storages.some((s) => s.storage === name && s.usable && s.content.includes(CONTENT[type])));
}

/**
 * The node for a new guest: PROXMOX_NODE, that of the original, then each other one that reaches the backup. The first is taken that has the
 * storage that the caller names, else those of the backup.
 */
export async function nodeFor(
  ctx: OperationContext,
  { storage }: { storage?: string | undefined },
  backup: Backup,
  inside: Inside,
): Promise<{ node: string; choices: string[] }> {
  const { node: usual, nodeIsExplicit } = ctx.defaults;
  const original = (await listGuests(ctx.api)).find(({ vmid, type }) => vmid === backup.vmid && type === backup.type)?.node;
  const wanted = present(nodeIsExplicit && usual, original).filter((node) => backup.nodes.includes(node));
  const nodes = [...new Set([...wanted, ...backup.nodes])];
  const [first = backup.node, ...others] = nodes;
  if (others.length === 0) return { node: first, choices: [] };
  const needs = needsOf(inside);
  for (const node of nodes) {
    const storages = await listStorages(ctx.api, node);
    if (!(storage === undefined ? canKeep(backup, needs, storages) : takeAll(backup, [storage], storages))) continue;
    const why =
      nodeIsExplicit && node === usual
        ? 'PROXMOX_NODE'
        : node === original
          ? `that of guest ${backup.vmid}`
          : `has ${storage ?? 'the storages of the backup'}`;
    return { node, choices: [`node: ${node} (${why})`] };
  }
  return { node: first, choices: [`node: ${first}`] };
}

/**
 * Where the disks go: the storage that the caller names, else those of the backup. Proxmox would put a container on `local`, whatever the backup
 * says, so its storage is always sent.
 * @param freed GiB by storage that the guest under the restore gives back first
 */
export async function placeFor(
  ctx: OperationContext,
  { storage }: { storage?: string | undefined },
  backup: Backup,
  inside: Inside,
  freed: ReadonlyMap<string, number> = new Map(),
) {
  const { node, type } = backup;
  const storages = await listStorages(ctx.api, node);
  const needs = needsOf(inside);
  const more = (name: string, gib: number) => Math.max(0, gib - (freed.get(name) ?? 0));
  if (storage === undefined && canKeep(backup, needs, storages)) {
    const own = [...needs.keys()];
    const [only] = own;
    const space = spaceFor(ctx, node, storages, new Map([...needs].map(([name, gib]) => [name, more(name, gib)])));
    const params: Params = type === 'lxc' && only !== undefined ? { storage: only } : {};
    const warnings = await thinWarnings(ctx, node, storages, space);
    return { params, space, warnings, choices: own.length > 0 ? [`storage: ${own.join(', ')} (as in the backup)`] : [] };
  }
  const named = storage ?? ctx.defaults.storage;
  const needGib = more(named ?? '', inside.diskGib);
  const chosen = await chooseStorage(ctx, { node, storages, wanted: storage, needGib, content: CONTENT[type] });
  const space = { [placeOn(node, chosen.storage)]: needGib };
  return {
    params: { storage: chosen.storage.storage },
    space,
    warnings: await thinWarnings(ctx, node, [chosen.storage], space),
    choices: chosen.choices,
  };
}
