import type { ProxmoxReader } from '../../../../core/proxmox.ts';
import { plainText } from '../../../../core/text/text.ts';
import type { GuestRow } from '../../../../proxmox/guest/guests.ts';
import { listVolumes, type StorageRow } from '../../../../proxmox/storage.ts';

const EXAMPLES = 5;
const STORAGES = 4;

/** The storages of a node, as far as the token sees them. */
export interface Shelf {
  api: ProxmoxReader;
  node: string;
  storages: readonly StorageRow[];
}

/** The media from which a new VM could boot, as one line for a warning: a few images, ISOs and templates that the token can see. */
export async function bootSourcesAtHand(shelf: Shelf, guests: readonly GuestRow[]): Promise<string> {
  const [images, isos] = await Promise.all([volumes(shelf, 'import'), volumes(shelf, 'iso')]);
  const templates = guests.filter((g) => g.template && g.type === 'qemu').map((g) => `${plainText(g.name, 60)} (${g.vmid})`);
  const lists = [
    { what: 'image', found: images },
    { what: 'iso', found: isos },
    { what: 'clone_template', found: templates },
  ];
  const shown = lists.filter(({ found }) => found.length > 0).map(({ what, found }) => `${what}: ${few(found)}`);
  return shown.length === 0 ? 'no image, ISO or template is visible' : `at hand: ${shown.join('; ')}`;
}

/** Volume ids of one kind of content on the first few storages that have it. */
export async function volumes({ api, node, storages }: Shelf, content: string): Promise<string[]> {
  const places = storages.filter((s) => s.usable && s.content.includes(content)).slice(0, STORAGES);
  const lists = await Promise.all(places.map((s) => listVolumes(api, node, s.storage, { content }).catch(() => [])));
  return lists
    .flat()
    .filter((v) => v.content === content)
    .map((v) => v.volid);
}

export function few(items: readonly string[]): string {
  const more = items.length - EXAMPLES;
  return items.slice(0, EXAMPLES).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
