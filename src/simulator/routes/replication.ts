import { demand, may } from '../access/permissions.ts';
import { nextRun } from '../backup/schedule.ts';
import { type Context, flag, needed, nodeOf, type Routes, seconds, text, Wider } from '../context.ts';
import { invalid, refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import { dataKeys, volumeOf } from '../guest/config.ts';
import { findStorage, findVolume } from '../guest/volumes.ts';
import type { Guest } from '../model.ts';
import { optionsOf } from './guest/new-guest.ts';

type Row = Record<string, unknown>;

const DEFAULT_SCHEDULE = '*/15';

function jobOf(context: Context): Row {
  const id = needed(context, 'id');
  const job = context.world.get('replication', id) ?? refuse(`replication job '${id}' does not exist`);
  demand(context.world, context.who, `/vms/${job.guest}`, ['VM.Audit']);
  return job;
}

const visible = (context: Context): Row[] =>
  [...context.world.all('replication').values()].filter((job) => may(context.world, context.who, `/vms/${job.guest}`, ['VM.Audit']));

/** Every volume of the guest has to be on ZFS. */
function checkVolumes(context: Context, guest: Guest): void {
  for (const key of dataKeys(guest)) {
    const volume = findVolume(context.world, guest.node, volumeOf(guest.config[key] ?? ''));
    if (volume && findStorage(context.world, volume.storage).type !== 'zfspool')
      refuse(`missing replicate feature on volume '${volume.volid}'`);
  }
}

function create(context: Context): null {
  const { world } = context;
  const id = needed(context, 'id');
  const [, vmid = '', number = ''] = /^(\d+)-(\d+)$/.exec(id) ?? invalid({ id: 'invalid format - invalid replication job id' });
  demand(world, context.who, `/vms/${vmid}`, ['VM.Replicate']);
  const guest = world.guest(Number(vmid)) ?? refuse(`guest '${vmid}' does not exist`);
  const target = needed(context, 'target');
  if (world.get('replication', id)) refuse(`replication job '${id}' already exists`);
  if (!world.get('node', target)) refuse(`no such cluster node '${target}'`);
  if (target === guest.node) refuse(`source and target of the replication job are the same node '${target}'`);
  checkVolumes(context, guest);
  const options = optionsOf(context, ['id', 'digest', 'disable', 'type']);
  const disable = flag(context, 'disable') ? { disable: 1 } : {};
  world.put('replication', id, {
    id,
    type: 'local',
    guest: guest.vmid,
    jobnum: Number(number),
    source: guest.node,
    ...options,
    ...disable,
  });
  return null;
}

function update(context: Context): null {
  const job: Row = { ...jobOf(context), ...optionsOf(context, ['id', 'digest', 'delete']) };
  demand(context.world, context.who, `/vms/${job.guest}`, ['VM.Replicate']);
  for (const key of splitList(text(context, 'delete') ?? '')) delete job[key];
  context.world.put('replication', String(job.id), job);
  return null;
}

function remove(context: Context): null {
  const job = jobOf(context);
  demand(context.world, context.who, `/vms/${job.guest}`, ['VM.Replicate']);
  context.world.drop('replication', String(job.id));
  return null;
}

function status(context: Context, job: Row): Row {
  const last = Math.floor(seconds(context.at) / 900) * 900;
  const next = nextRun(String(job.schedule ?? DEFAULT_SCHEDULE), seconds(context.at));
  return { ...job, last_sync: last, last_try: last, next_sync: next, duration: 3.2, fail_count: 0, vmtype: 'qemu' };
}

const onNode = (context: Context): Row[] => visible(context).filter((job) => job.source === nodeOf(context));

export const REPLICATION_ROUTES: Routes = {
  'GET /cluster/replication': visible,
  'POST /cluster/replication': create,
  'GET /cluster/replication/{id}': jobOf,
  'PUT /cluster/replication/{id}': update,
  'DELETE /cluster/replication/{id}': remove,
  'GET /nodes/{node}/replication': (context) =>
    onNode(context)
      .filter((job) => text(context, 'guest') === undefined || String(job.guest) === text(context, 'guest'))
      .map((job) => status(context, job)),
  'GET /nodes/{node}/replication/{id}': () => ['schedule_now', 'log', 'status'].map((name) => ({ name })),
  'GET /nodes/{node}/replication/{id}/status': (context) => status(context, jobOf(context)),
  'GET /nodes/{node}/replication/{id}/log': (context) => {
    const job = jobOf(context);
    return new Wider([{ n: 1, t: `${job.id}: start replication job` }], { total: 1 });
  },
  'POST /nodes/{node}/replication/{id}/schedule_now': (context) => {
    demand(context.world, context.who, `/vms/${jobOf(context).guest}`, ['VM.Replicate']);
    return null;
  },
};
