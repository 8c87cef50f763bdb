import { present } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import type { Condition } from '../../../core/plan/plan.ts';
import { plainText } from '../../../core/text/text.ts';
import { bootDisk, type Disk } from '../../../proxmox/guest/disks.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import { formatProperties, parseProperties } from '../../../proxmox/guest/property-strings.ts';
import { listVolumes } from '../../../proxmox/storage.ts';
import { configRequest } from '../lib/guest-request.ts';
import { freeSlot, slotsOf } from '../lib/slots.ts';
import { label } from '../lib/target.ts';
import { withSize } from '../lib/volumes.ts';
import { type Entry, refuseHeld } from './entry.ts';
import { type Facet, facet } from './facet.ts';

/** A detached disk on the first free place of scsi. It counts as a disk of the guest again, and its configuration does not tell its size. */
export async function attached({ ctx, target: { guest }, taken, suffix }: Entry, found: Disk): Promise<Facet> {
  const { at } = guest;
  const { slot, media, storage, volid } = found;
  const of = label(guest);
  const text = withSize(found);
  if (media !== 'unused') fail('not_possible', `${slot} of ${of} is attached already.`, { hint: 'Only unused disks can be attached.' });
  if (at.type === 'lxc') fail('not_possible', `${of} is a container. A mount point needs a path.`, { hint: 'Ask the operator.' });
  const free = freeSlot('scsi', taken);
  taken.add(free);
  const listed = await listVolumes(ctx.api, at.node, storage, { vmid: at.vmid }).catch(() => []);
  const gib = listed.find((one) => one.volid === volid)?.sizeGib;
  const purpose = `attach ${text} to ${of}`;
  const there: Condition = { kind: 'disk', ...at, disk: free, atLeastGib: 0, storage };
  return facet({
    changes: [{ keys: [free], text: `attach ${text} as ${free}` }],
    steps: [(digest) => configRequest(at, { id: `attach${suffix}`, params: { [free]: volid }, digest, purpose, proof: there })],
    ...{ expected: [there], before: { [slot]: text }, after: { [free]: text }, undo: [`detach ${free}`] },
    growGib: gib ?? 0,
    warnings: present(gib === undefined && `the size of ${plainText(volid, 120)} is unknown, so it was not compared with the limits`),
  });
}

function boots({ boot = '' }: Guest['config'], slot: string): boolean {
  return boot.split(/[=;]/).includes(slot);
}

/** How a detached disk comes back, and what of it does not: its place, its options, and its part in the boot order, which Proxmox ends. */
function attachAgain({ at, config }: Guest, { slot, media }: Disk): string {
  const was = plainText(config[slot] ?? '', 200);
  if (at.type === 'lxc') return `the operator mounts the unused volume again: ${slot} was ${was}`;
  if (media === 'firmware') return `the operator attaches the unused disk as ${slot} again: it was ${was}`;
  const { volume: _volume, file: _file, size: _size, ...options } = parseProperties(was, 'volume');
  const lost = formatProperties(options);
  const place = slotsOf('scsi').find((one) => one === slot || config[one] === undefined);
  return present(
    `attach the unused disk again${place === undefined ? '' : `, as ${place}`}`,
    lost !== '' && `without ${lost}`,
    boots(config, slot) && 'then put it into boot again',
  ).join(', ');
}

/** A disk that is detached or deleted. */
export function removed(entry: Entry, found: Disk, action: 'detach' | 'delete'): Facet {
  const { target, suffix } = entry;
  const { guest, running } = target;
  const { at } = guest;
  const { slot } = found;
  const of = label(guest);
  const text = withSize(found);
  const isUnused = found.media === 'unused';
  if (running && bootDisk(guest.config, guest.disks)?.slot === slot) {
    fail('guest_running', `${of} runs from ${slot}. Stop it first.`, { hint: `Call stop_vm {"vmid": ${at.vmid}}, then call again.` });
  }
  // Proxmox keeps no cloud-init drive: it is made again from the values in the configuration.
  const isMade = found.media === 'cloudinit';
  const destroys = action === 'delete' || isMade;
  if (at.type === 'lxc' && destroys && !isUnused) {
    fail('not_possible', `${slot} of ${of} is a mount point of a container, which is detached before it is deleted.`, {
      hint: 'Detach it, then delete the unused volume.',
    });
  }
  if (destroys) refuseHeld(entry, of, found, `${isUnused ? 'D' : 'Detach it, or d'}elete these snapshots first.`);
  if (isUnused && !destroys) fail('not_possible', `${slot} of ${of} is detached already.`, { hint: 'Use attach or delete.' });
  const isOwn = found.owner !== undefined;
  const undoOf = (): string => {
    if (isMade) return 'the operator adds a cloud-init drive';
    if (destroys) return `impossible: ${text} is destroyed`;
    return isOwn ? attachAgain(guest, found) : `the operator adds ${text} again`;
  };
  const params = { delete: slot, ...(destroys && !isUnused ? { force: true } : {}) };
  const purpose = `${action} ${slot} (${text}) of ${of}`;
  const gone: Condition = { kind: 'config', ...at, has: { [slot]: null } };
  return facet({
    changes: [{ keys: [slot], text: `${action} ${slot} (${text})` }],
    steps: [(digest) => configRequest(at, { id: `${action}${suffix}`, params, digest, purpose, proof: gone })],
    expected: [gone],
    before: { [slot]: text },
    after: { [slot]: destroys ? 'destroyed' : 'detached' },
    warnings: present(
      boots(guest.config, slot) && `${slot} leaves the boot order too`,
      !destroys && (isOwn ? 'the detached disk keeps its data and still takes space' : `${plainText(found.volid, 120)} stays as it is`),
      isMade && 'without its cloud-init drive the guest gets no more values of cloud-init',
    ),
    raises: [{ effect: 'destroy', because: destroys ? `${text} is destroyed` : `${slot} is taken from the guest` }],
    undo: [undoOf()],
  });
}
