import * as z from 'zod';
import { defined, present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { type Condition, nothingToSend, type PlanDraft } from '../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { gibOf, rounded } from '../../core/text/sizes.ts';
import { plainText } from '../../core/text/text.ts';
import { path } from '../../proxmox/guest/encode.ts';
import { listStorages, listVolumes, placeOn, storageOf, type Volume } from '../../proxmox/storage.ts';
import { tasksOf } from '../../proxmox/task-list.ts';
import { defineOperation } from '../define.ts';
import { outcomeOf } from '../vm/lib/outcome.ts';
import { nodeName, storageName } from '../vm/lib/schemas.ts';
import { chooseNode } from '../vm/provision/choose/node.ts';
import { refuseFull } from '../vm/provision/choose/storage.ts';
import { type Checksum, checksumOf, fileNameFor, KINDS } from './lib/media-file.ts';
import { checkedUrl, remoteSize } from './lib/media-url.ts';
import { oneStorage } from './lib/one-storage.ts';

/** How long (s) the task may take before a run calls its outcome unknown. */
const DOWNLOAD_SECONDS = 6 * 3600;

/** An ESXi server is listed as a source of imports, and takes no file. */
const TAKES_NO_FILE = ['esxi'];

const input = z.strictObject({
  url: z.string().max(2000),
  content: z.enum(KINDS).describe('import is a disk image, vztmpl a container template'),
  filename: z.string().optional(),
  checksum: z.string().optional().describe('Hex, MD5 to SHA-512'),
  storage: storageName.optional(),
  node: nodeName.optional(),
});

/** POST /nodes/{node}/storage/{storage}/download-url: the node itself fetches the file. */
export const downloadMedia = defineOperation({
  name: 'download_media',
  title: 'Download an ISO, image or template',
  effect: 'change',
  toolset: 'everyday',
  description: 'Lets a node download an ISO, disk image or container template from an allowed host; never overwrites a file.',
  input,
  output: z.looseObject({ volume: z.string(), node: z.string(), size_gb: z.number().optional() }),
  reads: ['GET /nodes', 'GET /nodes/{node}/storage', 'GET /nodes/{node}/storage/{storage}/content', 'GET /nodes/{node}/query-url-metadata'],
  sends: { 'POST /nodes/{node}/storage/{storage}/download-url': ['url', 'content', 'filename', 'verify-certificates'] },
  maySend: { 'POST /nodes/{node}/storage/{storage}/download-url': ['checksum', 'checksum-algorithm'] },
  example: {
    url: 'https://cdimage.debian.org/debian-cd/current/amd64/iso-cd/debian-13.1.0-amd64-netinst.iso',
    content: 'iso',
    storage: 'local',
  },
  async plan(ctx, args): Promise<PlanDraft> {
    const url = checkedUrl(args.url, ctx.limits.mediaHosts ?? []);
    const sum = checksumOf(args.checksum);
    refusePlainHttp(url, sum);
    const file = fileNameFor(args.content, url, args.filename);
    const { node: row, choices: nodeChoices } = await chooseNode(ctx, args.node);
    const { node } = row;
    const { storage, choices } = await oneStorage(ctx.api, {
      ...{ node, storages: await listStorages(ctx.api, node), named: args.storage, takes: args.content },
      fits: ({ content, type }) => content.includes(args.content) && !TAKES_NO_FILE.includes(type),
      freeOf: ({ freeGib }) => Math.floor(freeGib),
      remedy: `Ask the operator to add ${args.content} to the content of a storage that keeps files.`,
    });
    const volid = `${storage.storage}:${args.content}/${file.name}`;
    const bytes = await remoteSize(ctx.api, node, url);
    const known = (await listVolumes(ctx.api, node, storage.storage, { content: args.content })).find((one) => one.volid === volid);
    if (known) return { node, ...alreadyThere(known, node, bytes, sum) };
    await refuseSecond(ctx.api, node, file.name);
    const sizeGib = gibOf(bytes);
    if (sizeGib !== undefined) refuseFull(ctx, { node, storage, needGib: sizeGib });
    const list = path`/nodes/${node}/storage/${storage.storage}/content`;
    const listed = (is: 'present' | 'absent'): Condition => ({
      ...{ kind: 'listed', path: list, params: { content: args.content }, row: { volid }, is },
      says: `${volid} ${is === 'present' ? 'is' : 'is not yet'} on ${node}`,
    });
    const there = listed('present');
    return {
      node,
      ...(sizeGib === undefined ? {} : { space: { [placeOn(node, storage)]: sizeGib } }),
      summary: `Download ${plainText(url.href, 180)} to ${volid} on ${node}${sizeGib === undefined ? '' : ` (${rounded(sizeGib, 3)} GiB)`}`,
      steps: [
        // With a checksum Proxmox would overwrite another file of this name.
        { kind: 'check', id: 'free', that: listed('absent'), purpose: `the name ${volid} is free on ${node}` },
        {
          kind: 'request',
          id: 'download',
          method: 'POST',
          path: path`/nodes/${node}/storage/${storage.storage}/download-url`,
          params: {
            ...{ url: url.href, content: args.content, filename: file.name, 'verify-certificates': true },
            ...(sum ? { checksum: sum.checksum, 'checksum-algorithm': sum.algorithm } : {}),
          },
          purpose: `download ${file.name} from ${url.host}`,
          task: { type: 'download', id: file.name, node, timeoutSeconds: DOWNLOAD_SECONDS },
          proof: there,
          onFailure: 'Nothing was stored. Correct what the task says, then call again.',
        },
        { kind: 'wait', id: 'stored', until: there, timeoutSeconds: 60, purpose: `${volid} is on ${node}` },
      ],
      expected: [there],
      choices: [...nodeChoices, ...choices, ...file.choices, ...(sum ? [`checksum-algorithm: ${sum.algorithm} (by its length)`] : [])],
      warnings: warningsOf(url, sum, bytes),
      after: { volume: volid, ...defined({ size_gb: sizeGib && rounded(sizeGib, 3) }) },
      undo: `delete_volume ${JSON.stringify({ volume: volid, node })} (toolset rare)`,
    };
  },
  async report(api, run) {
    const { node = '', after = {}, steps } = run.plan;
    const volid = String(after.volume);
    const sent = steps.find((step) => step.kind === 'request')?.params ?? {};
    const found = (await listVolumes(api, node, storageOf(volid), { content: String(sent.content) })).find((one) => one.volid === volid);
    return {
      volume: volid,
      node,
      ...(found ? { size_gb: rounded(found.sizeGib, 3) } : { notice: `Proxmox does not list ${volid} now` }),
      ...(typeof sent['checksum-algorithm'] === 'string' ? { verified: sent['checksum-algorithm'] } : {}),
      ...outcomeOf(run),
    };
  },
});

/** Without TLS the file can be replaced on its way, which a strong checksum shows. @throws invalid_arguments */
function refusePlainHttp(url: URL, sum: Checksum | undefined): void {
  if (url.protocol === 'https:' || sum?.strong) return;
  const why = 'because the file can be replaced on its way';
  fail('invalid_arguments', `An address that begins with http:// needs a checksum of SHA-224 or longer, ${why}.`, {
    hint: 'Use https://, or give the checksum of the publisher.',
  });
}

/** Proxmox fetches two files of one name side by side, and the one that ends last stays. @throws conflict */
async function refuseSecond(api: ProxmoxReader, node: string, name: string): Promise<void> {
  const other = (await tasksOf(api, node, { running: true, limit: 100 })).find(({ type, id }) => type === 'download' && id === name);
  if (!other) return;
  fail('conflict', `A download of ${name} already runs on ${node}.`, {
    hint: `Follow it with get_task ${JSON.stringify({ upid: other.upid })}.`,
  });
}

/** @throws conflict where the sizes prove that the file of this name is another one */
function alreadyThere({ volid, sizeGib }: Volume, node: string, bytes: number | undefined, sum: Checksum | undefined) {
  const has = Math.round(sizeGib * 2 ** 30);
  if (bytes !== undefined && bytes !== has) {
    fail('conflict', `${volid} exists on ${node} with ${has} bytes, and the file of this address has ${bytes}.`, {
      hint: 'Give another filename. This tool never overwrites a file.',
    });
  }
  const same = bytes === undefined ? 'Its size could not be compared' : 'It has the same size';
  const notice = `${volid} exists. ${same}; its content was not compared${sum ? ', and the checksum was not verified' : ''}.`;
  return {
    summary: `${volid} is already on ${node}`,
    ...nothingToSend({ volume: volid, node, size_gb: rounded(sizeGib, 3), already: true, notice }),
  };
}

function warningsOf(url: URL, sum: Checksum | undefined, bytes: number | undefined): string[] {
  return present(
    !sum && 'without a checksum a file that was replaced at its source is not noticed',
    sum && !sum.strong && `${sum.algorithm} notices damage, but not a file that was replaced on purpose`,
    bytes === undefined && `${url.host} does not tell the size, so the free space was not compared`,
    `the node follows redirects of ${url.host}, also to hosts that are not on the list`,
  );
}
