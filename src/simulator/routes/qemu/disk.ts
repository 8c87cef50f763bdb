import { demand, demandInTask, type Who } from '../../access/permissions.ts';
import { type Context, edit, flag, guestOf, missingConfig, needed, type Routes, refuseLocked, task, text, vmidOf } from '../../context.ts';
import { invalid, refuse } from '../../errors.ts';
import { digestOf, driveKeys, freeKey, isCdrom, parseSize, printSize, volumeOf } from '../../guest/config.ts';
import { copyVolume } from '../../guest/drives.ts';
import { inSnapshot } from '../../guest/hotplug.ts';
import { allocate, findStorage, findVolume, freeByName, freeVolume, isFileBased, saveVolume, storageOf } from '../../guest/volumes.ts';
import type { Guest } from '../../model.ts';
import type { Kinds, Run } from '../../tasks.ts';
import { guestOfTask } from '../guest/power.ts';
import { workshop } from './create.ts';

const MOVE = 2_000;
const TEMPLATE = 300;
const target = (run: Run): Guest => guestOfTask(run, (vmid) => missingConfig(run.task.node, 'qemu', vmid));

/** Grows a disk. The request is accepted whatever it says; the task looks. */
function finishResize(run: Run): void {
  const { disk, size, digest, who } = run.task.args as { disk: string; size: string; digest?: string; who: Who };
  const guest = edit(target(run));
  if (digest !== undefined && digest !== digestOf(guest)) refuse('checksum mismatch (file change by other user?)');
  refuseLocked(guest);
  const value = guest.config[disk] ?? refuse(`disk '${disk}' does not exist`);
  if (isCdrom(value)) refuse("you can't resize a cdrom");
  const volume = findVolume(run.world, guest.node, volumeOf(value)) ?? refuse(`volume '${volumeOf(value)}' does not exist`);
  const storage = findStorage(run.world, volume.storage);
  demandInTask(run.world, who, `/storage/${storage.storage}`, ['Datastore.AllocateSpace']);
  const wanted = size.startsWith('+') ? volume.size + parseSize(size.slice(1)) : parseSize(size);
  if (wanted < volume.size) refuse('shrinking disks is not supported');
  if (wanted === volume.size) return;
  if (isFileBased(storage) && !guest.running) run.log('Image resized.');
  saveVolume(run.world, { ...volume, size: wanted });
  guest.config[disk] = value.includes('size=')
    ? value.replace(/size=[^,]+/, `size=${printSize(wanted)}`)
    : `${value},size=${printSize(wanted)}`;
  run.world.saveGuest(guest, run.at);
}

function resize(context: Context): string {
  if (text(context, 'skiplock') !== undefined) invalid({ skiplock: 'Only root may use this option.' });
  const vmid = vmidOf(context);
  const args = { disk: needed(context, 'disk'), size: needed(context, 'size'), digest: text(context, 'digest'), who: context.who };
  return task(context, { type: 'resize', id: String(vmid), kind: 'resize', args, locks: [vmid] });
}

function checkDigest(context: Context, guest: Guest): void {
  const digest = text(context, 'digest');
  if (digest !== undefined && digest !== digestOf(guest))
    refuse('detected modified configuration - file changed by other user? Try again.');
}

/** Gives a disk to another guest of the node, which takes it under a name of its own. */
function reassign(context: Context, guest: Guest, disk: string): string {
  const { world, who } = context;
  const vmid = Number(needed(context, 'target-vmid'));
  demand(world, who, `/vms/${vmid}`, ['VM.Config.Disk']);
  const key = text(context, 'target-disk') ?? disk;
  const value = guest.config[disk];
  if (value !== undefined) demand(world, who, `/storage/${storageOf(volumeOf(value))}`, ['Datastore.AllocateSpace']);
  const other = world.guest(vmid) ?? refuse(`could not find target VM ${vmid}`);
  checkDigest(context, guest);
  if (value === undefined) refuse(`Disk '${disk}' for VM '${guest.vmid}' does not exist`);
  if (other.config[key] !== undefined) refuse(`Target disk key '${key}' is already in use for VM '${vmid}'`);
  const id = `${guest.vmid}-${disk}>${vmid}-${key}`;
  return task(context, {
    type: 'qmmove',
    id,
    kind: 'reassign-disk',
    args: { disk, vmid: guest.vmid, to: vmid, key },
    locks: [guest.vmid, vmid],
  });
}

function finishReassign(run: Run): void {
  const { disk, vmid, to, key } = run.task.args as { disk: string; vmid: number; to: number; key: string };
  const [from, other] = [run.world.guest(vmid), run.world.guest(to)].map((guest) => guest && edit(guest));
  const value = from?.config[disk];
  const volume = value === undefined || !from ? undefined : findVolume(run.world, from.node, volumeOf(value));
  if (!from || !other || !value || !volume) refuse(`disk '${disk}' does not exist`);
  run.log(`reassign disk '${disk}' from VM '${vmid}' as '${key}' to VM '${to}'`);
  const storage = findStorage(run.world, volume.storage);
  const { volid } = allocate(run.world, {
    node: from.node,
    storage,
    vmid: to,
    size: volume.size,
    format: volume.format,
    at: run.at,
    log: () => {},
  });
  saveVolume(run.world, { ...volume, volid, vmid: to });
  freeVolume(run.world, volume);
  run.log(`removing disk '${disk}' from VM '${vmid}' config`);
  delete from.config[disk];
  run.world.saveGuest(from, run.at);
  run.log(`update VM ${to}: -${key} ${value.replace(volume.volid, volid)}`);
  other.config[key] = value.replace(volume.volid, volid);
  run.world.saveGuest(other, run.at);
}

function moveDisk(context: Context): string {
  const { world, who } = context;
  const guest = guestOf(context);
  const disk = needed(context, 'disk');
  if (text(context, 'target-vmid') !== undefined) return reassign(context, guest, disk);
  const name = text(context, 'storage') ?? invalid({ storage: 'property is missing and it is not optional' });
  demand(world, who, `/storage/${name}`, ['Datastore.AllocateSpace']);
  checkDigest(context, guest);
  refuseLocked(guest);
  const value = guest.config[disk] ?? refuse(`disk '${disk}' does not exist`);
  const storage = findStorage(world, name);
  if (isCdrom(value)) refuse("you can't move a cdrom");
  const volume = findVolume(world, guest.node, volumeOf(value)) ?? refuse(`volume '${volumeOf(value)}' does not exist`);
  const format = text(context, 'format') ?? volume.format;
  if (volume.storage === name && volume.format === format) refuse("you can't move to the same storage with same format");
  if (inSnapshot(guest, volume.volid) && flag(context, 'delete')) refuse("you can't move a disk with snapshots and delete the source");
  if (!storage.content.includes('images')) refuse(`storage '${name}' does not support content-type 'images'`);
  const args = { disk, storage: name, format, delete: flag(context, 'delete'), made: [] };
  return task(context, { type: 'qmmove', id: String(guest.vmid), kind: 'move-disk', args, locks: [guest.vmid] });
}

function finishMove(run: Run): void {
  const {
    disk,
    storage: name,
    format,
    delete: remove,
  } = run.task.args as { disk: string; storage: string; format: string; delete: boolean };
  const guest = edit(target(run));
  const value = guest.config[disk] ?? refuse(`disk '${disk}' does not exist`);
  const source = findVolume(run.world, guest.node, volumeOf(value)) ?? refuse(`volume '${volumeOf(value)}' does not exist`);
  if (disk === 'tpmstate0' && guest.running) refuse('storage migration failed: cannot move TPM state while VM is running');
  run.log(`copying volume '${source.volid}' from current storage '${source.storage}' to target storage '${name}'`);
  run.log(`create full clone of drive ${disk} (${source.volid})`);
  const copy = copyVolume(workshop(run, guest.vmid), source, {
    storage: findStorage(run.world, name),
    format,
    mirror: guest.running ? disk : undefined,
  });
  if (guest.running)
    for (const line of ['Completing block job...', 'Completed successfully.', 'mirror-job finished']) run.log(`mirror-${disk}: ${line}`);
  if (remove) {
    run.log(`removing source volume '${source.volid}' after successful copy`);
    freeVolume(run.world, source);
  } else guest.config[freeKey(guest.config, 'unused')] = source.volid;
  guest.config[disk] = value.replace(source.volid, copy.volid);
  run.world.saveGuest(guest, run.at);
}

function template(context: Context): string {
  const guest = guestOf(context);
  if (Object.keys(guest.snapshots).length > 0) refuse('unable to create template, because VM contains snapshots');
  refuseLocked(guest);
  if (guest.config.template === '1') refuse("you can't convert a template to a template");
  if (guest.running) refuse("you can't convert a VM to template if VM is running");
  return task(context, { type: 'qmtemplate', id: String(guest.vmid), kind: 'template', locks: [guest.vmid] });
}

function finishTemplate(run: Run): void {
  const guest = edit(target(run));
  for (const key of driveKeys(guest.config)) {
    const value = guest.config[key] as string;
    const volume = isCdrom(value) ? undefined : findVolume(run.world, guest.node, volumeOf(value));
    if (!volume) continue;
    const volid = volume.volid.replace(/(^|[:/])vm-(\d+-[^/]*)$/, '$1base-$2');
    freeVolume(run.world, volume);
    saveVolume(run.world, { ...volume, volid });
    guest.config[key] = value.replace(volume.volid, volid);
  }
  guest.config.template = '1';
  run.world.saveGuest(guest, run.at);
}

export const DISK_KINDS: Kinds = {
  resize: { finish: finishResize },
  'move-disk': {
    begin: () => MOVE,
    finish: finishMove,
    undo: (run) => {
      for (const volid of run.task.args.made as string[]) freeByName(run.world, run.task.node, volid);
    },
  },
  'reassign-disk': { finish: finishReassign },
  template: { begin: () => TEMPLATE, finish: finishTemplate },
};

export const DISK_ROUTES: Routes = {
  'PUT /nodes/{node}/qemu/{vmid}/resize': resize,
  'POST /nodes/{node}/qemu/{vmid}/move_disk': moveDisk,
  'POST /nodes/{node}/qemu/{vmid}/template': template,
};
