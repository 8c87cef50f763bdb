import { type Context, flag, missingConfig, needed, nodeOf, task, text, vmidOf } from '../context.ts';
import { checkVolumeAccess, storeNet } from '../drives.ts';
import { refuse } from '../errors.ts';
import { option, parseSize, printSize, volumeOf } from '../guest-config.ts';
import type { Config } from '../model.ts';
import { demand } from '../permissions.ts';
import type { Kinds, Run } from '../tasks.ts';
import { allocate, findStorage, findVolume, freeByName, pathOf, storageOf } from '../volumes.ts';
import { newUuid } from '../world.ts';
import { guestOfTask } from './power.ts';
import { emptyGuest, joinPool, undoCreate } from './qemu-create.ts';

const RESTORE = 3_000;

/** POST /nodes/{node}/qemu with `archive`: a guest from a backup. */
export function restore(context: Context): string {
  const { world, who } = context;
  const vmid = vmidOf(context);
  const archive = needed(context, 'archive');
  checkVolumeAccess(context, vmid, archive);
  const storage = text(context, 'storage');
  if (storage !== undefined) {
    findStorage(world, storage);
    demand(world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
  }
  const there = world.guest(vmid);
  if (there && !flag(context, 'force')) refuse(`unable to restore VM ${vmid} - VM ${vmid} already exists on node '${there.node}'`);
  if (!there) world.saveGuest(emptyGuest(vmid, 'qemu', nodeOf(context), { lock: 'create' }), context.at);
  const args = { archive, storage, unique: flag(context, 'unique'), pool: text(context, 'pool'), replaced: there !== undefined, made: [] };
  return task(context, { type: 'qmrestore', id: String(vmid), kind: 'restore', args, locks: [vmid] });
}

function begin(run: Run): number {
  const vmid = Number(run.task.id);
  const fail = (reason: string): never => refuse(`unable to restore VM ${vmid} - ${reason}`);
  const guest = run.world.guest(vmid);
  if (guest?.running) {
    run.log(`error before or during data restore, some or all disks were not completely restored. VM ${vmid} state is NOT cleaned up.`);
    fail('vm is running');
  }
  const archive = String(run.task.args.archive);
  const volume = findVolume(run.world, run.task.node, archive) ?? fail(`volume '${archive}' does not exist`);
  const path = pathOf(findStorage(run.world, volume.storage), archive);
  run.log(
    `restore vma archive: zstd -q -d -c ${path} | vma extract -v -r /var/tmp/vzdumptmp${run.task.pid}.fifo - /var/tmp/vzdumptmp${run.task.pid}`,
  );
  return RESTORE;
}

function finish(run: Run): void {
  const vmid = Number(run.task.id);
  const { archive, storage, unique, pool } = run.task.args as { archive: string; storage?: string; unique: boolean; pool?: string };
  const backup = findVolume(run.world, run.task.node, archive)?.config ?? {};
  const made = run.task.args.made as string[];
  const config: Config = {};
  for (const [key, value] of Object.entries(backup)) {
    const size = option(value, 'size');
    const isDisk = /^(ide|sata|scsi|virtio)\d+$/.test(key) && size !== undefined && option(value, 'media') !== 'cdrom';
    if (isDisk) {
      const origin = volumeOf(value);
      const target = findStorage(run.world, storage ?? storageOf(origin));
      const format = /\.(\w+)$/.exec(origin)?.[1];
      const volume = allocate(run.world, {
        node: run.task.node,
        storage: target,
        vmid,
        size: parseSize(size),
        format,
        at: run.at,
        log: run.log,
      });
      made.push(volume.volid);
      run.log(`new volume ID is '${volume.volid}'`);
      config[key] = value.replace(origin, volume.volid).replace(/size=[^,]+/, `size=${printSize(volume.size)}`);
    } else if (/^net\d+$/.test(key)) config[key] = unique ? storeNet(key, value, true) : value;
    else config[key] = value;
  }
  config.vmgenid = newUuid();
  if (unique) config.smbios1 = `uuid=${newUuid()}`;
  const guest = guestOfTask(run, (id) => missingConfig(run.task.node, 'qemu', id));
  if (run.task.args.replaced) for (const value of Object.values(guest.config)) freeByName(run.world, guest.node, volumeOf(value));
  run.world.saveGuest({ ...emptyGuest(vmid, 'qemu', run.task.node, config), inside: { acpi: true, agent: true } }, run.at);
  joinPool(run.world, pool, vmid);
}

export const RESTORE_KINDS: Kinds = {
  restore: {
    begin,
    finish,
    undo: (run) => {
      if (!run.task.args.replaced) undoCreate(run);
    },
  },
};
