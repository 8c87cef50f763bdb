import { fail } from '../../../../core/errors/errors.ts';
import { labelOf } from '../../../../core/guest.ts';
import { plainText } from '../../../../core/text/text.ts';
import { requirePrivileges } from '../../../../proxmox/access/privileges.ts';
import { sightOf } from '../../../../proxmox/access/visibility.ts';
import { CLOUD_INIT, ownerOf } from '../../../../proxmox/guest/disks.ts';
import type { GuestRow } from '../../../../proxmox/guest/guests.ts';
import { listVolumes, storageOf, type Volume } from '../../../../proxmox/storage.ts';
import { requireSight } from '../../../storage/lib/one-storage.ts';
import { few, type Shelf, volumes } from '../choose/at-hand.ts';

/** The parameters of create_vm that name a medium, with the kind of content by which storages list it. */
const CONTENT = { iso: 'iso', image: 'import' } as const;
type Parameter = keyof typeof CONTENT;

/**
 * The volume of an ISO, or the one to import, of content `import` or `images`.
 * @throws ambiguous; storage_unavailable: Proxmox accepts a missing ISO and fails in the task
 */
export async function findMedium(shelf: Shelf, parameter: Parameter, name: string): Promise<Volume> {
  if (isFileName(name)) return findFile(shelf, parameter, name);
  refuseOther(name, parameter);
  const { api, node, storages } = shelf;
  const content = parameter === 'iso' || /:import\//.test(name) ? CONTENT[parameter] : 'images';
  const place = storages.find((s) => s.storage === storageOf(name));
  const listed = place?.usable && place.content.includes(content) ? await listVolumes(api, node, place.storage, { content }) : [];
  return listed.find((v) => v.volid === name) ?? refuse(shelf, parameter, name);
}

/** A volume id names its storage, and a bare file name does not. */
const isFileName = (name: string): boolean => !name.includes(':');

/** Whether both name one volume, as a volume id or as its file name. */
export const isSameMedium = (one: string, other: string): boolean =>
  one === other || one.endsWith(`/${other}`) || other.endsWith(`/${one}`);

/** The only file of this name on the storages of the node. A storage that cannot be listed is an error only if no other one has it. */
async function findFile(shelf: Shelf, parameter: Parameter, name: string): Promise<Volume> {
  const { api, node, storages } = shelf;
  const content = CONTENT[parameter];
  const places = storages.filter((s) => s.usable && s.content.includes(content));
  const lists = await Promise.allSettled(places.map((s) => listVolumes(api, node, s.storage, { content })));
  const found = lists
    .flatMap((list) => (list.status === 'fulfilled' ? list.value : []))
    .filter((v) => v.content === content && isSameMedium(v.volid, name));
  const [only] = found;
  const unlisted = lists.find((list) => list.status === 'rejected');
  if (only === undefined) throw unlisted?.reason ?? (await refuse(shelf, parameter, name));
  if (found.length === 1) return only;
  const candidates = found.map((v) => plainText(v.volid, 200));
  return fail('ambiguous', `${plainText(name, 120)} is on ${found.length} storages of ${node}.`, {
    hint: `Choose one of: ${few(candidates)}.`,
    details: { candidates },
  });
}

/**
 * The guest whose disk is imported: Proxmox copies it only on the node that this guest is on, and fails in the task elsewhere.
 * @returns warnings
 * @throws not_possible
 */
export function importWarnings({ volid }: Volume, node: string, guests: readonly GuestRow[]): string[] {
  const shown = plainText(volid, 200);
  if (CLOUD_INIT.test(volid))
    fail('not_possible', `image ${shown} is a generated cloud-init drive, which Proxmox does not import.`, { hint: 'Choose a disk.' });
  const owner = guests.find(({ vmid }) => vmid === ownerOf(volid));
  if (owner === undefined) return [];
  if (owner.node !== node) {
    fail('not_possible', `image ${shown} belongs to ${labelOf(owner)} on ${owner.node}, and a disk of a guest is imported there only.`, {
      hint: `Call again with "node": "${owner.node}", then migrate_vm.`,
    });
  }
  return owner.status === 'running' ? [`${labelOf(owner)} runs: the copy of its disk is in the state of one after a power failure`] : [];
}

/** Kinds of volumes, by the folder that file storages keep them in. */
const KINDS: Record<string, { is: string; parameter?: Parameter }> = {
  iso: { is: 'an ISO', parameter: 'iso' },
  import: { is: 'a disk image', parameter: 'image' },
  vztmpl: { is: 'a template of containers' },
  backup: { is: 'a backup' },
  snippets: { is: 'a snippet' },
};

/** @throws invalid_arguments for a volume of another kind, which would be reported as missing */
function refuseOther(volid: string, parameter: Parameter): void {
  const kind = KINDS[/:([a-z]+)\//.exec(volid)?.[1] ?? ''];
  if (kind === undefined || kind.parameter === parameter) return;
  const right = parameter === 'iso' ? 'an ISO such as local:iso/debian-12.iso' : 'a disk image such as local:import/debian-12.qcow2';
  fail('invalid_arguments', `${parameter} ${volid} is ${kind.is}.`, {
    hint: kind.parameter === undefined ? `Pass ${right}.` : `Pass it as ${kind.parameter}.`,
  });
}

async function refuse(shelf: Shelf, parameter: Parameter, volid: string): Promise<never> {
  const { node } = shelf;
  const what = parameter === 'iso' ? 'ISO' : 'image';
  await refuseUnseen(shelf, volid, `Seeing whether ${what} ${volid} exists`);
  const candidates = await volumes(shelf, CONTENT[parameter]);
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
async function refuseUnseen({ api, storages }: Shelf, volid: string, what: string): Promise<void> {
  const storage = storageOf(volid);
  const owner = /[:/](?:vm|base)-(\d+)-/.exec(volid)?.[1];
  if (storage === '') return;
  if (owner === undefined) {
    if (!storages.some((s) => s.storage === storage)) await requireSight(api, what, [storage]);
    return;
  }
  if ((await sightOf(api, Number(owner), [storage])).disks.length > 0) return;
  await requirePrivileges(api, what, [
    { path: `/storage/${storage}`, anyOf: ['Datastore.Audit'] },
    { path: `/vms/${owner}`, anyOf: ['VM.Config.Disk'] },
  ]);
}
