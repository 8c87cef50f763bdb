import { demand } from '../../access/permissions.ts';
import {
  type Context,
  edit,
  flag,
  guestOf,
  missingConfig,
  needed,
  type Routes,
  refuseLocked,
  takeLock,
  task,
  text,
  vmidOf,
} from '../../context.ts';
import { refuse } from '../../errors.ts';
import { dataKeys, digestOf, driveKeys, memoryOf, volumeOf } from '../../guest/config.ts';
import { RUNNING_STATE, stateStorage } from '../../guest/saved-memory.ts';
import { allocate, canSnapshot, findStorage, findVolume, freeByName } from '../../guest/volumes.ts';
import type { Config, Guest } from '../../model.ts';
import type { Kinds, Run } from '../../tasks.ts';
import { newUuid } from '../../world.ts';
import { snapshotConfig } from '../qemu/read.ts';
import { guestOfTask, setRunning, setStopped } from './power.ts';

const SNAPSHOT = 500;
const typeOf = (context: Context): Guest['type'] => (context.method.path.startsWith('/nodes/{node}/lxc') ? 'lxc' : 'qemu');
const named = (run: Run): string => String(run.task.args.snapname);
const target = (run: Run): Guest =>
  guestOfTask(run, (vmid) => missingConfig(run.task.node, run.task.type.startsWith('vz') ? 'lxc' : 'qemu', vmid));

function dataVolumes(guest: Guest): [string, string][] {
  return dataKeys(guest).map((key) => [key, volumeOf(guest.config[key] as string)]);
}

function beginCreate(run: Run): number {
  const guest = target(run);
  refuseLocked(guest);
  const name = named(run);
  if (guest.snapshots[name]) refuse(`snapshot name '${name}' already used`);
  for (const [, volid] of dataVolumes(guest)) {
    const volume = findVolume(run.world, guest.node, volid);
    if (volume && !canSnapshot(findStorage(run.world, volume.storage), volume)) refuse('snapshot feature is not available');
  }
  return SNAPSHOT;
}

function finishCreate(run: Run): void {
  const guest = edit(target(run));
  const name = named(run);
  // A snapshot does not include detached disks.
  const kept: Config = Object.fromEntries(Object.entries(guest.config).filter(([key]) => !/^unused\d+$|^snaptime$/.test(key)));
  const snapshot = { config: kept, snaptime: Math.floor(run.at / 1000), description: String(run.task.args.description ?? '') };
  const vmstate = run.task.args.vmstate && guest.running ? saveMemory(run, guest, name) : undefined;
  for (const [key, volid] of dataVolumes(guest)) {
    run.log(`snapshotting 'drive-${key}' (${volid})`);
    if (findVolume(run.world, guest.node, volid)?.format === 'qcow2') run.log('internal qemu snapshot');
  }
  if (vmstate) Object.assign(snapshot.config, RUNNING_STATE);
  guest.snapshots[name] = { ...snapshot, ...(guest.parent ? { parent: guest.parent } : {}), ...(vmstate ? { vmstate } : {}) };
  guest.parent = name;
  run.world.saveGuest(guest, run.at);
}

function saveMemory(run: Run, guest: Guest, name: string): string {
  const storage = findStorage(run.world, stateStorage(run.world, guest));
  const size = memoryOf(guest.config) * 2 + 500 * 1024 ** 2;
  const { volid } = allocate(run.world, {
    node: guest.node,
    storage,
    vmid: guest.vmid,
    size,
    name: `state-${name}`,
    at: run.at,
    log: run.log,
  });
  run.log(`saving VM state and RAM using storage '${storage.storage}'`);
  run.log('1.51 MiB in 0s');
  run.log('completed saving the VM state in 0s, saved 88.73 MiB');
  return volid;
}

function beginExisting(run: Run): number {
  const guest = target(run);
  if (!guest.snapshots[named(run)]) refuse(`snapshot '${named(run)}' does not exist`);
  refuseLocked(guest);
  return SNAPSHOT;
}

/** ZFS goes back to its most recent snapshot only. */
function beginRollback(run: Run): number {
  const duration = beginExisting(run);
  const guest = target(run);
  const name = named(run);
  const { snaptime: taken = 0, snapstate } = guest.snapshots[name] ?? {};
  if (snapstate) refuse(`unable to rollback to incomplete snapshot (snapstate = ${snapstate})`);
  const newer = Object.entries(guest.snapshots).filter(([other, { snaptime }]) => other !== name && snaptime > taken);
  for (const [, volid] of dataVolumes({ ...guest, config: guest.snapshots[name]?.config ?? {} })) {
    const volume = findVolume(run.world, guest.node, volid) ?? refuse(`volume '${volid}' does not exist`);
    const holds = newer.some(([, { config }]) => Object.values(config).some((value) => volumeOf(value) === volid));
    if (findStorage(run.world, volume.storage).type === 'zfspool' && holds)
      refuse(`can't rollback, '${name}' is not most recent snapshot on '${volid}'`);
  }
  return duration;
}

function finishRollback(run: Run): void {
  const guest = target(run);
  const name = named(run);
  const snapshot = guest.snapshots[name] ?? refuse(`snapshot '${name}' does not exist`);
  if (guest.running) setStopped(run.world, guest, run.at);
  const next = edit(target(run));
  next.config = Object.fromEntries(Object.entries(snapshot.config).filter(([key]) => !(key in RUNNING_STATE)));
  if (next.config.vmgenid) next.config.vmgenid = newUuid();
  next.pending = {};
  next.pendingDelete = {};
  next.parent = name;
  run.world.saveGuest(next, run.at);
  if (!snapshot.vmstate && !run.task.args.start) return;
  if (driveKeys(next.config).some((key) => /cloudinit/.test(next.config[key] as string))) run.log('generating cloud-init ISO');
  if (snapshot.vmstate) run.log("netdev net0: using 'host_mtu=1500' for migration compat");
  setRunning(run, next);
}

function finishDelete(run: Run): void {
  const guest = edit(target(run));
  const name = named(run);
  const gone = guest.snapshots[name] ?? refuse(`snapshot '${name}' does not exist`);
  if (gone.vmstate) freeByName(run.world, guest.node, gone.vmstate);
  const follow = (parent: string | undefined) => (parent === name ? gone.parent : parent);
  delete guest.snapshots[name];
  for (const snapshot of Object.values(guest.snapshots)) {
    const parent = follow(snapshot.parent);
    if (parent === undefined) delete snapshot.parent;
    else snapshot.parent = parent;
  }
  const parent = follow(guest.parent);
  if (parent === undefined) delete guest.parent;
  else guest.parent = parent;
  run.world.saveGuest(guest, run.at);
}

export const SNAPSHOT_KINDS: Kinds = {
  snapshot: { begin: beginCreate, finish: finishCreate },
  rollback: { begin: beginRollback, finish: finishRollback },
  'delete-snapshot': { begin: beginExisting, finish: finishDelete },
};

const RESERVED = ['current', 'pending', 'vzdump'];

function create(context: Context): string {
  const name = needed(context, 'snapname');
  if (RESERVED.includes(name)) refuse(`unable to use snapshot name '${name}' (reserved name)`);
  guestOf(context, typeOf(context));
  return start(context, 'snapshot', 'snapshot', { description: text(context, 'description'), vmstate: flag(context, 'vmstate') });
}

function start(context: Context, verb: string, kind: string, args: Record<string, unknown> = {}): string {
  const vmid = vmidOf(context);
  const type = `${typeOf(context) === 'qemu' ? 'qm' : 'vz'}${verb}`;
  return task(context, { type, id: String(vmid), kind, args: { snapname: needed(context, 'snapname'), ...args }, locks: [vmid] });
}

function list(context: Context): unknown {
  const guest = guestOf(context, typeOf(context));
  const rows = Object.entries(guest.snapshots).map(([name, snapshot]) => ({
    name,
    description: snapshot.description,
    snaptime: snapshot.snaptime,
    vmstate: snapshot.vmstate ? 1 : 0,
    ...(snapshot.parent ? { parent: snapshot.parent } : {}),
    ...(snapshot.snapstate ? { snapstate: snapshot.snapstate } : {}),
  }));
  const current = { name: 'current', description: 'You are here!', digest: digestOf(guest), running: guest.running ? 1 : 0 };
  return [...rows, { ...current, ...(guest.parent ? { parent: guest.parent } : {}) }];
}

function describe(context: Context): null {
  takeLock(context, vmidOf(context));
  const guest = edit(guestOf(context, typeOf(context)));
  const name = needed(context, 'snapname');
  const snapshot = guest.snapshots[name] ?? refuse(`snapshot '${name}' does not exist`);
  snapshot.description = text(context, 'description') ?? '';
  context.world.saveGuest(guest, context.at);
  return null;
}

export const SNAPSHOT_ROUTES: Routes = Object.fromEntries(
  ['qemu', 'lxc'].flatMap((type) => {
    const base = `/nodes/{node}/${type}/{vmid}/snapshot`;
    return Object.entries<Routes[string]>({
      [`GET ${base}`]: list,
      [`POST ${base}`]: create,
      [`GET ${base}/{snapname}`]: () => [{ cmd: 'rollback' }, { cmd: 'config' }],
      [`GET ${base}/{snapname}/config`]: (context) => snapshotConfig(guestOf(context, typeOf(context)), needed(context, 'snapname')),
      [`PUT ${base}/{snapname}/config`]: describe,
      [`POST ${base}/{snapname}/rollback`]: (context) => {
        if (flag(context, 'start')) demand(context.world, context.who, `/vms/${vmidOf(context)}`, ['VM.PowerMgmt']);
        guestOf(context, typeOf(context));
        return start(context, 'rollback', 'rollback', { start: flag(context, 'start') });
      },
      [`DELETE ${base}/{snapname}`]: (context) => {
        guestOf(context, typeOf(context));
        return start(context, 'delsnapshot', 'delete-snapshot');
      },
    });
  }),
);
