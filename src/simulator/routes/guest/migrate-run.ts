import { edit, missingConfig } from '../../context.ts';
import { refuse } from '../../errors.ts';
import { splitList } from '../../formats.ts';
import { driveKeys, isCdrom, isCloudInit, mountKeys, option, volumeOf } from '../../guest/config.ts';
import { allocate, childrenOf, findStorage, findVolume, freeVolume, hasStorage, saveVolume } from '../../guest/volumes.ts';
import { movedAlong } from '../../ha.ts';
import type { Guest, Volume } from '../../model.ts';
import { type Kinds, type Run, startTask } from '../../tasks.ts';
import type { World } from '../../world.ts';
import { guestOfTask } from './power.ts';

const OFFLINE = 2_000;
const LIVE = 1_600;
/** The HA manager acts on its next round, ms. */
const HA_ROUND = 1_000;

/** Detached volumes go along too. */
export function volumesOf(world: World, guest: Guest): [string, Volume][] {
  const attached = guest.type === 'qemu' ? driveKeys(guest.config) : mountKeys(guest.config);
  const unused = Object.keys(guest.config).filter((key) => /^unused\d+$/.test(key));
  return [...attached, ...unused].flatMap((key): [string, Volume][] => {
    const volume = findVolume(world, guest.node, volumeOf(guest.config[key] ?? ''));
    return volume ? [[key, volume]] : [];
  });
}

/** Volumes that only this node has. */
export const localVolumes = (world: World, guest: Guest): [string, Volume][] =>
  volumesOf(world, guest).filter(([, volume]) => volume.node !== '');

/** Devices of which every node may have one of the same name, with that name. */
export const mappedDevices = (guest: Guest): [string, string][] =>
  Object.entries(guest.config).flatMap(([key, value]): [string, string][] => {
    const name = /^(hostpci|usb)\d+$/.test(key) ? /(?:^|,)mapping=([^,]+)/.exec(value)?.[1] : undefined;
    return name === undefined ? [] : [[key, name]];
  });

/** Devices of the host that no other node has; SPICE and mapped ones can go along. */
export const hostDevices = (guest: Guest): string[] =>
  Object.keys(guest.config)
    .filter((key) => /^(hostpci|usb|serial|parallel)\d+$/.test(key))
    .filter((key) => !/^(spice|socket)$|(^|,)mapping=|^spice,/.test(guest.config[key] ?? ''))
    .sort();

const isMedium = (guest: Guest, key: string): boolean => {
  const value = guest.config[key] ?? '';
  return isCdrom(value) && !isCloudInit(value);
};

/** Where volumes of a storage go: by its name, by `*`, or (no entry) to the storage of the same name. */
export type StorageMap = Record<string, string>;

/** `fast`, `1`, `local-lvm:fast,nas:nas2`. */
export function storageMap(text: string | undefined): StorageMap {
  const parts = splitList(text ?? '').filter((part) => part !== '1');
  return Object.fromEntries(parts.map((part) => (part.includes(':') ? part.split(':', 2) : ['*', part]) as [string, string]));
}

const mapped = (map: StorageMap, storage: string): string => map[storage] ?? map['*'] ?? storage;

const target = (run: Run): Guest =>
  guestOfTask(run, (vmid) => missingConfig(run.task.node, run.task.type === 'vzmigrate' ? 'lxc' : 'qemu', vmid));

const stamp = (at: number): string => new Date(at).toISOString().replace('T', ' ').slice(0, 19);

const inSnapshots = (guest: Guest, volid: string): boolean =>
  Object.values(guest.snapshots).some(({ config }) => Object.values(config).some((value) => volumeOf(value) === volid));

/** Why a volume cannot go along; nothing when it can. */
function obstacle(run: Run, guest: Guest, key: string, volume: Volume): string | undefined {
  const { goal, withDisks, map } = run.task.args as { goal: string; withDisks: boolean; map: StorageMap };
  const { world } = run;
  // The map concerns local volumes alone: those on shared storage stay where they are, and the other node has to reach them there.
  const storage = volume.node === '' ? volume.storage : mapped(map, volume.storage);
  if (!hasStorage(findStorage(world, storage), goal)) return `storage '${storage}' is not available on node '${goal}'`;
  if (volume.node === '') return undefined;
  if (isMedium(guest, key)) return 'local cdrom image';
  if (!withDisks && !isCloudInit(guest.config[key] ?? '')) return "can't live migrate attached local disks without with-local-disks option";
  if (inSnapshots(guest, volume.volid)) {
    if (guest.running && guest.type === 'qemu') return 'online storage migration not possible if non-replicated snapshot exists';
    const movable = findStorage(world, volume.storage).type === 'zfspool' || volume.format === 'qcow2';
    if (!movable) return 'non-migratable snapshot exists';
  }
  if (childrenOf(world, volume).length > 0) return 'referenced by linked clone(s)';
  // Thin volumes do not name the one that they began as.
  return volume.parent === undefined || findStorage(world, volume.storage).type === 'lvmthin'
    ? undefined
    : `it's a clone of '${volume.parent}'`;
}

/** A folder of the host that is not said to be on every node. */
const isBound = (value: string): boolean => volumeOf(value).startsWith('/') && option(value, 'shared') !== '1';

/** Ends the task; the reason is in its log alone. */
function abort(run: Run, reason: string): never {
  run.log(`${stamp(run.at)} ERROR: migration aborted (duration 00:00:00): ${reason}`);
  return refuse('migration aborted');
}

function begin(run: Run): number {
  const guest = target(run);
  const { goal } = run.task.args as { goal: string };
  const word = guest.type === 'qemu' ? 'VM' : 'CT';
  run.log(`${stamp(run.at)} starting migration of ${word} ${guest.vmid} to node '${goal}' (${run.world.get('node', goal)?.ip})`);
  if (!run.world.get('node', goal)?.online) abort(run, `Can't connect to destination address using public key`);
  const devices = hostDevices(guest);
  if (devices.length > 0) abort(run, `can't migrate VM which uses local devices: ${devices.join(', ')}`);
  const mapped = mappedDevices(guest).map(([key, name]) => `${key}:${name}`);
  if (guest.running && mapped.length > 0)
    abort(run, `can't live migrate running VM which uses following mapped devices: ${mapped.join(', ')}`);
  const bound = mountKeys(guest.config).find((key) => guest.type === 'lxc' && isBound(guest.config[key] ?? ''));
  if (bound) abort(run, `cannot migrate local bind mount point '${bound}'`);
  const problems = volumesOf(run.world, guest).flatMap(([key, volume]): [string, string][] => {
    const reason = obstacle(run, guest, key, volume);
    return reason === undefined ? [] : [[volume.volid, reason]];
  });
  for (const [volid, reason] of problems) run.log(`${stamp(run.at)} ERROR: can't migrate local disk '${volid}': ${reason}`);
  if (problems.length === 0) return guest.running ? LIVE : OFFLINE;
  run.log(`${stamp(run.at)} aborting phase 1 - cleanup resources`);
  return abort(run, `Problem found while scanning volumes - can't migrate ${word} - check log`);
}

/** Makes the volume on the other node's storage, under a name that is free there, and returns the drive as it then stands. */
function moved(run: Run, guest: Guest, [key, volume]: [key: string, volume: Volume], to: { storage: string; node: string }): string {
  const there = allocate(run.world, {
    node: to.node,
    storage: findStorage(run.world, to.storage),
    vmid: guest.vmid,
    size: volume.size,
    written: volume.used,
    format: volume.format,
    content: volume.content,
    at: run.at,
    log: run.log,
    ...(isCloudInit(guest.config[key] ?? '') ? { name: 'cloudinit' } : {}),
  });
  run.log(`volume '${volume.volid}' is '${there.volid}' on the target`);
  return (guest.config[key] as string).replace(volume.volid, there.volid);
}

function finish(run: Run): void {
  const guest = edit(target(run));
  const { goal, map } = run.task.args as { goal: string; map: StorageMap };
  for (const [key, volume] of localVolumes(run.world, guest)) {
    run.log(`copying local disk image: '${volume.volid}'`);
    freeVolume(run.world, volume);
    const storage = mapped(map, volume.storage);
    if (storage === volume.storage) saveVolume(run.world, { ...volume, node: goal });
    else guest.config[key] = moved(run, guest, [key, volume], { storage, node: goal });
  }
  guest.node = goal;
  // A container was stopped here and started there.
  if (guest.type === 'lxc' && guest.running) guest.running = { ...guest.running, since: run.at };
  run.world.saveGuest(guest, run.at);
  run.log(`${stamp(run.at)} migration finished successfully (duration 00:00:02)`);
}

/**
 * The request has been taken; the HA manager migrates a moment later, as root, with the guests that a rule keeps together. It knows nothing of
 * other storages, and takes local disks along.
 */
function finishHaRequest(run: Run): void {
  const { world } = run;
  const { vmid, goal } = run.task.args as { vmid: number; goal: string };
  const asked = world.guest(vmid);
  const along = asked ? movedAlong(world, asked).map((sid) => world.guest(Number(sid.split(':')[1]))) : [];
  for (const guest of [asked, ...along]) {
    if (!guest || guest.node === goal) continue;
    const args = { goal, withDisks: true, map: {}, vmid: guest.vmid };
    const wanted = { node: guest.node, type: guest.type === 'qemu' ? 'qmigrate' : 'vzmigrate', id: String(guest.vmid), args };
    const how = { owner: 'root@pam', kind: 'migrate', slower: HA_ROUND, locks: [guest.vmid] };
    startTask(world, run.kinds, { ...wanted, ...how }, run.at);
  }
}

export const MIGRATE_KINDS: Kinds = { migrate: { begin, finish }, 'ha-migrate': { finish: finishHaRequest } };
