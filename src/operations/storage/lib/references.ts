import { asError, fail } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { numberOf } from '../../../core/text/sizes.ts';
import { counted, plainText } from '../../../core/text/text.ts';
import { allPrivileges, failMissing } from '../../../proxmox/access/privileges.ts';
import { unseenBy } from '../../../proxmox/access/unseen.ts';
import { ownerOf } from '../../../proxmox/guest/disks.ts';
import { path } from '../../../proxmox/guest/encode.ts';
import { type GuestAt, guestPath, isFree, listGuests, readGuest } from '../../../proxmox/guest/guests.ts';
import type { Options } from '../../../proxmox/guest/property-strings.ts';
import { readSnapshots } from '../../../proxmox/guest/snapshots.ts';
import { isDisk, storageOf } from '../../../proxmox/storage.ts';
import type { OperationContext } from '../../define.ts';
import { atOnce } from '../../lib/at-once.ts';
import type { FoundVolume } from './find-volume.ts';

/** Each guest costs two requests, and one for each snapshot. */
const MAX_GUESTS = 500;
const AT_ONCE = 4;
/** Guests that an error names. */
const NAMED = 20;

type Named = GuestAt & { name: string };

/**
 * Refuses a volume that a guest of the cluster refers to or owns, or may refer to. Proxmox itself deletes a disk, an ISO or an image under a
 * guest that uses it. Not for backups, to which no guest refers.
 * @returns warnings about what was not compared
 * @throws not_possible with the guests, permission_denied, forbidden_by_policy for a caller that is limited to some guests
 */
export async function refuseReferred(ctx: Pick<OperationContext, 'api' | 'fresh'>, volume: FoundVolume): Promise<string[]> {
  const { api } = ctx;
  const shown = plainText(volume.row.volid, 200);
  await refuseBlind(api, shown);
  const guests = await everyGuest(ctx);
  const names = await namesOf(api, volume);
  const users: string[] = [];
  const unread: number[] = [];
  await atOnce(guests, AT_ONCE, async (guest) => {
    try {
      const where = isOther(volume, guest) ? undefined : await placeIn(api, guest, names);
      if (where !== undefined)
        users.push(`${plainText(guest.name, 60)} (${guest.vmid})${guest.node === volume.node ? '' : ` on ${guest.node}`}: ${where}`);
    } catch (thrown) {
      if (asError(thrown).code !== 'guest_not_found' || !(await isFree(api, guest.vmid))) unread.push(guest.vmid);
    }
  });
  if (users.length > 0) {
    fail('not_possible', `${shown} is in use by ${users.sort().slice(0, NAMED).join(', ')}.`, {
      hint: 'Take it from the guest with update_vm, or delete the guest or the snapshot.',
      details: { used_by: users },
    });
  }
  refuseBase(volume, shown);
  await refuseOwned(api, volume, shown);
  if (unread.length > 0) {
    fail('not_possible', `It is unknown whether a guest refers to ${shown}. Not read: ${unread.slice(0, NAMED).join(', ')}.`, {
      hint: 'Wait until their nodes are online and their tasks have ended, then call again.',
      details: { unread },
    });
  }
  return names.path === undefined ? ['its path is unknown, so options in which root wrote a path were not compared'] : [];
}

/** The list omits guests on which the token lacks VM.Audit. One of these may refer to the volume. */
async function refuseBlind(api: ProxmoxReader, shown: string): Promise<void> {
  if (api.limited) {
    fail('forbidden_by_policy', `This access token is limited to some guests, and others may refer to ${shown}.`, {
      hint: 'Tell the user. A caller without that limit can delete it.',
    });
  }
  if (unseenBy(await allPrivileges(api), ['guests']).length === 0) return;
  failMissing(`Seeing whether a guest refers to ${shown}`, [{ path: '/vms', privileges: ['VM.Audit'] }]);
}

/** Includes guests that are being created, which the cluster's list may not show yet. */
async function everyGuest({ api, fresh }: Pick<OperationContext, 'api' | 'fresh'>): Promise<Named[]> {
  const listed = await listGuests(api);
  const guests = [...listed, ...fresh.filter(({ vmid }) => !listed.some((one) => one.vmid === vmid))];
  if (guests.length <= MAX_GUESTS) return guests;
  return fail('not_possible', `${guests.length} guests may refer to the volume. At most ${MAX_GUESTS} can be checked.`, {
    hint: 'Ask the operator to delete the volume in the web interface of Proxmox.',
  });
}

/** Whether a guest of another node refers to the volume of its own node: one of the same name whose size or time differs. */
function isOther({ row, elsewhere }: FoundVolume, { node }: Named): boolean {
  const own = elsewhere.get(node);
  return own !== undefined && (own.ctime !== row.ctime || own.size !== row.size);
}

/** How configurations may name the volume. */
interface Names {
  volid: string;
  /** The last part of a disk's name: some lists put its base before it. */
  disk?: string;
  /** Of the file or device, which root may have written into an option. */
  path?: string;
}

async function namesOf(api: ProxmoxReader, { node, row }: FoundVolume): Promise<Names> {
  const { volid } = row;
  const at = path`/nodes/${node}/storage/${storageOf(volid)}/content/${volid}`;
  const info = await api.get<{ path?: string }>(at).catch((): { path?: string } => ({}));
  return { volid, ...(isDisk(row) ? { disk: lastOf(volid) } : {}), ...(info.path ? { path: info.path } : {}) };
}

/** The option that names the volume in the present or pending configuration, or in a snapshot. */
async function placeIn(api: ProxmoxReader, at: GuestAt, names: Names): Promise<string | undefined> {
  const { live, config } = await readGuest(api, at);
  const here = optionWith(live, names) ?? optionWith(config, names);
  if (here !== undefined) return here;
  for (const { name } of (await readSnapshots(api, at)).all) {
    const then = optionWith(await api.get<Options>(`${guestPath(at)}${path`/snapshot/${name}/config`}`), names);
    if (then !== undefined) return `snapshot ${plainText(name, 40)}, ${then}`;
  }
  return undefined;
}

function optionWith(config: Options, names: Names): string | undefined {
  const storage = storageOf(names.volid);
  const isIt = (part: string) =>
    part === names.volid ||
    // A linked clone names its base before itself.
    part.startsWith(`${names.volid}/`) ||
    (names.disk !== undefined && part.startsWith(`${storage}:`) && lastOf(part) === names.disk);
  return Object.entries(config).find(([key, value]) => {
    if (key === 'description') return false;
    const text = String(value);
    return text.split(/[,=\s]+/).some(isIt) || (names.path !== undefined && text.includes(names.path));
  })?.[0];
}

/** @throws not_possible for the base of linked clones, also of clones without a guest */
function refuseBase({ row, rows }: FoundVolume, shown: string): void {
  const clones = rows.filter(
    (one) => one.volid.startsWith(`${row.volid}/`) || (one.parent && lastOf(one.parent).replace(/@.*$/, '') === lastOf(row.volid)),
  );
  if (clones.length === 0) return;
  const named = clones.slice(0, NAMED).map(({ volid }) => plainText(volid, 120));
  fail('not_possible', `${shown} is the base of ${counted(clones.length, 'linked clone')}: ${named.join(', ')}.`, {
    hint: 'Delete these first.',
  });
}

/** A disk that an existing guest owns and does not name may be a replica, or a move left it behind. @throws not_possible */
async function refuseOwned(api: ProxmoxReader, { row, node }: FoundVolume, shown: string): Promise<void> {
  if (!isDisk(row)) return;
  const owner = ownerOf(row.volid) ?? numberOf(row.vmid);
  if (owner === undefined || (await isFree(api, owner))) return;
  fail('not_possible', `${shown} on ${node} belongs to guest ${owner}, which exists and does not name it.`, {
    hint: `It may be a replica or a leftover. The operator runs \`qm disk rescan --vmid ${owner}\` on its node, after which the guest names it as unused.`,
  });
}

function lastOf(volid: string): string {
  return volid.split(/[/:]/).at(-1) ?? volid;
}
