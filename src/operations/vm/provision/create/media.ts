import { fail } from '../../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../../core/proxmox.ts';
import { plainText } from '../../../../core/text/text.ts';
import { failMissing, missingPrivileges } from '../../../../proxmox/access/privileges.ts';
import { sightOf } from '../../../../proxmox/access/visibility.ts';
import { listVolumes, type StorageRow, storageOf, type Volume } from '../../../../proxmox/storage.ts';
import { few, volumes } from '../choose/at-hand.ts';

export interface Image {
  volid: string;
  storage: string;
  sizeGib: number;
}

/** The volume id of an ISO. @throws ambiguous; storage_unavailable: Proxmox accepts a missing ISO and fails in the task */
export async function findIso(
  api: ProxmoxReader,
  node: string,
  storages: readonly StorageRow[],
  iso: string | undefined,
): Promise<string | undefined> {
  if (iso === undefined) return undefined;
  if (isFileName(iso)) return (await findFile(api, node, storages, iso, 'iso')).volid;
  refuseOther(iso, 'iso');
  const found = await listOn(api, node, storages, iso, 'iso');
  return found.some((v) => v.volid === iso) ? iso : refuse(api, node, storages, iso, 'iso');
}

/** The volume to import, of content `import` or `images`. @throws ambiguous, storage_unavailable */
export async function findImage(
  api: ProxmoxReader,
  node: string,
  storages: readonly StorageRow[],
  image: string | undefined,
): Promise<Image | undefined> {
  if (image === undefined) return undefined;
  if (isFileName(image)) return imageOf(await findFile(api, node, storages, image, 'import'));
  refuseOther(image, 'image');
  const content = /:import\//.test(image) ? 'import' : 'images';
  const found = (await listOn(api, node, storages, image, content)).find((v) => v.volid === image);
  return found ? imageOf(found) : refuse(api, node, storages, image, 'import');
}

const imageOf = ({ volid, sizeGib }: Volume): Image => ({ volid, storage: storageOf(volid), sizeGib });

/** A volume id names its storage, and a bare file name does not. */
const isFileName = (name: string): boolean => !name.includes(':');

/** Whether both name one volume, as a volume id or as its file name. */
export const isSameMedium = (one: string, other: string): boolean =>
  one === other || one.endsWith(`/${other}`) || other.endsWith(`/${one}`);

/** The only file of this name on the storages of the node. A storage that cannot be listed is an error only if no other one has it. */
async function findFile(
  api: ProxmoxReader,
  node: string,
  storages: readonly StorageRow[],
  name: string,
  content: 'iso' | 'import',
): Promise<Volume> {
  const places = storages.filter((s) => s.usable && s.content.includes(content));
  const lists = await Promise.allSettled(places.map((s) => listVolumes(api, node, s.storage, { content })));
  const found = lists
    .flatMap((list) => (list.status === 'fulfilled' ? list.value : []))
    .filter((v) => v.content === content && isSameMedium(v.volid, name));
  const [only] = found;
  const unlisted = lists.find((list) => list.status === 'rejected');
  if (only === undefined) throw unlisted?.reason ?? (await refuse(api, node, storages, name, content));
  if (found.length === 1) return only;
  const candidates = found.map((v) => plainText(v.volid, 200));
  return fail('ambiguous', `${plainText(name, 120)} is on ${found.length} storages of ${node}.`, {
    hint: `Choose one of: ${few(candidates)}.`,
    details: { candidates },
  });
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
  const message = isFileName(volid)
    ? `No ${what} ${plainText(volid, 120)} is visible on ${node}.`
    : `${what} ${volid} does not exist on ${node}.`;
  return fail('storage_unavailable', message, {
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
