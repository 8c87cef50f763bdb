import { summed } from '../../../../core/sums.ts';
import { bootDisk } from '../../../../proxmox/guest/disks.ts';
import type { Guest } from '../../../../proxmox/guest/guests.ts';
import { placeOn, type StorageRow } from '../../../../proxmox/storage.ts';
import type { OperationContext } from '../../../define.ts';
import { chooseStorage, refuseFull, takesImages } from '../choose/storage.ts';

interface Copy {
  /** Where the copy is in the end, and the storages that this node has. */
  node: string;
  storages: readonly StorageRow[];
  source: Guest;
  wanted: string | undefined;
  growGib: number;
}

/**
 * The place of a copy: a named storage, or for each disk that of the source.
 * @throws ambiguous, storage_unavailable for each storage that has too little space
 */
export async function placeOfCopy(
  ctx: OperationContext,
  { node, storages, source, wanted, growGib }: Copy,
): Promise<{ named?: StorageRow; space: Record<string, number>; choices: string[] }> {
  const copied = source.disks.some((d) => d.media !== 'cdrom' && d.media !== 'unused');
  if (wanted === undefined && !copied) return { space: {}, choices: [] };
  const needs = sizesByStorage(source, growGib, 'all');
  const own = [...needs.keys()].filter((name) => name !== '');
  const ownFits = own.length > 0 && own.every((name) => storages.some((s) => s.storage === name && takesImages(s)));
  if (wanted === undefined && ctx.defaults.storage === undefined && ownFits)
    return { space: spaceFor(ctx, node, storages, needs), choices: [`storage: ${own.join(', ')} (that of the source)`] };
  const needGib = [...needs.values()].reduce((sum, gib) => sum + gib, 0);
  const { storage, choices } = await chooseStorage(ctx, { node, storages, wanted, needGib });
  return { named: storage, space: { [placeOn(node, storage)]: needGib }, choices };
}

/**
 * GiB by storage: of all disks and what the boot disk grows by, or of that growth alone.
 * @param growGib what the boot disk grows by
 */
export function sizesByStorage({ config, disks }: Guest, growGib: number, what: 'all' | 'growth'): Map<string, number> {
  const copied = what === 'all' ? disks.filter((d) => d.storage !== '' && ['disk', 'firmware'].includes(d.media)) : [];
  const boot = growGib > 0 ? bootDisk(config, disks) : undefined;
  return summed([
    ...copied.map(({ storage, sizeGib = 0 }) => [storage, sizeGib] as const),
    ...(boot ? [[boot.storage, growGib] as const] : []),
  ]);
}

/** The space taken on each storage. One that the token cannot see cannot be checked. @throws storage_unavailable */
export function spaceFor(
  ctx: OperationContext,
  node: string,
  storages: readonly StorageRow[],
  needs: ReadonlyMap<string, number>,
): Record<string, number> {
  const space: Record<string, number> = {};
  for (const storage of storages) {
    const gib = needs.get(storage.storage) ?? 0;
    if (gib <= 0) continue;
    refuseFull(ctx, { node, storage, needGib: gib });
    space[placeOn(node, storage)] = gib;
  }
  return space;
}
