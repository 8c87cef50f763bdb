import { asError, fail } from '../../../core/errors/errors.ts';
import type { Params } from '../../../core/plan/plan.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { linesIn, unreadable } from '../../../core/text/readable.ts';
import { fencedOutput, plainText } from '../../../core/text/text.ts';
import { isWholePath } from '../../../core/text/whole-path.ts';
import { failMissing, missingOf } from '../../../proxmox/access/privileges.ts';
import { contract } from '../../../proxmox/contract/contract.ts';
import { needFor } from '../../../proxmox/contract/permissions.ts';
import type { InsideAnswer } from './inside.ts';

/** Proxmox's limit, in characters of base64. */
const MAX_ENCODED = 61_440;
/** Bytes that are read; an answer shows fewer. */
const MOST_READ = 16_384;
/** Time (ms) after a run within which its file is read: a later read is not covered by the approval. */
const READ_WITHIN_MS = 120_000;

/** @throws invalid_arguments: the policy lists whole paths, so each path must have a single form */
export function refusePath(file: string): void {
  if (isWholePath(file)) return;
  fail('invalid_arguments', `file ${plainText(file, 100)} is not the whole path of a file.`, {
    hint: 'Give it from the root, without "." and "..", as the policy names it.',
  });
}

/** @throws invalid_arguments for what an approver could not read in full */
export function linesOf(content: string): string[] {
  const problem =
    content === ''
      ? 'is empty'
      : content.includes('PRIVATE KEY-----')
        ? 'holds a private key, which an approval must not show'
        : (unreadable(content) ??
          (base64(content).length > MAX_ENCODED ? `is longer than ${MAX_ENCODED} characters in base64` : undefined));
  if (problem === undefined) return linesIn(content);
  return fail('invalid_arguments', `content ${problem}.`, { hint: 'Write less, or let the operator place the file.' });
}

/** Base64 keeps every byte: what Proxmox encodes by itself must be plain ASCII. */
export function writeParams(file: string, content: string): Params {
  return { file, content: base64(content), encode: false };
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

/** A plan that reads has no request that the engine could check. @throws permission_denied before a human is asked */
export async function checkReadRight(api: ProxmoxReader, agent: string): Promise<void> {
  const { major } = await api.version();
  const known = { major, config: async () => ({}), backup: async () => ({}) };
  const need = await needFor({ method: 'GET', path: `${agent}/file-read`, params: {} }, await contract(), known);
  const missing = await missingOf(api, need);
  if (missing.length > 0) failMissing('Reading a file in a guest', missing);
}

/** @param agent `/nodes/{node}/qemu/{vmid}/agent` */
export async function readFile(api: ProxmoxReader, agent: string, file: string, { startedAt, endedAt }: RunRecord): Promise<InsideAnswer> {
  if (Date.now() - Date.parse(endedAt ?? startedAt) > READ_WITHIN_MS) {
    return { notice: 'the file was read when the run ended. Call again for another read, which needs an approval' };
  }
  const seen = await contentOf(api, agent, file).catch((thrown: unknown) => asError(thrown));
  if (seen instanceof Error) return { notice: `the file cannot be read: ${seen.message}` };
  return { out: fencedOutput(seen.text), ...(seen.truncated ? { notice: `only the first ${MOST_READ} bytes were read` } : {}) };
}

/** Reads back what was written, where the token may. */
export async function compareFile(api: ProxmoxReader, agent: string, file: string, content: string): Promise<InsideAnswer> {
  const seen = await contentOf(api, agent, file).catch((thrown: unknown) => asError(thrown));
  if (seen instanceof Error) return { notice: `written, but not read back: ${seen.message}` };
  const isSame = seen.truncated ? content.startsWith(seen.text) : content === seen.text;
  return { written: isSame, ...(isSame ? {} : { notice: 'the file in the guest has another content now' }) };
}

async function contentOf(api: ProxmoxReader, agent: string, file: string): Promise<{ text: string; truncated: boolean }> {
  const get = (more: Record<string, number>) =>
    api.get<{ content?: string; truncated?: number | boolean }>(`${agent}/file-read`, { file, ...more });
  const isTruncated = (value: unknown) => Number(value ?? 0) === 1;
  try {
    const { content = '', truncated } = await get({ count: MOST_READ, decode: 0 });
    return { text: Buffer.from(content, 'base64').toString('utf8'), truncated: isTruncated(truncated) };
  } catch (thrown) {
    // Releases before 9.2 know neither parameter.
    if (!['invalid_arguments', 'unsupported_version'].includes(asError(thrown).code)) throw thrown;
    const { content = '', truncated } = await get({});
    return { text: content, truncated: isTruncated(truncated) };
  }
}
