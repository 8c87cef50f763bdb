import { demand, may, requirePool } from '../../access/permissions.ts';
import { parseRetention } from '../../backup/retention.ts';
import { nextRun } from '../../backup/schedule.ts';
import { type Context, needed, type Routes, seconds, text } from '../../context.ts';
import { invalid, refuse } from '../../errors.ts';
import { splitList } from '../../formats.ts';
import { driveKeys, isCdrom, option, volumeOf } from '../../guest/config.ts';
import { nameOf } from '../../guest/status.ts';
import type { Guest } from '../../model.ts';
import { newUuid, type World } from '../../world.ts';

type Row = Record<string, unknown>;

/** Told as numbers. */
const NUMBERS = new Set(
  'all bwlimit enabled ionice lockwait pigz protected quiet remove repeat-missed stdexcludes stop stopwait zstd'.split(' '),
);
/** Keys that `delete` may name. */
const DELETABLE =
  /^(all|bwlimit|comment|compress|dumpdir|exclude|exclude-path|fleecing|ionice|lockwait|mailnotification|mailto|mode|node|notes-template|notification-mode|performance|pigz|pool|protected|prune-backups|quiet|remove|repeat-missed|script|stdexcludes|stop|stopwait|storage|tmpdir|vmid|zstd)$/;

const listed = (value: unknown): number[] => splitList(String(value ?? '')).map(Number);

/** Guests that a job is for, by what it names. */
export function guestsOf(world: World, job: Row): number[] {
  const excluded = listed(job.exclude);
  if (job.all === 1) return [...world.guests().keys()].filter((vmid) => !excluded.includes(vmid));
  if (job.pool !== undefined) return (world.get('pool', String(job.pool))?.vms ?? []).filter((vmid) => !excluded.includes(vmid));
  return listed(job.vmid);
}

function checkRights(context: Context, storages: (string | undefined)[]): void {
  const { world, who } = context;
  for (const name of ['tmpdir', 'dumpdir', 'script'])
    if (text(context, name) !== undefined) invalid({ [name]: 'Only root may set this option.' });
  for (const storage of new Set(storages)) if (storage !== undefined) demand(world, who, `/storage/${storage}`, ['Datastore.Allocate']);
  const pool = text(context, 'pool');
  if (pool === undefined) return;
  requirePool(world, pool);
  demand(world, who, `/pool/${pool}`, ['VM.Backup']);
}

/** The options of a request as the job keeps them. */
function settings(context: Context): Row {
  const { id: _id, delete: _delete, starttime, dow, ...rest } = context.params;
  const days = dow === undefined || String(dow) === 'mon,tue,wed,thu,fri,sat,sun' ? '' : `${String(dow)} `;
  const schedule = starttime === undefined ? {} : { schedule: `${days}${String(starttime)}` };
  const told = Object.entries(rest).map(([key, value]) => {
    if (key === 'prune-backups')
      return [key, Object.fromEntries(Object.entries(parseRetention(String(value))).map(([name, count]) => [name, String(count)]))];
    return [key, NUMBERS.has(key) ? Number(value) : value];
  });
  return { ...Object.fromEntries(told), ...schedule };
}

function verify(job: Row): void {
  if (!job.all && job.vmid === undefined && job.pool === undefined && job.exclude === undefined)
    invalid({ vmid: 'property is missing and it is not optional' });
}

function create(context: Context): null {
  const [id, schedule] = [text(context, 'id') ?? newUuid(), text(context, 'schedule') ?? text(context, 'starttime')];
  const storage = text(context, 'storage');
  checkRights(context, [storage ?? (text(context, 'dumpdir') === undefined ? 'local' : undefined)]);
  if (schedule === undefined) invalid({ schedule: "neither 'starttime' nor 'schedule' were set" });
  if (context.world.get('job', id)) refuse(`Job '${id}' already exists`);
  const job = settings(context);
  verify(job);
  const all = job.exclude !== undefined && job.pool === undefined ? { all: 1 } : {};
  context.world.put('job', id, { id, type: 'vzdump', enabled: 1, ...job, ...all });
  return null;
}

function jobOf(context: Context): Row {
  const id = needed(context, 'id');
  return context.world.get('job', id) ?? invalid({ id: `No such job '${id}'` });
}

/** Of guests, pool and `all` a job has one only: the one that was named last. */
function update(context: Context): null {
  const id = needed(context, 'id');
  const job = { ...(context.world.get('job', id) ?? refuse('no such vzdump job')) };
  const removed = splitList(text(context, 'delete') ?? '');
  checkRights(context, [text(context, 'storage'), String(removed.includes('storage') ? 'local' : (job.storage ?? 'local'))]);
  const unknown = removed.find((key) => !DELETABLE.test(key));
  if (unknown) invalid({ delete: `unknown option '${unknown}'` });
  const set = settings(context);
  if (Object.keys(set).length + removed.length === 0) refuse('no options specified');
  for (const key of removed) delete job[key];
  Object.assign(job, set);
  if (job.exclude !== undefined && job.pool === undefined) job.all = 1;
  const chosen = set.vmid !== undefined ? 'vmid' : set.all ? 'all' : job.pool !== undefined ? 'pool' : undefined;
  for (const key of ['vmid', 'all', 'pool']) if (chosen !== undefined && key !== chosen) delete job[key];
  verify(job);
  context.world.put('job', id, job);
  return null;
}

/** Volumes of a guest, each with whether it goes into a backup and why. */
function volumes(guest: Guest): Row[] {
  const row = (key: string, reason: string, included: 0 | 1) => {
    const name = volumeOf(guest.config[key] ?? '');
    return { id: `${guest.vmid}:${key}`, name, included, reason, leaf: 1 };
  };
  if (guest.type === 'lxc') {
    const mounts = Object.keys(guest.config).filter((key) => /^mp\d+$/.test(key));
    const isIn = (key: string) => option(guest.config[key] ?? '', 'backup') === '1';
    return [row('rootfs', 'rootfs', 1), ...mounts.map((key) => row(key, isIn(key) ? 'enabled' : 'disabled', isIn(key) ? 1 : 0))];
  }
  return driveKeys(guest.config)
    .filter((key) => !isCdrom(guest.config[key] ?? ''))
    .map((key) => {
      const out = option(guest.config[key] ?? '', 'backup') === '0';
      return row(key, out ? 'backup=no' : 'backup=yes', out ? 0 : 1);
    });
}

function includedVolumes(context: Context): Row {
  const { world, who } = context;
  const children = guestsOf(world, jobOf(context))
    .filter((vmid) => may(world, who, `/vms/${vmid}`, ['VM.Audit']))
    .map((vmid): Row => {
      const guest = world.guest(vmid);
      if (!guest) return { id: vmid, type: 'unknown', leaf: 1 };
      const rows = volumes(guest);
      return { id: vmid, type: guest.type, name: nameOf(guest), children: rows, leaf: rows.length === 0 ? 1 : 0 };
    });
  return { children };
}

/** Guests that no job names, disabled jobs included; a token is shown those of them that it may see. */
function notBackedUp({ world, who }: Context): Row[] {
  const covered = new Set([...world.all('job').values()].flatMap((job) => guestsOf(world, job)));
  return [...world.guests().values()]
    .filter(({ vmid }) => !covered.has(vmid) && may(world, who, `/vms/${vmid}`, ['VM.Audit']))
    .map((guest) => ({ vmid: guest.vmid, type: guest.type, name: nameOf(guest) }));
}

function analyzeSchedule(context: Context): Row[] {
  let timestamp = Number(text(context, 'starttime') ?? seconds(context.at));
  return Array.from({ length: Number(text(context, 'iterations') ?? 10) }, () => {
    timestamp = nextRun(needed(context, 'schedule'), timestamp);
    return { timestamp, utc: new Date(timestamp * 1000).toUTCString() };
  });
}

export const BACKUP_JOB_ROUTES: Routes = {
  'GET /cluster/backup': ({ world, at }) =>
    [...world.all('job').values()].map((job) => ({ 'next-run': nextRun(String(job.schedule), seconds(at)), ...job })),
  'POST /cluster/backup': create,
  'GET /cluster/backup/{id}': (context) => {
    const { 'next-run': _nextRun, ...job } = jobOf(context);
    return job;
  },
  'PUT /cluster/backup/{id}': update,
  'DELETE /cluster/backup/{id}': (context) => {
    context.world.drop('job', String(jobOf(context).id));
    return null;
  },
  'GET /cluster/backup/{id}/included_volumes': includedVolumes,
  'GET /cluster/backup-info/not-backed-up': notBackedUp,
  'GET /cluster/jobs': () => [{ subdir: 'schedule-analyze' }, { subdir: 'realm-sync' }],
  'GET /cluster/jobs/realm-sync': () => [],
  'GET /cluster/jobs/schedule-analyze': analyzeSchedule,
};
