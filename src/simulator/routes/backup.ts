import { type Context, nodeOf, type Routes, task, text } from '../context.ts';
import { checkVolumeAccess } from '../drives.ts';
import { invalid, refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import { driveKeys, isCdrom, option, parseSize, printSize, volumeOf } from '../guest-config.ts';
import { nameOf } from '../guest-status.ts';
import type { Guest } from '../model.ts';
import { demand, demandInTask, may, type Who } from '../permissions.ts';
import type { Kinds, Run } from '../tasks.ts';
import { findStorage, findVolume, pathOf, saveVolume } from '../volumes.ts';
import { newUuid } from '../world.ts';
import { wantsAgent } from './power.ts';

const BACKUP = 3_000;
const COMPRESSED = 0.18;
const ENDINGS: Record<string, string[]> = { zstd: ['zst'], gzip: ['gz'], '1': ['lzo'], lzo: ['lzo'] };

/** The command line that the log repeats. */
function commandLine(context: Context): string {
  const shown = Object.entries(context.params).filter(([name]) => !['vmid', 'node', 'compress'].includes(name));
  const parts = [...shown, ['node', nodeOf(context)]].map(
    ([name, value]) => `--${name} ${/[{} ]/.test(String(value)) ? `'${value}'` : value}`,
  );
  return [
    `vzdump ${splitList(text(context, 'vmid') ?? '').join(' ')}`,
    ...parts.sort(),
    ...(text(context, 'compress') ? [`--compress ${text(context, 'compress')}`] : []),
  ].join(' ');
}

/** The guests a job is for; those of `all` that the caller may not back up are left out without a word. */
function wanted(context: Context): { vmids: number[]; silent: boolean } {
  const { world } = context;
  const pool = text(context, 'pool');
  if (pool !== undefined) return { vmids: [...(world.get('pool', pool) ?? refuse(`pool '${pool}' does not exist`)).vms], silent: false };
  if (text(context, 'all') !== '1') return { vmids: splitList(text(context, 'vmid') ?? '').map(Number), silent: false };
  const excluded = splitList(text(context, 'exclude') ?? '').map(Number);
  const here = [...world.guests().values()].filter((guest) => guest.node === nodeOf(context) && !excluded.includes(guest.vmid));
  return { vmids: here.map(({ vmid }) => vmid), silent: true };
}

function vzdump(context: Context): string {
  const { world, who } = context;
  const storage = text(context, 'storage') ?? 'local';
  for (const name of ['dumpdir', 'script', 'tmpdir'])
    if (text(context, name) !== undefined) invalid({ [name]: 'Only root may set this option.' });
  for (const name of ['bwlimit', 'ionice', 'performance']) if (text(context, name) !== undefined) demand(world, who, '/', ['Sys.Modify']);
  if (text(context, 'prune-backups') !== undefined) demand(world, who, `/storage/${storage}`, ['Datastore.Allocate']);
  demand(world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
  const { vmids, silent } = wanted(context);
  const args = {
    vmids: vmids.filter((vmid) => !silent || may(world, who, `/vms/${vmid}`, ['VM.Backup'])),
    who,
    storage,
    compress: text(context, 'compress') ?? '0',
    notes: text(context, 'notes-template'),
    protected: text(context, 'protected') === '1',
    line: commandLine(context),
  };
  return task(context, {
    type: 'vzdump',
    id: vmids.length === 1 ? String(vmids[0]) : '',
    kind: 'backup',
    args,
    locks: vmids.filter((vmid) => world.guest(vmid)),
  });
}

function begin(run: Run): number {
  const name = String(run.task.args.storage);
  const storage = run.world.get('storage', name);
  if (!storage) refuse(`could not get storage information for '${name}': storage '${name}' does not exist`);
  if (!storage.content.includes('backup'))
    refuse(`could not get storage information for '${name}': can't use storage '${name}' for backups - wrong content type`);
  run.log(`INFO: starting new backup job: ${String(run.task.args.line)}`);
  // Whether the caller may back up these guests is asked in the task alone.
  const { vmids, who } = run.task.args as { vmids: number[]; who: Who };
  for (const vmid of vmids) if (run.world.guest(vmid)) demandInTask(run.world, who, `/vms/${vmid}`, ['VM.Backup']);
  return BACKUP;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** `2026_11_22-22_46_34`, UTC. */
function stamp(at: number, apart: [string, string, string]): string {
  const day = new Date(at);
  const date = [day.getUTCFullYear(), two(day.getUTCMonth() + 1), two(day.getUTCDate())].join(apart[0]);
  return `${date}${apart[1]}${[two(day.getUTCHours()), two(day.getUTCMinutes()), two(day.getUTCSeconds())].join(apart[2])}`;
}

function finish(run: Run): void {
  const { vmids } = run.task.args as { vmids: number[] };
  let failed = false;
  for (const vmid of vmids) {
    const guest = run.world.guest(vmid);
    if (guest) back(run, guest);
    else {
      run.log(`ERROR: Backup of VM ${vmid} failed - unable to find VM '${vmid}'`);
      run.log(`INFO: Failed at ${stamp(run.at, ['-', ' ', ':'])}`);
      failed = true;
    }
  }
  run.log(`INFO: Backup job finished ${failed ? 'with errors' : 'successfully'}`);
  if (failed) refuse('job errors');
}

function back(run: Run, guest: Guest): void {
  const { storage: name, notes, compress } = run.task.args as { storage: string; notes?: string; compress: string };
  const storage = findStorage(run.world, name);
  const word = guest.type === 'qemu' ? 'VM' : 'CT';
  const started = run.task.start;
  const extension = [guest.type === 'qemu' ? 'vma' : 'tar', ...(ENDINGS[compress] ?? [])].join('.');
  const volid = `${name}:backup/vzdump-${guest.type}-${guest.vmid}-${stamp(started, ['_', '-', '_'])}.${extension}`;
  run.log(`INFO: Starting Backup of ${word} ${guest.vmid} (${guest.type})`);
  run.log(`INFO: Backup started at ${stamp(started, ['-', ' ', ':'])}`);
  run.log(`INFO: status = ${guest.running ? 'running' : 'stopped'}`);
  run.log(`INFO: ${word} Name: ${nameOf(guest)}`);
  let total = 0;
  for (const key of guest.type === 'qemu' ? driveKeys(guest.config) : ['rootfs']) {
    const value = guest.config[key] ?? '';
    if (isCdrom(value) || option(value, 'backup') === '0') continue;
    const size = parseSize(option(value, 'size') ?? '0');
    total += findVolume(run.world, guest.node, volumeOf(value))?.used ?? size;
    run.log(`INFO: include disk '${key}' '${volumeOf(value)}' ${printSize(size)}`);
  }
  run.log('INFO: backup mode: snapshot');
  run.log('INFO: ionice priority: 7');
  run.log(`INFO: creating vzdump archive '${pathOf(storage, volid)}'`);
  if (guest.running && guest.type === 'qemu') {
    const frozen = wantsAgent(guest) && guest.inside.agent;
    if (frozen) run.log("INFO: issuing guest-agent 'fs-freeze' command");
    run.log('INFO: starting backup via QMP command');
    if (frozen) run.log("INFO: issuing guest-agent 'fs-thaw' command");
    run.log(`INFO: started backup task '${newUuid()}'`);
    run.log('INFO: resuming VM again');
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
    config: Object.fromEntries(Object.entries(guest.config).filter(([key]) => !/^unused\d+$/.test(key))),
    ...(text === undefined ? {} : { notes: text }),
    ...(run.task.args.protected ? { protected: true } : {}),
  });
  run.log(`INFO: archive file size: ${Math.ceil(size / 1024 ** 2)}MB`);
  if (text !== undefined) run.log('INFO: adding notes to backup');
  run.log(`INFO: Finished Backup of ${word} ${guest.vmid} (00:00:01)`);
  run.log(`INFO: Backup finished at ${stamp(run.at, ['-', ' ', ':'])}`);
}

function extractConfig(context: Context): string {
  const volid = text(context, 'volume') ?? '';
  checkVolumeAccess(context, -1, volid);
  const volume = findVolume(context.world, nodeOf(context), volid) ?? refuse(`volume '${volid}' does not exist`);
  const config = volume.config ?? {};
  const lines = Object.keys(config)
    .sort()
    .map((key) => `${key}: ${config[key]}\n`);
  const maps = driveKeys(config).filter((key) => !isCdrom(config[key] as string));
  const map = (key: string) => {
    const file = volumeOf(config[key] as string);
    return `#qmdump#map:${key}:drive-${key}:${file.slice(0, file.indexOf(':'))}:${/\.(\w+)$/.exec(file)?.[1] ?? 'raw'}:\n`;
  };
  return [...lines, ...(volume.subtype === 'qemu' ? maps.map(map) : [])].join('');
}

export const BACKUP_KINDS: Kinds = { backup: { begin, finish } };

export const BACKUP_ROUTES: Routes = {
  'POST /nodes/{node}/vzdump': vzdump,
  'GET /nodes/{node}/vzdump/extractconfig': extractConfig,
};
