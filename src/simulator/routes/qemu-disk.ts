import { type Context, edit, flag, guestOf, missingConfig, needed, type Routes, refuseLocked, task, text, vmidOf } from '../context.ts';
import { copyVolume } from '../drives.ts';
import { invalid, refuse } from '../errors.ts';
import { digestOf, driveKeys, freeKey, isCdrom, parseSize, printSize, volumeOf } from '../guest-config.ts';
import type { Guest } from '../model.ts';
import { demand, may, type Who } from '../permissions.ts';
import type { Kinds, Run } from '../tasks.ts';
import { findStorage, findVolume, freeByName, freeVolume, isFileBased, saveVolume } from '../volumes.ts';
import { checkLock, guestOfTask } from './power.ts';
import { workshop } from './qemu-create.ts';

const MOVE = 2_000;
const TEMPLATE = 300;
const target = (run: Run): Guest => guestOfTask(run, (vmid) => missingConfig(run.task.node, 'qemu', vmid));

/** Grows a disk. The request is accepted whatever it says; the task looks. */
function finishResize(run: Run): void {
  const { disk, size, digest, who } = run.task.args as { disk: string; size: string; digest?: string; who: Who };
  const guest = edit(target(run));
  if (digest !== undefined && digest !== digestOf(guest)) refuse('checksum mismatch (file change by other user?)');
  checkLock(guest);
  const value = guest.config[disk] ?? refuse(`disk '${disk}' does not exist`);
  if (isCdrom(value)) refuse("you can't resize a cdrom");
  const volume = findVolume(run.world, guest.node, volumeOf(value)) ?? refuse(`volume '${volumeOf(value)}' does not exist`);
  const storage = findStorage(run.world, volume.storage);
  if (!may(run.world, who, `/storage/${storage.storage}`, ['Datastore.AllocateSpace'])) {
    refuse(`403 Permission check failed (/storage/${storage.storage}, Datastore.AllocateSpace)`);
  }
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

function moveDisk(context: Context): string {
  const { world, who } = context;
  const guest = guestOf(context);
  const disk = needed(context, 'disk');
  const name = text(context, 'storage') ?? invalid({ storage: 'property is missing and it is not optional' });
  demand(world, who, `/storage/${name}`, ['Datastore.AllocateSpace']);
  refuseLocked(guest);
  const value = guest.config[disk] ?? refuse(`disk '${disk}' does not exist`);
  const storage = findStorage(world, name);
  if (isCdrom(value)) refuse("you can't move a cdrom");
  const volume = findVolume(world, guest.node, volumeOf(value)) ?? refuse(`volume '${volumeOf(value)}' does not exist`);
  const format = text(context, 'format') ?? volume.format;
  if (volume.storage === name && volume.format === format) refuse("you can't move to the same storage with same format");
  if (Object.keys(guest.snapshots).length > 0 && flag(context, 'delete'))
    refuse("you can't move a disk with snapshots and delete the source");
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
  template: { begin: () => TEMPLATE, finish: finishTemplate },
};

export const DISK_ROUTES: Routes = {
  'PUT /nodes/{node}/qemu/{vmid}/resize': resize,
  'POST /nodes/{node}/qemu/{vmid}/move_disk': moveDisk,
  'POST /nodes/{node}/qemu/{vmid}/template': template,
};
