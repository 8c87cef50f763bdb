import { fail } from '../../../../core/errors/errors.ts';
import { isThin, listVolumes, placeOn, type StorageRow } from '../../../../proxmox/storage.ts';
import type { OperationContext } from '../../../define.ts';
import { oneStorage } from '../../../storage/lib/one-storage.ts';

interface StorageRequest {
  node: string;
  storages: readonly StorageRow[];
  wanted?: string | undefined;
  /** The template's or image's own storage, and what it is for the text. */
  own?: { storage: string; of: string };
  /** GiB that the disks will take. */
  needGib: number;
  /** Kind of volume: disks of VMs, or of containers. Default: images. */
  content?: 'images' | 'rootdir';
}

/**
 * The storage for disks: the caller's, PROXMOX_STORAGE, that of the template or image, or the only one that takes them.
 * @throws ambiguous, storage_unavailable (also for too little space), permission_denied where it may be hidden
 */
export async function chooseStorage(ctx: Pick<OperationContext, 'api' | 'defaults' | 'reservedGib'>, request: StorageRequest) {
  const { node, storages, wanted, own, needGib, content = 'images' } = request;
  const { defaults } = ctx;
  const { storage, candidates, choices } = await oneStorage(ctx.api, {
    ...{ node, storages, own, named: wanted ?? defaults.storage },
    takes: content === 'images' ? 'disk images' : 'disks of containers',
    fits: (one) => one.content.includes(content),
    freeOf: (one) => gib(freeOf(ctx, node, one)),
    remedy: 'Ask the operator to grant Datastore.AllocateSpace and Datastore.Audit on one.',
  });
  refuseFull(ctx, { node, storage, needGib, candidates });
  const byOperator = wanted === undefined && defaults.storage !== undefined;
  return { storage, choices: byOperator ? [`storage: ${storage.storage} (PROXMOX_STORAGE)`] : choices };
}

export function takesImages(storage: StorageRow): boolean {
  return storage.usable && storage.content.includes('images');
}

/** @param candidates other storages, for the error @throws storage_unavailable */
export function refuseFull(
  ctx: Pick<OperationContext, 'reservedGib'>,
  { node, storage, needGib, candidates = [] }: { node: string; storage: StorageRow; needGib: number; candidates?: string[] },
): void {
  const free = freeOf(ctx, node, storage);
  if (needGib <= free) return;
  const reserved = ctx.reservedGib(placeOn(node, storage));
  const held = reserved > 0 ? ` (${gib(reserved)} GiB more are reserved by work in flight)` : '';
  const where = `Storage ${storage.storage} on ${node}`;
  fail('storage_unavailable', `${where} has ${gib(free)} GiB free${held}, but ${gib(needGib)} GiB are needed.`, {
    hint: 'Choose another storage or a smaller size, or ask the operator for space.',
    details: { candidates },
  });
}

function freeOf(ctx: Pick<OperationContext, 'reservedGib'>, node: string, storage: StorageRow): number {
  return Math.max(0, storage.freeGib - ctx.reservedGib(placeOn(node, storage)));
}

/**
 * A thin pool gives out more than it has; when it fills up, every guest on it stops.
 * @param space GiB by place, as the plan takes them
 */
export async function thinWarnings(
  { api }: Pick<OperationContext, 'api'>,
  node: string,
  storages: readonly StorageRow[],
  space: Readonly<Record<string, number>>,
): Promise<string[]> {
  const thin = storages.filter((one) => isThin(one.type) && one.totalGib > 0 && (space[placeOn(node, one)] ?? 0) > 0);
  // Not by content: Proxmox counts the disks of containers as another kind.
  const lists = await Promise.all(thin.map(({ storage }) => listVolumes(api, node, storage).catch(() => undefined)));
  return thin.flatMap((one, index) => {
    const volumes = lists[index];
    if (!volumes) return `storage ${one.storage} is thin, and how far its disks may grow cannot be read`;
    const given = volumes.reduce((sum, { sizeGib }) => sum + sizeGib, space[placeOn(node, one)] ?? 0);
    if (given <= one.totalGib) return [];
    return `storage ${one.storage} is thin: visible disks and this one may grow to ${gib(given)} GiB, it has ${gib(one.totalGib)} GiB`;
  });
}

function gib(value: number): number {
  return Math.floor(value * 10) / 10;
}
