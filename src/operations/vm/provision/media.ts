import { fail } from '../../../core/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { failMissing, missingPrivileges } from '../../../proxmox/access/privileges.ts';
import { sightOf } from '../../../proxmox/access/visibility.ts';
import { listVolumes, type StorageRow, storageOf } from '../../../proxmox/storage.ts';
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
  refuseOther(iso, 'iso');
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
  refuseOther(image, 'image');
  const content = /:import\//.test(image) ? 'import' : 'images';
  const found = (await listOn(api, node, storages, image, content)).find((v) => v.volid === image);
  return found ? { volid: image, storage: storageOf(image), sizeGib: found.sizeGib } : refuse(api, node, storages, image, 'import');
}

/** Kinds of volumes, by the folder that file storages keep them in. */
const KINDS: Record<string, { is: string; parameter?: 'iso' | 'image' }> = {
  iso: { is: 'an ISO', parameter: 'iso' },
  import: { is: 'a disk image', parameter: 'image' },
  vztmpl: { is: 'a template of containers' },
  backup: { is: 'a backup' },
  snippets: { is: 'a snippet' },
};

/** @throws invalid_arguments for a volume of another kind, which would be said to be missing */
function refuseOther(volid: string, parameter: 'iso' | 'image'): void {
  const kind = KINDS[/:([a-z]+)\//.exec(volid)?.[1] ?? ''];
  if (kind === undefined || kind.parameter === parameter) return;
  const right = parameter === 'iso' ? 'an ISO such as local:iso/debian-12.iso' : 'a disk image such as local:import/debian-12.qcow2';
  fail('invalid_arguments', `${parameter} ${volid} is ${kind.is}.`, {
    hint: kind.parameter === undefined ? `Pass ${right}.` : `Pass it as ${kind.parameter}.`,
  });
}

async function listOn(api: ProxmoxReader, node: string, storages: readonly StorageRow[], volid: string, content: string) {
  const place = storages.find((s) => s.storage === storageOf(volid));
  return place?.usable && place.content.includes(content) ? listVolumes(api, node, place.storage, { content }) : [];
}

async function refuse(api: ProxmoxReader, node: string, storages: readonly StorageRow[], volid: string, content: string): Promise<never> {
  const what = content === 'iso' ? 'ISO' : 'image';
  await refuseUnseen(api, storages, volid, what);
  const candidates = await volumes({ api }, node, storages, content);
  return fail('storage_unavailable', `${what} ${volid} does not exist on ${node}.`, {
    hint:
      candidates.length > 0
        ? `Choose one of: ${few(candidates)}.`
        : `No ${what} is visible on ${node}. Get one with download_media, or ask the operator to upload one.`,
    details: { candidates },
  });
}

/** A storage, and a disk of another guest, can be there without being shown. */
async function refuseUnseen(api: ProxmoxReader, storages: readonly StorageRow[], volid: string, what: string): Promise<void> {
  const storage = storageOf(volid);
  const owner = /[:/](?:vm|base)-(\d+)-/.exec(volid)?.[1];
  const listed = storages.some((s) => s.storage === storage);
  if (storage === '' || (listed && owner === undefined)) return;
  if (owner !== undefined && (await sightOf(api, Number(owner), [storage])).disks.length > 0) return;
  const missing = await missingPrivileges(api, [
    { path: `/storage/${storage}`, anyOf: owner === undefined ? ['Datastore.Audit', 'Datastore.AllocateSpace'] : ['Datastore.Audit'] },
    ...(owner === undefined ? [] : [{ path: `/vms/${owner}`, anyOf: ['VM.Config.Disk'] }]),
  ]);
  if (missing.length > 0) failMissing(`Seeing whether ${what} ${volid} exists`, missing);
}
