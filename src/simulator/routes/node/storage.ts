import { demand, may } from '../../access/permissions.ts';
import { type Context, flag, needed, nodeOf, type Routes, task, text } from '../../context.ts';
import { forbid, invalid, refuse } from '../../errors.ts';
import { splitList } from '../../formats.ts';
import { parseSize } from '../../guest/config.ts';
import { checkVolumeAccess } from '../../guest/drives.ts';
import {
  allocate,
  childrenOf,
  contentOf,
  findStorage,
  findVolume,
  freeVolume,
  hasStorage,
  isFileBased,
  ownerOf,
  pathOf,
  saveVolume,
  storageOf,
  usableStorage,
  usage,
  volumesOn,
} from '../../guest/volumes.ts';
import type { Storage, Volume } from '../../model.ts';
import type { Kinds, Run } from '../../tasks.ts';
import { finishUpload, refuseUpload, upload } from './upload.ts';

type Row = Record<string, unknown>;

/** Storages of the cluster as they are configured. */
function definition(storage: Storage): Row {
  const { storage: name, type, content, path, extra, nodes, shared } = storage;
  return {
    storage: name,
    type,
    content: content.join(','),
    ...(path ? { path } : {}),
    ...extra,
    ...(nodes ? { nodes: nodes.join(',') } : {}),
    ...(shared && type === 'dir' ? { shared: 1 } : {}),
    ...(storage.disabled ? { disable: 1 } : {}),
    ...(storage.prune ? { 'prune-backups': storage.prune } : {}),
    digest: 'e725a4485aacacef4952696efc90cddd888fa7a9',
  };
}

function status(context: Context, storage: Storage): Row {
  const off = { active: 0, enabled: 0, total: 0, used: 0, avail: 0 };
  const { total, used, avail } = usage(context.world, storage, nodeOf(context));
  return {
    type: storage.type,
    content: storage.content.join(','),
    shared: storage.shared ? 1 : 0,
    ...(storage.disabled ? off : { active: 1, enabled: 1, total, used, avail }),
  };
}

/** The content types of a folder, in the old and the new form. */
const FORMATS = {
  format: [{ raw: 1, qcow2: 1, vmdk: 1, subvol: 1 }, 'raw'],
  formats: { default: 'raw', supported: ['qcow2', 'raw', 'subvol', 'vmdk'] },
};

function list(context: Context): Row[] {
  const { world, who } = context;
  const wanted = text(context, 'content')?.split(/[,;\s]+/);
  const name = text(context, 'storage');
  return [...world.all('storage').values()]
    .filter((storage) => hasStorage(storage, nodeOf(context)) && (name === undefined || storage.storage === name))
    .filter((storage) => !storage.disabled || !flag(context, 'enabled'))
    .filter((storage) => wanted === undefined || wanted.some((content) => storage.content.includes(content)))
    .filter((storage) => may(world, who, `/storage/${storage.storage}`, ['Datastore.Audit', 'Datastore.AllocateSpace'], true))
    .map((storage) => {
      const row = status(context, storage);
      const formats = isFileBased(storage) && flag(context, 'format') ? FORMATS : {};
      return {
        storage: storage.storage,
        ...row,
        ...formats,
        ...(storage.disabled ? {} : { used_fraction: Number(row.used) / Number(row.total) }),
      };
    });
}

function storageHere(context: Context): Storage {
  return usableStorage(context.world, needed(context, 'storage'), nodeOf(context));
}

function volumeRow(volume: Volume): Row {
  const { volid, content, format, size, ctime, vmid, notes, subtype } = volume;
  const row: Row = { volid, content, format, size, ctime };
  if (content === 'images' || content === 'rootdir')
    return { ...row, used: volume.used, vmid, parent: volume.parent ? baseName(volume) : null };
  if (vmid !== undefined) row.vmid = vmid;
  if (subtype) row.subtype = subtype;
  if (notes !== undefined) row.notes = notes;
  if (volume.protected) row.protected = 1;
  if (volume.verification)
    row.verification = {
      state: volume.verification,
      upid: 'UPID:backup:00000001:00000001:00000001:00000001:verificationjob:main:root@pam:',
    };
  return row;
}

const baseName = (volume: Volume): string => `../${(volume.parent ?? '').slice(storageOf(volume.volid).length + 1)}`;

const CONTENTS = new Set(['images', 'rootdir', 'vztmpl', 'iso', 'backup', 'snippets', 'import', 'none']);

/** Volumes a caller may not touch are left out; the filter by guest does not reach import images. */
function content(context: Context): Row[] {
  const storage = storageHere(context);
  const wanted = text(context, 'content');
  for (const kind of splitList(wanted ?? ''))
    if (!CONTENTS.has(kind)) invalid({ content: `invalid format - invalid content type '${kind}'\n` });
  const vmid = text(context, 'vmid');
  return volumesOn(context.world, storage, nodeOf(context))
    .filter((volume) => wanted === undefined || volume.content === wanted)
    .filter((volume) => vmid === undefined || volume.content === 'import' || String(volume.vmid) === vmid)
    .filter((volume) => isVisible(context, volume))
    .sort((a, b) => a.volid.localeCompare(b.volid))
    .map(volumeRow);
}

/** A volume without an owner is visible to every user who may list the storage; images and backups ask for a privilege on their owner, too. */
function isVisible(context: Context, volume: Volume): boolean {
  const { world, who } = context;
  const path = `/storage/${volume.storage}`;
  if (volume.vmid === undefined || may(world, who, path, ['Datastore.Allocate'])) return true;
  const [onStorage, onOwner] =
    volume.content === 'backup' ? ['Datastore.AllocateSpace', 'VM.Backup'] : ['Datastore.Audit', 'VM.Config.Disk'];
  return may(world, who, path, [onStorage]) && may(world, who, `/vms/${volume.vmid}`, [onOwner]);
}

function volumeName(context: Context): string {
  const name = needed(context, 'volume');
  return name.includes(':') ? name : `${needed(context, 'storage')}:${name}`;
}

function volumeInfo(context: Context): Row {
  const volid = volumeName(context);
  const owner = ownerOf(volid);
  if (owner !== undefined) checkVolumeAccess(context, -1, volid);
  else demand(context.world, context.who, `/storage/${storageOf(volid)}`, ['Datastore.AllocateSpace', 'Datastore.Audit'], true);
  const volume = findVolume(context.world, nodeOf(context), volid) ?? refuse(`volume_size_info on '${volid}' failed - no format`);
  const path = pathOf(findStorage(context.world, volume.storage), volid);
  return {
    path,
    size: volume.size,
    used: volume.used,
    // An archive is a file like any other here.
    format: volume.content === 'backup' ? 'raw' : volume.format,
    ...(volume.content === 'backup' ? { protected: volume.protected ? 1 : 0 } : {}),
    ...(volume.notes === undefined ? {} : { notes: volume.notes }),
  };
}

function allocateVolume(context: Context): string {
  const storage = storageHere(context);
  const filename = needed(context, 'filename');
  const vmid = Number(needed(context, 'vmid'));
  const format = text(context, 'format') ?? /\.(raw|qcow2|vmdk)$/.exec(filename)?.[1] ?? 'raw';
  const name = /^vm-(\d+)-([^.]+)(\.\w+)?$/.exec(filename);
  if (!name) refuse(`illegal name '${filename}' - should be 'vm-${vmid}-*'`);
  const volid = `${storage.storage}:${isFileBased(storage) ? `${vmid}/` : ''}${filename}`;
  if (findVolume(context.world, nodeOf(context), volid)) refuse(`disk image '${pathOf(storage, volid)}' already exists`);
  const size = /[KMGT]$/.test(needed(context, 'size')) ? parseSize(needed(context, 'size')) : Number(needed(context, 'size')) * 1024;
  const made = allocate(context.world, {
    node: nodeOf(context),
    storage,
    vmid,
    size,
    format,
    name: name[2] as string,
    at: context.at,
    log: () => {},
  });
  // The name may be of another guest: it is taken as it stands.
  freeVolume(context.world, made);
  saveVolume(context.world, { ...made, volid });
  return volid;
}

function updateVolume(context: Context): null {
  const volid = volumeName(context);
  checkVolumeAccess(context, -1, volid);
  const volume = findVolume(context.world, nodeOf(context), volid) ?? refuse(`volume '${volid}' does not exist`);
  const notes = text(context, 'notes');
  const protect = text(context, 'protected');
  saveVolume(context.world, {
    ...volume,
    ...(notes === undefined ? {} : { notes }),
    ...(protect === undefined ? {} : { protected: protect === '1' }),
  });
  return null;
}

function deleteVolume(context: Context): string {
  const { world, who } = context;
  const volid = volumeName(context);
  const storage = storageOf(volid);
  const place = findStorage(world, storage);
  if (isFileBased(place) && !volid.includes('/')) refuse(`unable to parse directory volume name '${volid.slice(storage.length + 1)}'`);
  const owner = ownerOf(volid);
  if (contentOf(volid) === 'backup' && owner !== undefined) checkVolumeAccess(context, -1, volid);
  else if (!may(world, who, `/storage/${storage}`, ['Datastore.Allocate'])) forbid(`/storage/${storage}, Datastore.Allocate`);
  const id = owner === undefined ? storage : `${owner}@${storage}`;
  return task(context, { type: 'imgdel', id, kind: 'delete-volume', args: { volid } });
}

function finishDelete(run: Run): void {
  const volid = String(run.task.args.volid);
  const volume = findVolume(run.world, run.task.node, volid);
  if (!volume) {
    // A missing volume counts as removed; only the log tells.
    run.log(`disk image '${pathOf(findStorage(run.world, storageOf(volid)), volid)}' does not exist`);
    run.log(`Removed volume '${volid}'`);
    return;
  }
  if (volume.protected) refuse(`cannot remove protected volume '${volid.slice(volume.storage.length + 1)}' on '${volume.storage}'`);
  if (childrenOf(run.world, volume).length > 0) refuse(`base volume '${volid}' is still in use by linked clones`);
  freeVolume(run.world, volume);
  run.log(`Removed volume '${volid}'`);
}

function define(context: Context): Row {
  const [name, type] = [needed(context, 'storage'), needed(context, 'type') as Storage['type']];
  if (context.world.get('storage', name)) refuse(`create storage failed: storage ID '${name}' already defined`);
  const path = text(context, 'path');
  const content = splitList(text(context, 'content') ?? 'images,rootdir');
  const size = { total: 100 * 1024 ** 3, base: 0 };
  context.world.put('storage', name, { storage: name, type, content, shared: flag(context, 'shared'), ...(path ? { path } : {}), ...size });
  return { storage: name, type };
}

function redefine(context: Context): Row {
  const storage = { ...findStorage(context.world, needed(context, 'storage')) };
  const [disable, content, nodes] = [text(context, 'disable'), text(context, 'content'), text(context, 'nodes')];
  if (disable !== undefined) storage.disabled = disable === '1';
  if (content !== undefined) storage.content = splitList(content);
  if (nodes !== undefined) storage.nodes = splitList(nodes);
  for (const key of splitList(text(context, 'delete') ?? '')) {
    if (key === 'nodes') delete storage.nodes;
    if (key === 'disable') delete storage.disabled;
  }
  context.world.put('storage', storage.storage, storage);
  return { storage: storage.storage, type: storage.type };
}

export const STORAGE_KINDS: Kinds = {
  'delete-volume': { finish: finishDelete },
  upload: { finish: finishUpload },
  'bad-upload': { finish: refuseUpload },
};

const CONTENT = '/nodes/{node}/storage/{storage}/content';

export const STORAGE_ROUTES: Routes = {
  'GET /storage': (context) =>
    [...context.world.all('storage').values()]
      .filter((storage) =>
        may(context.world, context.who, `/storage/${storage.storage}`, ['Datastore.Audit', 'Datastore.AllocateSpace'], true),
      )
      .filter((storage) => text(context, 'type') === undefined || storage.type === text(context, 'type'))
      .map(definition),
  'POST /storage': define,
  'PUT /storage/{storage}': redefine,
  'DELETE /storage/{storage}': (context) => {
    context.world.drop('storage', findStorage(context.world, needed(context, 'storage')).storage);
    return null;
  },
  'GET /storage/{storage}': (context) => definition(findStorage(context.world, needed(context, 'storage'))),
  'GET /nodes/{node}/storage': list,
  'GET /nodes/{node}/storage/{storage}/status': (context) => {
    const storage = context.world.get('storage', needed(context, 'storage'));
    if (!storage || !hasStorage(storage, nodeOf(context))) return invalid({ storage: 'No such storage.' });
    return status(context, storage);
  },
  'POST /nodes/{node}/storage/{storage}/upload': upload,
  [`GET ${CONTENT}`]: content,
  [`POST ${CONTENT}`]: allocateVolume,
  [`GET ${CONTENT}/{volume}`]: volumeInfo,
  [`PUT ${CONTENT}/{volume}`]: updateVolume,
  [`DELETE ${CONTENT}/{volume}`]: deleteVolume,
};
