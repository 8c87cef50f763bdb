import { uploadedFile } from '../../body.ts';
import { type Context, needed, nodeOf, task } from '../../context.ts';
import { invalid, refuse } from '../../errors.ts';
import { findStorage, pathOf, saveVolume, storageOf, usableStorage } from '../../guest/volumes.ts';
import type { Volume } from '../../model.ts';
import type { Run } from '../../tasks.ts';

/** First four bytes of a qcow2 file, hex. */
const QCOW2 = '514649fb';

/** Takes an uploaded file; an existing one of that name is replaced without a word. */
export function upload(context: Context): string {
  const storage = usableStorage(context.world, needed(context, 'storage'), nodeOf(context));
  const kind = needed(context, 'content') as Volume['content'];
  const name = needed(context, 'filename').replaceAll(/[^a-zA-Z0-9_.-]/g, '_');
  const known = { iso: /\.(iso|img)$/i, vztmpl: /\.tar(\.(gz|xz|zst|bz2))?$/i, import: /\.(ova|ovf|qcow2|raw|vmdk)$/i } as Record<
    string,
    RegExp
  >;
  if (!known[kind]?.test(name)) invalid({ filename: 'wrong file extension' });
  if (!storage.content.includes(kind)) refuse(`storage '${storage.storage}' does not support '${kind}' content`);
  const { temporary, head, size } = uploadedFile(context.params) ?? invalid({ tmpfilename: 'property is missing and it is not optional' });
  const volid = `${storage.storage}:${kind}/${name}`;
  const path = pathOf(storage, volid);
  const first = `starting file import from: ${temporary}`;
  if (kind === 'import' && name.endsWith('.qcow2') && head !== QCOW2)
    return task(context, { type: 'imgcopy', id: '', kind: 'bad-upload', args: { temporary }, log: [first] });
  const log = [
    first,
    `target node: ${nodeOf(context)}`,
    `target file: ${path}`,
    `file size is: ${size}`,
    `command: cp -- ${temporary} ${path}`,
  ];
  return task(context, { type: 'imgcopy', id: '', kind: 'upload', args: { volid, size, content: kind }, log });
}

/** A file to import has to be of the format that its name says. */
export function refuseUpload(run: Run): never {
  return refuse(`qemu-img: Could not open '${String(run.task.args.temporary)}': Image is not in qcow2 format`);
}

export function finishUpload(run: Run): void {
  const { volid, size, content: kind } = run.task.args as { volid: string; size: number; content: Volume['content'] };
  const storage = findStorage(run.world, storageOf(volid));
  const format = kind === 'iso' ? 'iso' : (/\.(\w+)$/.exec(volid)?.[1] ?? 'raw');
  const node = storage.shared ? '' : run.task.node;
  saveVolume(run.world, {
    volid,
    storage: storage.storage,
    node,
    content: kind,
    format,
    size,
    used: size,
    ctime: Math.floor(run.at / 1000),
  });
  run.log('finished file import successfully');
}
