import { type Context, needed, nodeOf, type Routes, task, text } from '../../context.ts';
import { invalid, refuse } from '../../errors.ts';
import { findStorage, findVolume, isFileBased, pathOf, saveVolume, storageOf, usableStorage } from '../../guest/volumes.ts';
import type { Volume } from '../../model.ts';
import { fetchFile, look, sumOf } from '../../network.ts';
import type { Kinds, Run } from '../../tasks.ts';

const DOWNLOAD = 1_500;

const ENDINGS: Record<string, RegExp> = {
  iso: /\.(iso|img)$/i,
  vztmpl: /\.tar(\.(gz|xz|zst|bz2))?$/i,
  import: /\.(ova|ovf|qcow2|raw|vmdk)$/i,
};

/** The last part of the name; what is not a plain character becomes an underscore. */
const plainName = (name: string): string => (name.split('/').at(-1) ?? '').replaceAll(/[^a-zA-Z0-9_.-]/g, '_');

function downloadUrl(context: Context): string {
  const { world } = context;
  const storage = usableStorage(world, needed(context, 'storage'), nodeOf(context));
  const kind = needed(context, 'content') as Volume['content'];
  if (!isFileBased(storage)) refuse(`can't upload to storage type '${storage.type}', not a file based storage!`);
  if (text(context, 'checksum') !== undefined && text(context, 'checksum-algorithm') === undefined)
    invalid({ 'checksum-algorithm': "missing property required by 'checksum'" });
  if (!storage.content.includes(kind)) refuse(`storage '${storage.storage}' is not configured for content-type '${kind}'`);
  const filename = plainName(needed(context, 'filename'));
  if (!ENDINGS[kind]?.test(filename))
    invalid({ filename: kind === 'import' ? 'invalid filename or wrong extension' : 'wrong file extension' });
  const sum = { checksum: text(context, 'checksum'), algorithm: text(context, 'checksum-algorithm') };
  const args = { volid: `${storage.storage}:${kind}/${filename}`, content: kind, url: needed(context, 'url'), ...sum };
  return task(context, { type: 'download', id: filename, kind: 'download', args: { ...args, compression: text(context, 'compression') } });
}

interface Args {
  volid: string;
  content: Volume['content'];
  url: string;
  checksum?: string;
  algorithm?: string;
  compression?: string;
}

/** An image to import has to be one of the format that its name says. */
const HOLDS_IMAGE = /\.(qcow2|raw|img|vmdk|ova)([?#]|$)/i;

function begin(run: Run): number {
  const { volid, url, content, checksum, algorithm, compression } = run.task.args as unknown as Args;
  const path = pathOf(findStorage(run.world, storageOf(volid)), volid);
  if (compression !== undefined && content !== 'iso') refuse(`decompression not supported for ${content}`);
  run.log(`downloading ${url} to ${path}`);
  const known = findVolume(run.world, run.task.node, volid);
  if (known && checksum === undefined) refuse(`refusing to override existing file '${path}'`);
  const site = fetchFile(run.world, url, { path, pid: run.task.pid, at: run.at, log: run.log });
  if (checksum !== undefined && algorithm !== undefined) {
    const got = sumOf(site, algorithm);
    run.log(got === checksum.toLowerCase() ? 'calculating checksum...OK, checksum verified' : 'calculating checksum...');
    if (got !== checksum.toLowerCase()) refuse(`checksum mismatch: got '${got}' != expect '${checksum}'`);
  }
  const format = /\.(\w+)$/.exec(volid)?.[1] ?? 'raw';
  if (content === 'import' && !HOLDS_IMAGE.test(url))
    refuse(`qemu-img: Could not open '${path}.tmp_dwnl.${run.task.pid}': Image is not in ${format} format`);
  run.task.args.size = site.size;
  return DOWNLOAD;
}

function finish(run: Run): void {
  const { volid, content, url, size } = run.task.args as unknown as Args & { size: number };
  const storage = findStorage(run.world, storageOf(volid));
  const ending = /\.(\w+)$/.exec(volid)?.[1] ?? 'raw';
  const format = content === 'iso' ? 'iso' : content === 'vztmpl' && ending !== 'tar' ? `t${ending}` : ending;
  const node = storage.shared ? '' : run.task.node;
  const ctime = Math.floor(run.at / 1000);
  const virtual = content === 'import' ? { virtual: Math.max(size, 2 * 1024 ** 3) } : {};
  saveVolume(run.world, { volid, storage: storage.storage, node, content, format, size, used: size, ctime, ...virtual });
  run.log(`download of '${url}' to '${pathOf(storage, volid)}' finished`);
}

function downloadTemplate(context: Context): string {
  const { world } = context;
  const name = needed(context, 'template');
  const appliance = world.get('appliance', name) ?? invalid({ template: 'no such template' });
  const storage = usableStorage(world, needed(context, 'storage'), nodeOf(context));
  if (!storage.content.includes('vztmpl')) refuse(`storage '${storage.storage}' does not support templates`);
  const sum = { checksum: appliance.sha512sum, algorithm: 'sha512' };
  const args = { volid: `${storage.storage}:vztmpl/${name}`, content: 'vztmpl', url: appliance.location, ...sum };
  return task(context, { type: 'download', id: name, kind: 'download', args });
}

function metadata(context: Context): unknown {
  const url = needed(context, 'url');
  const { size, mimetype } = look(context.world, url);
  const filename = /^[^?]+\/([^?/]*)(?:\?.*)?$/.exec(url)?.[1];
  return { size, mimetype, ...(filename ? { filename } : {}) };
}

export const DOWNLOAD_KINDS: Kinds = { download: { begin, finish } };

export const DOWNLOAD_ROUTES: Routes = {
  'POST /nodes/{node}/storage/{storage}/download-url': downloadUrl,
  'GET /nodes/{node}/query-url-metadata': metadata,
  'GET /nodes/{node}/aplinfo': ({ world }) => [...world.all('appliance').values()],
  'POST /nodes/{node}/aplinfo': downloadTemplate,
  'GET /nodes/{node}/storage/{storage}/import-metadata': (context) =>
    refuse(`unable to parse directory volume name '${needed(context, 'volume')}'`),
};
