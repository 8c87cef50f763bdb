import { fail } from '../../core/errors.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { listVolumes, type StorageRow, storageOf } from '../../proxmox/storage.ts';
import { few, volumes } from './at-hand.ts';

export interface Image {
  volid: string;
  storage: string;
  sizeGib: number;
}

/** @throws storage_unavailable: Proxmox accepts a missing ISO and fails in the task */
export async function refuseMissingIso(
  api: ProxmoxReader,
  node: string,
  storages: readonly StorageRow[],
  iso: string | undefined,
): Promise<void> {
  if (iso === undefined) return;
  const found = await listOn(api, node, storages, iso, 'iso');
  if (!found.some((v) => v.volid === iso)) await refuse(api, node, storages, iso, 'iso');
}

/** The volume to import, of content `import` or `images`. @throws storage_unavailable */
export async function findImage(
  api: ProxmoxReader,
  node: string,
  storages: readonly StorageRow[],
  image: string | undefined,
): Promise<Image | undefined> {
  if (image === undefined) return undefined;
  const content = /:import\//.test(image) ? 'import' : 'images';
  const found = (await listOn(api, node, storages, image, content)).find((v) => v.volid === image);
  return found ? { volid: image, storage: storageOf(image), sizeGib: found.sizeGib } : refuse(api, node, storages, image, 'import');
}

async function listOn(api: ProxmoxReader, node: string, storages: readonly StorageRow[], volid: string, content: string) {
  const place = storages.find((s) => s.storage === storageOf(volid));
  return place?.usable && place.content.includes(content) ? listVolumes(api, node, place.storage, { content }) : [];
}

async function refuse(api: ProxmoxReader, node: string, storages: readonly StorageRow[], volid: string, content: string): Promise<never> {
  const candidates = await volumes({ api }, node, storages, content);
  const what = content === 'iso' ? 'ISO' : 'image';
  return fail('storage_unavailable', `${what} ${volid} does not exist on ${node} or is not visible to the token.`, {
    hint:
      candidates.length > 0
        ? `Choose one of: ${few(candidates)}.`
        : `No ${what} is visible on ${node}; the operator uploads one or grants Datastore.Audit on its storage.`,
    details: { candidates },
  });
}
