import { defined } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import { labelOf } from '../../../core/guest.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { sightOf } from '../../../proxmox/access/visibility.ts';
import { type Backups, backupsFrom } from '../../../proxmox/backups.ts';
import { type Disk, disksOf } from '../../../proxmox/guest/disks.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import { isDisk, listStorages, listVolumes, takesDisks, type Volume } from '../../../proxmox/storage.ts';

/** A volume, with its size in GiB where the configuration or the storage states it. */
interface Sized {
  volid: string;
  sizeGib?: number;
}

interface OwnVolumes {
  /**
   * The volumes that Proxmox frees with the guest: those of its configuration that it owns, also pending ones, and the memory of its
   * hibernation and snapshots.
   */
  freed: Sized[];
  /** Volumes that its configuration names and Proxmox leaves alone: ISOs, paths on the host, volumes of other guests. */
  untouched: Sized[];
  /** Bear the guest's VMID, but are not freed with it by default. */
  extra: Sized[];
  /** A storage does not show all volumes of the guest to this token, so there may be more than `extra` names. */
  partly: boolean;
  backups: Backups;
  /** VMIDs of linked clones that depend on the guest's disks, as far as they are visible. */
  clones: number[];
}

/**
 * Looks through the storages of the guest's node for what belongs to it.
 * @param snapshots their names; the saved memory of each is a volume that is named after it
 */
export async function ownVolumes(api: ProxmoxReader, guest: Guest, snapshots: readonly string[]): Promise<OwnVolumes> {
  const { at } = guest;
  const all = await listStorages(api, at.node);
  const storages = all.filter((s) => s.usable);
  // Only a template needs to know about the disks of others.
  const filter = guest.template ? {} : { vmid: at.vmid };
  const listed = await Promise.all(storages.map((s) => listVolumes(api, at.node, s.storage, filter).catch(() => undefined)));
  const readable = storages.filter((_, index) => listed[index] !== undefined).map((s) => s.storage);
  const volumes = listed.flatMap((list) => list ?? []);
  const mine = volumes.filter((v) => v.vmid === at.vmid);
  const sizes = new Map(mine.map((v) => [nameOf(v.volid), v.sizeGib]));
  const sized = ({ volid, sizeGib = sizes.get(nameOf(volid)) }: Sized): Sized => ({ volid, ...defined({ sizeGib }) });
  const named = namedBy(guest);
  // A plugin may have names of its own; then the storage's list states the owner.
  const owned = (d: Disk) => d.media !== 'cdrom' && (d.owner === at.vmid || (d.owner === undefined && sizes.has(nameOf(d.volid))));
  const saved = mine.filter((v) => isDisk(v) && snapshots.includes(SAVED_MEMORY.exec(v.volid)?.[1] ?? ''));
  const freed: Sized[] = [...named.filter(owned), ...saved];
  const known = new Set(freed.map((d) => nameOf(d.volid)));
  const times = mine.filter((v) => v.content === 'backup').map((v) => v.createdAt ?? 0);
  const places = all.filter((s) => s.content.includes('backup')).map((s) => s.storage);
  const [backups, { disks: showing }] = await Promise.all([
    backupsFrom(api, { vmid: at.vmid, places, readable: readable.filter((s) => places.includes(s)), times }),
    sightOf(api, at.vmid, readable),
  ]);
  const base = new RegExp(`(^|[/:])base(?:vol)?-${at.vmid}-disk-`);
  const extra = mine.filter((v) => isDisk(v) && !known.has(nameOf(v.volid)));
  const others = new Set(extra.map((v) => nameOf(v.volid)));
  const isClone = ({ vmid, volid, parent = '' }: Volume) => vmid !== at.vmid && (base.test(parent) || base.test(volid));
  const clones = guest.template ? volumes.filter(isClone).flatMap(({ vmid }) => vmid ?? []) : [];
  return {
    freed: freed.map(sized),
    untouched: named.filter((d) => !owned(d) && !others.has(nameOf(d.volid))).map(sized),
    extra: extra.map(sized),
    partly: storages.some((s) => takesDisks(s) && !showing.includes(s.storage)),
    backups,
    clones: [...new Set(clones)],
  };
}

/** Whether it is a disk of a template, of which clones can be made that depend on it. */
export function isBase({ volid }: Sized): boolean {
  return /[:/]base(?:vol)?-[^/]*$/.test(volid);
}

/** @throws guest_state for a template on whose disks visible linked clones depend */
export function refuseBase({ identity }: Guest, { clones }: Pick<OwnVolumes, 'clones'>): void {
  if (clones.length === 0) return;
  fail('guest_state', `${labelOf(identity)} is the base of linked clones: ${clones.join(', ')}.`, {
    hint: 'Delete them first, or convert them to full clones.',
    details: { clones },
  });
}

const SAVED_MEMORY = /-state-(.+?)(?:\.(?:raw|qcow2))?$/;

/** Every volume that the configuration names, as it is now and as it will be, each once. */
function namedBy({ live, config }: Guest): Disk[] {
  // Where a hibernated guest keeps its memory. It is not a drive, but is deleted with the guest like one.
  const saved = disksOf(live.vmstate === undefined ? {} : { unused0: live.vmstate });
  const all = [...disksOf(live), ...disksOf(config), ...saved];
  return [...new Map(all.map((d) => [d.volid, d])).values()];
}

/** `local-lvm:vm-105-disk-0 (8 GiB)`; `… (4 MiB)` for what is smaller than one. */
export function withSize({ volid, sizeGib }: Sized): string {
  return sizeGib === undefined ? volid : `${volid} (${sizeText(sizeGib)})`;
}

/** `5 GiB`, `4 MiB`, `528 KiB` */
export function sizeText(gib: number): string {
  if (gib * 1024 < 1) return `${Math.round(gib * 1024 * 1024)} KiB`;
  return gib < 1 ? `${Math.round(gib * 1024)} MiB` : `${Math.round(gib * 100) / 100} GiB`;
}

/** Storage and file: a linked clone's volume id also names its base, in some lists only. */
function nameOf(volid: string): string {
  return `${volid.slice(0, volid.indexOf(':'))}:${volid.split(/[/:]/).at(-1)}`;
}

/**
 * Volumes of a deleted guest that are still there, and the storages on which this token could not see them: rights that came from the pool
 * ended with the guest.
 * @param storages names of those that held its volumes
 */
export async function orphansOf(
  api: ProxmoxReader,
  at: { vmid: number; node: string },
  storages: readonly string[],
): Promise<{ orphans: string[]; unchecked: string[] }> {
  const { disks: showing } = await sightOf(api, at.vmid, storages);
  const orphans: string[] = [];
  const unchecked: string[] = [];
  for (const storage of storages) {
    const volumes = showing.includes(storage)
      ? await listVolumes(api, at.node, storage, { vmid: at.vmid }).catch(() => undefined)
      : undefined;
    if (volumes) orphans.push(...volumes.filter((v) => v.vmid === at.vmid && isDisk(v)).map((v) => v.volid));
    else unchecked.push(storage);
  }
  return { orphans, unchecked };
}
