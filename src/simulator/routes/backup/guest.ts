import { limitOf, markBackups, parseRetention, pruneBackups } from '../../backup/retention.ts';
import { refuse } from '../../errors.ts';
import { driveKeys, isCdrom, option, parseSize, printSize, volumeOf } from '../../guest/config.ts';
import { nameOf } from '../../guest/status.ts';
import { findStorage, findVolume, pathOf, saveVolume, volumesOn } from '../../guest/volumes.ts';
import type { Guest, Storage } from '../../model.ts';
import type { Run } from '../../tasks.ts';
import { newUuid } from '../../world.ts';
import { setRunning, setStopped, wantsAgent } from '../guest/power.ts';

const COMPRESSED = 0.18;
const ENDINGS: Record<string, string[]> = { zstd: ['zst'], gzip: ['gz'], '1': ['lzo'], lzo: ['lzo'] };
/** Protected backups of a guest that a storage takes, unless it says otherwise or the caller may allocate on it. */
const PROTECTED_LIMIT = 5;

const two = (value: number): string => String(value).padStart(2, '0');

/** `2026_11_22-22_46_34`, UTC. */
export function stamp(at: number, apart: [string, string, string]): string {
  const day = new Date(at);
  const date = [day.getUTCFullYear(), two(day.getUTCMonth() + 1), two(day.getUTCDate())].join(apart[0]);
  return `${date}${apart[1]}${[two(day.getUTCHours()), two(day.getUTCMinutes()), two(day.getUTCSeconds())].join(apart[2])}`;
}

/** Name and format of the archive; a backup server has its own. */
function archiveOf(storage: Storage, guest: Guest, started: number, compress: string): { volid: string; extension: string } {
  const kind = guest.type === 'qemu' ? 'vm' : 'ct';
  if (storage.type === 'pbs') {
    const moment = new Date(started).toISOString().replace(/\.\d+Z$/, 'Z');
    return { volid: `${storage.storage}:backup/${kind}/${guest.vmid}/${moment}`, extension: `pbs-${kind}` };
  }
  const extension = [guest.type === 'qemu' ? 'vma' : 'tar', ...(ENDINGS[compress] ?? [])].join('.');
  return {
    volid: `${storage.storage}:backup/vzdump-${guest.type}-${guest.vmid}-${stamp(started, ['_', '-', '_'])}.${extension}`,
    extension,
  };
}

/** Checks the limits of storage and request. @throws Error in the words of the log */
function checkLimits(run: Run, guest: Guest, storage: Storage, keep: Record<string, number>): void {
  const { mode, remove, limited } = run.task.args as { mode: string; remove: boolean; limited: boolean };
  if (mode === 'stop' && run.world.get('ha', `${guest.type === 'qemu' ? 'vm' : 'ct'}:${guest.vmid}`)?.state === 'started')
    refuse('Cannot execute a backup with stop mode on a HA managed and enabled Service. Use snapshot mode or disable the Service.');
  const mine = volumesOn(run.world, storage, run.task.node).filter(
    ({ content, vmid, subtype }) => content === 'backup' && vmid === guest.vmid && subtype === guest.type,
  );
  const [guarded, limit] = [mine.filter((volume) => volume.protected).length, limitOf(keep)];
  if (run.task.args.protected) {
    if (limited && guarded >= PROTECTED_LIMIT)
      refuse(`The number of protected backups per guest is limited to ${PROTECTED_LIMIT} on storage '${storage.storage}'`);
  } else if (!remove && limit > 0 && mine.length - guarded >= limit) {
    refuse(
      `There is a max backup limit of ${limit} enforced by the target storage or the vzdump parameters. Either increase the limit or delete old backups.`,
    );
  }
}

/** Sum of the bytes written on the volumes that go into the archive. */
function includeVolumes(run: Run, guest: Guest): number {
  let total = 0;
  const mounts = Object.keys(guest.config).filter((key) => /^mp\d+$/.test(key) && option(guest.config[key] ?? '', 'backup') === '1');
  for (const key of guest.type === 'qemu' ? driveKeys(guest.config) : ['rootfs', ...mounts.sort()]) {
    const value = guest.config[key] ?? '';
    if (isCdrom(value) || option(value, 'backup') === '0') continue;
    const size = parseSize(option(value, 'size') ?? '0');
    total += findVolume(run.world, guest.node, volumeOf(value))?.used ?? size;
    if (guest.type === 'qemu') run.log(`INFO: include disk '${key}' '${volumeOf(value)}' ${printSize(size)}`);
    else run.log(`INFO: including mount point ${key} ('${option(value, 'mp') ?? '/'}') in backup`);
  }
  return total;
}

/** Logs how the data is read; `stop` takes a running guest down and up again. */
function readData(run: Run, guest: Guest, mode: string): void {
  if (guest.type === 'lxc') {
    if (mode === 'snapshot') run.log("INFO: create storage snapshot 'vzdump'");
    run.log('INFO: creating archive');
    return;
  }
  const frozen = mode === 'snapshot' && wantsAgent(guest) && guest.inside.agent;
  if (!guest.running) run.log('INFO: starting kvm to execute backup task');
  if (frozen) run.log("INFO: issuing guest-agent 'fs-freeze' command");
  run.log('INFO: starting backup via QMP command');
  if (frozen) run.log("INFO: issuing guest-agent 'fs-thaw' command");
  run.log(`INFO: started backup task '${newUuid()}'`);
  if (guest.running) run.log('INFO: resuming VM again');
  else run.log('INFO: stopping kvm after backup task');
}

const modeOf = (run: Run, guest: Guest): string => (guest.running ? String(run.task.args.mode) : 'stop');

/** Writes the archive of one guest and prunes older ones where that was asked for. @throws Error in the words of the log */
export function backUp(run: Run, guest: Guest): void {
  const { storage: name, notes, compress } = run.task.args as { storage: string; notes?: string; compress: string };
  const storage = findStorage(run.world, name);
  const keep = parseRetention(String(run.task.args.keep));
  const word = guest.type === 'qemu' ? 'VM' : 'CT';
  const started = run.task.start;
  const { volid, extension } = archiveOf(storage, guest, started, compress);
  checkLimits(run, guest, storage, keep);
  const mode = modeOf(run, guest);
  run.log(`INFO: Starting Backup of VM ${guest.vmid} (${guest.type})`);
  run.log(`INFO: Backup started at ${stamp(started, ['-', ' ', ':'])}`);
  run.log(`INFO: status = ${guest.running ? 'running' : 'stopped'}`);
  if (mode === 'stop') run.log('INFO: backup mode: stop');
  if (mode === 'stop') run.log('INFO: ionice priority: 7');
  run.log(`INFO: ${word} Name: ${nameOf(guest)}`);
  const total = includeVolumes(run, guest);
  if (mode !== 'stop') run.log(`INFO: backup mode: ${mode}`);
  if (mode !== 'stop') run.log('INFO: ionice priority: 7');
  else if (guest.running) run.log('INFO: stopping virtual guest');
  if (Object.keys(guest.snapshots).length > 0) run.log('INFO: snapshots found (not included into backup)');
  const hasPending = Object.keys(guest.pending).length + Object.keys(guest.pendingDelete).length > 0;
  if (hasPending) run.log('INFO: pending configuration changes found (not included into backup)');
  run.log(`INFO: creating vzdump archive '${pathOf(storage, volid)}'`);
  readData(run, guest, mode);
  if (mode === 'stop' && guest.running) {
    setStopped(run.world, guest, run.at);
    setRunning(run, run.world.guest(guest.vmid) ?? guest);
  }
  const size = Math.floor(total * COMPRESSED);
  const text = notes
    ?.replaceAll('{{guestname}}', nameOf(guest))
    .replaceAll('{{vmid}}', String(guest.vmid))
    .replaceAll('{{node}}', guest.node);
  saveVolume(run.world, {
    volid,
    storage: name,
    node: storage.shared ? '' : run.task.node,
    content: 'backup',
    format: extension,
    size,
    used: size,
    vmid: guest.vmid,
    ctime: Math.floor(started / 1000),
    subtype: guest.type,
    config: Object.fromEntries(Object.entries(guest.config).filter(([key]) => !/^unused\d+$|^lock$/.test(key))),
    ...(hasPending || Object.keys(guest.snapshots).length > 0 ? { wasCut: true as const } : {}),
    ...(text === undefined ? {} : { notes: text }),
    ...(run.task.args.protected ? { protected: true } : {}),
  });
  run.log(`INFO: archive file size: ${Math.ceil(size / 1024 ** 2)}MB`);
  if (text !== undefined) run.log('INFO: adding notes to backup');
  if (run.task.args.protected) run.log('INFO: marking backup as protected');
  if (run.task.args.remove) prune(run, guest, storage, keep);
  run.log(`INFO: Finished Backup of VM ${guest.vmid} (00:00:01)`);
  run.log(`INFO: Backup finished at ${stamp(run.at, ['-', ' ', ':'])}`);
}

function prune(run: Run, guest: Guest, storage: Storage, keep: Record<string, number>): void {
  const words = Object.keys(keep).sort();
  run.log(`INFO: prune older backups with retention: ${words.map((name) => `${name}=${keep[name]}`).join(', ')}`);
  const marked = markBackups(run.world, storage, run.task.node, keep, { vmid: guest.vmid, type: guest.type });
  const gone = pruneBackups(run.world, marked, (line) => run.log(`INFO: ${line}`));
  run.log(`INFO: pruned ${gone} backup(s)${gone > 0 ? ' not covered by keep-retention policy' : ''}`);
}
