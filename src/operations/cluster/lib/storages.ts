import { defined, present } from '../../../core/defined.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { isoOf } from '../../../core/text/duration.ts';
import { rounded } from '../../../core/text/sizes.ts';
import {
  isDisk,
  isFileStorage,
  isThin,
  listStorages,
  listVolumes,
  type StorageRow,
  takesDisks,
  type Volume,
} from '../../../proxmox/storage.ts';

/** A storage of one node, or one that nodes share, with the volumes that the token sees. */
export interface Place extends StorageRow {
  /** The node that was asked; for a shared storage the first that can use it. */
  node: string;
  /** Absent where the list was not asked for, or was refused. */
  volumes?: Volume[];
}

/** Every storage of these nodes once: one request a node, and one for each list of volumes. */
export async function placesOf(api: ProxmoxReader, nodes: readonly string[], ask: { volumes?: boolean } = {}): Promise<Place[]> {
  const lists = await Promise.all(
    nodes.map(async (node) => (await listStorages(api, node).catch(() => [])).map((row): Place => ({ node, ...row }))),
  );
  const once = new Map<string, Place>();
  for (const place of lists.flat()) {
    const key = place.shared ? place.storage : `${place.node}/${place.storage}`;
    if (!once.get(key)?.usable) once.set(key, place);
  }
  return Promise.all(
    [...once.values()].map(async (place) => {
      const volumes = ask.volumes && place.usable ? await listVolumes(api, place.node, place.storage).catch(() => undefined) : undefined;
      return { ...place, ...defined({ volumes }) };
    }),
  );
}

/** A storage for an answer. `allocated_gb` is the sum of its disks' sizes as far as they are visible. Thin disks may exceed the storage. */
export function storageView(place: Place) {
  const allocated = takesDisks(place) ? allocatedGib(place) : undefined;
  return {
    storage: place.storage,
    ...(place.shared ? { shared: true } : { node: place.node }),
    type: place.type,
    content: place.content.join(','),
    ...(place.usable
      ? {
          free_gb: Math.round(place.freeGib),
          total_gb: Math.round(place.totalGib),
          ...defined({ allocated_gb: allocated && Math.round(allocated) }),
        }
      : { state: 'not usable' }),
  };
}

const FULL_PERCENT = 90;

/** Warnings about storages that promised more than they have, and about those that are nearly full. */
export function spaceWarnings(places: readonly Place[]): string[] {
  return places.flatMap((place) => {
    if (!place.usable || place.totalGib === 0) return [];
    const name = place.shared ? place.storage : `${place.storage} on ${place.node}`;
    const used = Math.round((100 * (place.totalGib - place.freeGib)) / place.totalGib);
    const allocated = allocatedGib(place) ?? 0;
    const promises = isThin(place.type) || isFileStorage(place.type) ? allocated : 0;
    return present(
      promises > place.totalGib &&
        `${name} has promised ${Math.round(promises)} GiB to disks and has ${Math.round(place.totalGib)} GiB; ${used} % is written.`,
      used >= FULL_PERCENT && `${name} is ${used} % full.`,
    );
  });
}

function allocatedGib({ volumes }: Place): number | undefined {
  const disks = volumes?.filter(isDisk);
  return disks?.reduce((sum, { sizeGib }) => sum + sizeGib, 0);
}

const KINDS: Record<string, string> = { import: 'image', iso: 'iso', vztmpl: 'container template' };

/** Images, ISOs and container templates, by the volume ids that tools take. */
export function mediaOf(places: readonly Place[], fits: (text: string) => boolean) {
  return places.flatMap((place) =>
    (place.volumes ?? []).flatMap(({ volid, content, sizeGib }) => {
      const kind = KINDS[content];
      if (kind === undefined || !fits(volid)) return [];
      return [{ kind, volume: volid, size_gb: gib(sizeGib), ...(place.shared ? {} : { node: place.node }) }];
    }),
  );
}

/** The number, size and age of the backups on each storage that takes them. */
export function backupsOf(places: readonly Place[]) {
  return places
    .filter(({ content }) => content.includes('backup'))
    .map((place) => {
      const found = (place.volumes ?? []).filter(({ content }) => content === 'backup');
      const times = found.flatMap(({ createdAt }) => (createdAt === undefined ? [] : [createdAt]));
      const day = (seconds: number) => isoOf(seconds).slice(0, 10);
      return {
        storage: place.storage,
        ...(place.shared ? {} : { node: place.node }),
        ...(place.volumes === undefined ? { state: 'not readable' } : {}),
        backups: found.length,
        guests: new Set(found.map(({ vmid }) => vmid)).size,
        size_gb: gib(found.reduce((sum, { sizeGib }) => sum + sizeGib, 0)),
        ...(times.length === 0 ? {} : { newest: day(Math.max(...times)), oldest: day(Math.min(...times)) }),
      };
    });
}

function gib(value: number): number {
  return value < 10 ? rounded(value, 2) : Math.round(value);
}
