import { demand, may } from '../../access/permissions.ts';
import { markBackups, pruneBackups, retentionOf } from '../../backup/retention.ts';
import { type Context, integer, needed, nodeOf, type Routes, task, text } from '../../context.ts';
import { refuse } from '../../errors.ts';
import { driveKeys, isCdrom, volumeOf } from '../../guest/config.ts';
import { checkVolumeAccess } from '../../guest/drives.ts';
import { findVolume, usableStorage } from '../../guest/volumes.ts';
import type { Kinds, Run } from '../../tasks.ts';

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
  return [...lines, volume.wasCut ? '\n' : '', ...(volume.subtype === 'qemu' ? maps.map(map) : [])].join('');
}

/** Defaults of vzdump; auditors of the node see all of them. */
function defaults(context: Context): unknown {
  const { world, who } = context;
  const name = text(context, 'storage') ?? 'local';
  demand(world, who, `/storage/${name}`, ['Datastore.Audit', 'Datastore.AllocateSpace'], true);
  const storage = usableStorage(world, name, nodeOf(context));
  const audited = may(world, who, `/nodes/${nodeOf(context)}`, ['Sys.Audit']);
  return {
    all: 0,
    bwlimit: 0,
    compress: '0',
    fleecing: { enabled: 0 },
    lockwait: 180,
    mailnotification: 'always',
    mode: 'snapshot',
    'notification-mode': 'auto',
    performance: { 'max-workers': 16, 'pbs-entries-max': 1_048_576 },
    pigz: 0,
    'prune-backups': storage.prune ?? 'keep-all=1',
    quiet: 0,
    remove: 1,
    stdexcludes: 1,
    stop: 0,
    stopwait: 10,
    storage: name,
    zstd: 1,
    ...(audited ? { dumpdir: `${storage.path ?? `/mnt/pve/${name}`}/dump`, ionice: 7 } : {}),
  };
}

function marked(context: Context) {
  const storage = usableStorage(context.world, needed(context, 'storage'), nodeOf(context));
  const only = { vmid: integer(context, 'vmid'), type: text(context, 'type') };
  return { storage, only, keep: retentionOf(storage, text(context, 'prune-backups')) };
}

function preview(context: Context): unknown {
  const { storage, only, keep } = marked(context);
  return markBackups(context.world, storage, nodeOf(context), keep, only).map(({ volume, mark }) => ({
    volid: volume.volid,
    ctime: volume.ctime,
    mark,
    type: volume.subtype ?? 'unknown',
    ...(volume.vmid === undefined ? {} : { vmid: volume.vmid }),
  }));
}

function prune(context: Context): string {
  const { world, who } = context;
  const [name, vmid] = [needed(context, 'storage'), text(context, 'vmid')];
  demand(world, who, `/storage/${name}`, [vmid === undefined ? 'Datastore.Allocate' : 'Datastore.AllocateSpace']);
  if (vmid !== undefined) demand(world, who, `/vms/${vmid}`, ['VM.Backup']);
  const args = { storage: name, vmid: integer(context, 'vmid'), type: text(context, 'type'), prune: text(context, 'prune-backups') };
  return task(context, { type: 'prunebackups', id: vmid === undefined ? name : `${vmid}@${name}`, kind: 'prune', args });
}

function finishPrune(run: Run): void {
  const { storage: name, vmid, type, prune: given } = run.task.args as { storage: string; vmid?: number; type?: string; prune?: string };
  const storage = usableStorage(run.world, name, run.task.node);
  pruneBackups(run.world, markBackups(run.world, storage, run.task.node, retentionOf(storage, given), { vmid, type }), run.log);
}

export const BACKUP_READ_KINDS: Kinds = { prune: { finish: finishPrune } };

export const BACKUP_READ_ROUTES: Routes = {
  'GET /nodes/{node}/vzdump/extractconfig': extractConfig,
  'GET /nodes/{node}/vzdump/defaults': defaults,
  'GET /nodes/{node}/storage/{storage}/prunebackups': preview,
  'DELETE /nodes/{node}/storage/{storage}/prunebackups': prune,
};
