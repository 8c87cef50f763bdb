import { demand, demandInTask, requireVm, type Who } from '../../access/permissions.ts';
import { bridgePaths, type Context, flag, missingConfig, needed, nodeOf, task, text, vmidOf } from '../../context.ts';
import { refuse } from '../../errors.ts';
import { driveKeys, freeKey, isCloudInit, option, parseSize, printSize, volumeOf } from '../../guest/config.ts';
import { checkVolumeAccess, storeNet } from '../../guest/drives.ts';
import { allocate, findStorage, findVolume, freeByName, isFileBased, ownerOf, pathOf, storageOf } from '../../guest/volumes.ts';
import type { Config, Guest } from '../../model.ts';
import { type Kinds, type Run, startTask } from '../../tasks.ts';
import { newUuid } from '../../world.ts';
import { emptyGuest, joinPool, optionsOf, requireAllocate, undoCreate } from '../guest/new-guest.ts';
import { guestOfTask } from '../guest/power.ts';

const RESTORE = 700;
const NOT_OPTIONS = ['node', 'vmid', 'archive', 'storage', 'force', 'unique', 'pool', 'start', 'live-restore', 'bwlimit'];

/** POST /nodes/{node}/qemu with `archive`: a guest from a backup. */
export function restore(context: Context): string {
  const { world, who } = context;
  const vmid = vmidOf(context);
  const archive = needed(context, 'archive');
  const storage = text(context, 'storage');
  if (storage !== undefined) demand(world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
  if (flag(context, 'start')) requireVm(world, who, { vmid, pool: text(context, 'pool') }, ['VM.PowerMgmt']);
  requireAllocate(context, vmid, text(context, 'pool'));
  // A guest's own archive asks for no more than the right to make the guest.
  if (ownerOf(archive) !== vmid) checkVolumeAccess(context, vmid, archive);
  findVolume(world, nodeOf(context), archive) ?? refuse(`volume '${archive}' does not exist`);
  const there = world.guest(vmid);
  if (there && !flag(context, 'force')) refuse(`unable to restore VM ${vmid} - VM ${vmid} already exists on node '${there.node}'`);
  if (!there) world.saveGuest(emptyGuest(vmid, 'qemu', nodeOf(context), { lock: 'create' }), context.at);
  const args = {
    archive,
    storage,
    unique: flag(context, 'unique'),
    pool: text(context, 'pool'),
    replaced: there !== undefined,
    live: flag(context, 'live-restore'),
    start: flag(context, 'start'),
    who,
    options: optionsOf(context, NOT_OPTIONS),
    made: [],
  };
  return task(context, { type: 'qmrestore', id: String(vmid), kind: 'restore', args, locks: [vmid] });
}

function begin(run: Run): number {
  const vmid = Number(run.task.id);
  const fail = (reason: string): never => refuse(`unable to restore VM ${vmid} - ${reason}`);
  const guest = run.world.guest(vmid);
  if (guest?.config.protection === '1') fail('protection mode enabled');
  if (guest?.running) {
    run.log(`error before or during data restore, some or all disks were not completely restored. VM ${vmid} state is NOT cleaned up.`);
    fail('vm is running');
  }
  const archive = String(run.task.args.archive);
  const volume = findVolume(run.world, run.task.node, archive) ?? fail(`volume '${archive}' does not exist`);
  const storage = findStorage(run.world, volume.storage);
  const path = pathOf(storage, archive);
  const onServer = storage.type === 'pbs';
  if (onServer) run.log(`restore proxmox backup image: ${path}`);
  else
    run.log(
      `restore vma archive: zstd -q -d -c ${path} | vma extract -v -r /var/tmp/vzdumptmp${run.task.pid}.fifo - /var/tmp/vzdumptmp${run.task.pid}`,
    );
  if (run.task.args.live && !onServer) refuse('live-restore is only compatible with backup images from a Proxmox Backup Server');
  checkBridges(run, { ...volume.config, ...(run.task.args.options as Config) });
  return RESTORE;
}

/** Asked when the archive has been read: what was made so far stays, an empty guest that its owner has to delete. */
function checkBridges(run: Run, config: Config): void {
  const values = Object.entries(config).flatMap(([key, value]) => (/^net\d+$/.test(key) ? [value] : []));
  try {
    for (const path of bridgePaths(run.world, values)) demandInTask(run.world, run.task.args.who as Who, path, ['SDN.Use']);
  } catch (error) {
    const guest = guestOfTask(run, (id) => missingConfig(run.task.node, 'qemu', id));
    if (!run.task.args.replaced) run.world.saveGuest({ ...guest, config: {} }, run.at);
    run.task.args.stays = true;
    run.log(
      `error before or during data restore, some or all disks were not completely restored. VM ${guest.vmid} state is NOT cleaned up.`,
    );
    throw error;
  }
}

/** A drive that the backup has too is freed. Other disks of the guest stay, as unused ones. */
function clearOld(run: Run, { vmid, node, config }: Guest, backup: Config): Config {
  const kept: Config = {};
  for (const key of [...driveKeys(config), ...Object.keys(config).filter((one) => one.startsWith('unused'))]) {
    const volid = volumeOf(config[key] ?? '');
    if (ownerOf(volid) !== vmid) continue;
    if (backup[key] !== undefined && !key.startsWith('unused')) freeByName(run.world, node, volid);
    else kept[freeKey(kept, 'unused')] = volid;
  }
  return kept;
}

function finish(run: Run): void {
  const vmid = Number(run.task.id);
  const { archive, storage, unique, pool } = run.task.args as { archive: string; storage?: string; unique: boolean; pool?: string };
  const backup = findVolume(run.world, run.task.node, archive)?.config ?? {};
  const made = run.task.args.made as string[];
  const before = guestOfTask(run, (id) => missingConfig(run.task.node, 'qemu', id));
  const config: Config = run.task.args.replaced ? clearOld(run, before, backup) : {};
  for (const [key, value] of Object.entries(backup)) {
    const size = option(value, 'size');
    const isDisk = /^(ide|sata|scsi|virtio|efidisk|tpmstate)\d+$/.test(key) && size !== undefined && option(value, 'media') !== 'cdrom';
    if (isDisk) {
      const origin = volumeOf(value);
      const target = findStorage(run.world, storage ?? storageOf(origin));
      if (!target.content.includes('images')) refuse(`Content type 'images' is not available on storage '${target.storage}'`);
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
    } else if (isCloudInit(value)) {
      const target = findStorage(run.world, storage ?? storageOf(volumeOf(value)));
      const wish = { name: 'cloudinit', size: 4 * 1024 ** 2, format: isFileBased(target) ? 'qcow2' : 'raw' };
      const { volid } = allocate(run.world, { node: run.task.node, storage: target, vmid, at: run.at, log: run.log, ...wish });
      made.push(volid);
      config[key] = value.replace(volumeOf(value), volid);
    } else if (/^net\d+$/.test(key)) config[key] = unique ? storeNet(key, value, true) : value;
    else config[key] = value;
  }
  Object.assign(config, run.task.args.options);
  config.vmgenid = newUuid();
  if (unique) config.smbios1 = `uuid=${newUuid()}`;
  run.world.saveGuest({ ...emptyGuest(vmid, 'qemu', run.task.node, config), inside: { acpi: true, agent: true } }, run.at);
  joinPool(run.world, pool, vmid);
  if (!run.task.args.start) return;
  run.log('Execute autostart');
  const start = { node: run.task.node, type: 'qmstart', id: String(vmid), owner: run.task.owner, kind: 'start', locks: [vmid] };
  startTask(run.world, run.kinds, start, run.at);
}

export const RESTORE_KINDS: Kinds = {
  restore: {
    begin,
    finish,
    undo: (run) => {
      if (!run.task.args.replaced && !run.task.args.stays) undoCreate(run);
    },
  },
};
