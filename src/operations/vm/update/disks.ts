import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import type { Condition } from '../../../core/plan/plan.ts';
import { rounded } from '../../../core/text/sizes.ts';
import { plainText } from '../../../core/text/text.ts';
import { bootDisk, type Disk } from '../../../proxmox/guest/disks.ts';
import { isFileStorage, listStorages, placeOn } from '../../../proxmox/storage.ts';
import type { OperationContext } from '../../define.ts';
import { configRequest, guestRequest, resizeRequest } from '../lib/guest-request.ts';
import { refuseTwice } from '../lib/match.ts';
import { diskGb, storageName } from '../lib/schemas.ts';
import { type Bus, freeSlot } from '../lib/slots.ts';
import { label, refuseRunning, type Target } from '../lib/target.ts';
import { isBase, ownVolumes, refuseBase, sizeText } from '../lib/volumes.ts';
import { chooseStorage, refuseFull } from '../provision/choose/storage.ts';
import { attached, removed } from './detach.ts';
import { type Entry, heldBySnapshots, refuseHeld } from './entry.ts';
import { type Facet, facet, joined } from './facet.ts';

/** How long (s) the copy of a disk may take before a run calls its outcome unknown. */
const MOVE_SECONDS = 24 * 3600;

/** A disk named by its bus alone is a new one. */
const isBus = (text: string | undefined): text is Bus => /^(?:ide|sata|scsi|virtio)$/.test(text ?? '');

export const disk = z.strictObject({
  disk: z
    .string()
    .refine((text) => /^(?:(?:ide|sata|scsi|virtio|unused|mp)\d{1,3}|rootfs|efidisk0|tpmstate0)$/.test(text) || isBus(text), {
      message: 'must be a disk like scsi0',
    })
    .optional()
    .describe('scsi0. For a new one a bus or nothing'),
  size_gb: diskGb.optional().describe('Grow to; of a new disk its size'),
  storage: storageName.optional().describe('Move to; of a new disk its place'),
  action: z.enum(['detach', 'attach', 'delete']).optional(),
});
type Args = z.output<typeof disk>;

/**
 * Disks that are added, grown, moved, detached, attached or deleted.
 * @param isProtected as the guest is when the request for its options has been sent
 */
export async function disksFacet(ctx: OperationContext, target: Target, disks: readonly Args[], isProtected: boolean): Promise<Facet> {
  refuseTwice(
    'Disk',
    disks.flatMap((one) => (one.disk === undefined || isBus(one.disk) ? [] : one.disk)),
  );
  if (isProtected && disks.some(({ action }) => action === 'detach' || action === 'delete')) {
    fail('guest_protected', `${label(target.guest)} is protected, and Proxmox takes no disk from a protected guest.`, {
      hint: 'Ask the user. With "protection": false in the same call the guest loses its protection first.',
    });
  }
  const { guest, snapshots } = target;
  // A place with a pending removal is not free: what is put there would undo the removal.
  const taken = new Set(Object.keys({ ...guest.live, ...guest.config }));
  const freeing = disks.filter(({ storage, action }) => storage !== undefined || action === 'delete').map(({ disk }) => disk);
  const freed = guest.disks.filter(({ slot }) => freeing.includes(slot));
  // Proxmox keeps a base for its clones: a deletion fails, and a move leaves it behind.
  if (guest.template && freed.some(isBase)) refuseBase(guest, await ownVolumes(ctx.api, guest, snapshots.names));
  const held = await heldBySnapshots(ctx.api, guest.at, freed.length > 0 ? snapshots.names : []);
  const facets: Facet[] = [];
  for (const [index, one] of disks.entries()) {
    facets.push(await diskFacet({ ctx, target, taken, held, suffix: index === 0 ? '' : String(index + 1) }, one));
  }
  return joined(facets);
}

async function diskFacet(entry: Entry, args: Args): Promise<Facet> {
  const { guest } = entry.target;
  if (args.disk === undefined || isBus(args.disk)) return added(entry, { ...args, bus: args.disk ?? 'scsi' });
  const found = guest.disks.find((d) => d.slot === args.disk);
  if (!found) {
    const have = guest.disks.map((d) => d.slot).join(', ');
    return fail('not_possible', `${label(guest)} has no disk ${args.disk}.`, {
      hint: `Disks: ${have || 'none'}. Without disk, or with a bus like virtio, a new one is added.`,
    });
  }
  if (found.owner !== undefined && found.owner !== guest.at.vmid) {
    fail('not_possible', `${args.disk} of ${label(guest)} is a volume of guest ${found.owner}.`, { hint: `Change it with that guest.` });
  }
  refuseDrive(label(guest), found, args);
  if (args.action !== undefined && args.disk === 'rootfs')
    fail('not_possible', `rootfs of ${label(guest)} cannot be taken away.`, { hint: 'delete_vm deletes the container.' });
  if (args.action === 'attach') return attached(entry, found);
  if (args.action !== undefined) return removed(entry, found, args.action);
  const grown = args.size_gb === undefined ? facet() : await growth(entry, found, args.size_gb);
  const moved = args.storage === undefined ? facet() : await move(entry, found, args.storage);
  return joined([grown, moved]);
}

/** A drive without data of the guest, and a disk that is not a volume of it: Proxmox neither grows nor destroys those. @throws not_possible */
function refuseDrive(of: string, { media, slot, volid, owner }: Disk, { size_gb, storage, action }: Args): void {
  if (media === 'cdrom') {
    fail('not_possible', `${slot} of ${of} is a CD drive.`, { hint: 'Use iso to change its medium; "none" takes it out.' });
  }
  if (media === 'cloudinit' && (size_gb !== undefined || action === 'attach')) {
    fail('not_possible', `${slot} of ${of} is its cloud-init drive, which Proxmox makes itself.`, {
      hint: 'Use cloud_init for its values.',
    });
  }
  if (media === 'firmware' && size_gb !== undefined) {
    fail('not_possible', `${slot} of ${of} is a part of its firmware. A VM whose ${slot} has another size does not start.`, {
      hint: 'Leave size_gb out.',
    });
  }
  if (owner === undefined && (size_gb !== undefined || storage !== undefined || action === 'delete')) {
    fail('not_possible', `${slot} of ${of} is ${plainText(volid, 120)}, which is not a volume of the guest.`, {
      hint: 'It can be detached. The operator does the rest on the host.',
    });
  }
  if (media === 'unused' && size_gb !== undefined) {
    fail('not_possible', `${slot} of ${of} is detached, and only attached disks grow.`, { hint: 'Attach it first, then grow it.' });
  }
}

async function added(
  { ctx, target: { guest }, taken, suffix }: Entry,
  { size_gb: size, storage: wanted, action, bus }: Args & { bus: Bus },
): Promise<Facet> {
  const { at } = guest;
  if (at.type === 'lxc') {
    fail('not_possible', `${label(guest)} is a container. A mount point needs a path, which this tool does not take.`, {
      hint: 'Grow rootfs instead, or ask the operator.',
    });
  }
  const gib = size ?? fail('invalid_arguments', 'A new disk in disks needs size_gb.');
  if (action !== undefined) fail('invalid_arguments', `The action ${action} in disks needs disk.`);
  const storages = await listStorages(ctx.api, at.node);
  const boot = bootDisk(guest.config, guest.disks);
  const own = boot === undefined || boot.storage === '' ? {} : { own: { storage: boot.storage, of: 'its boot disk' } };
  const { storage, choices } = await chooseStorage(ctx, { node: at.node, storages, wanted, needGib: gib, ...own });
  const slot = freeSlot(bus, taken);
  taken.add(slot);
  const params = { [slot]: `${storage.storage}:${gib}${isFileStorage(storage.type) ? ',format=qcow2' : ''}` };
  const purpose = `add ${slot} of ${gib} GiB to ${label(guest)}`;
  const there: Condition = { kind: 'disk', ...at, disk: slot, atLeastGib: gib, storage: storage.storage };
  return facet({
    changes: [{ keys: [slot], text: `add ${slot} of ${gib} GiB on ${storage.storage}` }],
    steps: [(digest) => configRequest(at, { id: `add${suffix}`, params, digest, purpose, proof: there })],
    expected: [there],
    after: { [slot]: `${storage.storage}, ${gib} GiB` },
    warnings: choices,
    undo: [`delete ${slot}`],
    growGib: gib,
    space: { [placeOn(at.node, storage)]: gib },
  });
}

/** @throws not_possible: a disk never shrinks */
async function growth({ ctx, target: { guest }, suffix }: Entry, found: Disk, gib: number): Promise<Facet> {
  const { at } = guest;
  const { slot, sizeGib = 0 } = found;
  if (gib === sizeGib) return facet();
  if (gib < sizeGib) {
    fail('not_possible', `${slot} of ${label(guest)} has ${sizeGib} GiB. Disks only grow.`, { hint: `Ask for more than ${sizeGib}.` });
  }
  const storage = (await listStorages(ctx.api, at.node)).find((s) => s.storage === found.storage);
  if (storage) refuseFull(ctx, { node: at.node, storage, needGib: gib - sizeGib });
  const purpose = `grow ${slot} of ${label(guest)} to ${gib} GiB`;
  const large: Condition = { kind: 'disk', ...at, disk: slot, atLeastGib: gib };
  return facet({
    changes: [
      { keys: [slot], text: `grow ${slot} ${found.sizeGib === undefined ? 'an unknown size' : rounded(found.sizeGib, 3)} → ${gib} GiB` },
    ],
    steps: [(digest) => resizeRequest(at, { id: `grow${suffix}`, disk: slot, gib, digest, purpose, proof: large })],
    expected: [large],
    before: { [`${slot}_gb`]: found.sizeGib ?? null },
    after: { [`${slot}_gb`]: gib },
    warnings: [`the partition and file system inside stay as they are: grow them in the guest (growpart, then resize2fs or xfs_growfs)`],
    undo: [`impossible for ${slot}: disks do not shrink`],
    growGib: gib - sizeGib,
    ...(storage ? { space: { [placeOn(at.node, storage)]: gib - sizeGib } } : {}),
  });
}

/** POST …/move_disk or …/move_volume; the source goes when the copy is complete. */
async function move(entry: Entry, disk: Disk, to: string): Promise<Facet> {
  const { ctx, target, suffix } = entry;
  const { slot, storage: from, sizeGib = 0 } = disk;
  const { guest, running } = target;
  const { at } = guest;
  if (from === to) return facet();
  refuseHeld(entry, label(guest), disk, 'Proxmox moves it once these snapshots are deleted.');
  if (slot === 'tpmstate0') refuseRunning(guest, running, 'The state of a TPM is moved while its VM is stopped.');
  if (at.type === 'lxc') refuseRunning(guest, running, 'A volume of a container is moved while it is stopped.');
  const storages = await listStorages(ctx.api, at.node);
  const content = at.type === 'lxc' ? 'rootdir' : 'images';
  const { storage } = await chooseStorage(ctx, { node: at.node, storages, wanted: to, needGib: sizeGib, content });
  const there: Condition = { kind: 'disk', ...at, disk: slot, atLeastGib: 0, storage: to };
  // Proxmox would keep the format of the source: a raw file, which cannot be snapshotted.
  const format = at.type === 'qemu' && isFileStorage(storage.type) ? { format: 'qcow2' } : {};
  const names =
    at.type === 'qemu' ? { path: '/move_disk', key: 'disk', task: 'qmmove' } : { path: '/move_volume', key: 'volume', task: 'move_volume' };
  return facet({
    changes: [{ keys: [slot], text: `move ${slot} ${from} → ${to}` }],
    steps: [
      (digest) =>
        guestRequest(at, {
          ...{ id: `move${suffix}`, path: names.path, task: names.task, seconds: MOVE_SECONDS, proof: there },
          params: { [names.key]: slot, storage: to, ...format, delete: true, ...defined({ digest }) },
          purpose: `move ${slot} of ${label(guest)} to ${to}`,
        }),
    ],
    expected: [there],
    before: { [slot]: from },
    after: { [slot]: to },
    warnings: [
      `${sizeText(sizeGib)} are copied${'format' in format ? ' into a qcow2 file' : ''}; the source goes when the copy is complete`,
    ],
    undo: [`move ${slot} back to ${from}`],
    space: { [placeOn(at.node, storage)]: sizeGib },
  });
}
