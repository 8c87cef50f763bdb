import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fail } from '../core/errors/errors.ts';
import { sha256 } from '../core/hash.ts';
import { type AuditLine, GENESIS, type Head, looksWhole, readLine } from './record.ts';
import { firstLine, lastLines, splitLines } from './tail.ts';

export interface AuditProblem {
  /** Line of the file, from 1. */
  line: number;
  problem: string;
  /** Name of the file, where it is an earlier one. */
  file?: string;
}

export interface AuditVerification {
  file: string;
  /** Names of the files before it that were closed by a rotation, oldest first; absent: there are none. */
  earlier?: string[];
  /** Whole lines. */
  count: number;
  /** Hash of the newest line. */
  head: string;
  /** Empty: nothing was edited, swapped, inserted or removed. */
  problems: AuditProblem[];
  /** Lines that crashes tore and the next writer closed; nothing is wrong with them. */
  recovered: AuditProblem[];
}

/**
 * Reads the whole trail, files closed by rotations included, and checks every line against the one before it.
 * Throws `audit_invalid` when there is no file; what is wrong inside is returned.
 * @param onRecord is called for every whole line as it stands there
 */
export async function verifyAudit(file: string, onRecord: (head: Head) => void = () => {}): Promise<AuditVerification> {
  const result: AuditVerification = { file, count: 0, head: GENESIS.hash, problems: [], recovered: [] };
  const { earlier, begin } = await filesBefore(file, result);
  const check = { result, onRecord };
  let head = begin;
  for (const one of earlier) head = await verifyFile(one, head, check, { file: basename(one) });
  head = await verifyFile(file, head, check);
  if (earlier.length > 0) result.earlier = earlier.map((one) => basename(one));
  return { ...result, head: head.hash };
}

/** The files that this one continues from, oldest first, and where the oldest one must begin. */
async function filesBefore(file: string, result: AuditVerification): Promise<{ earlier: string[]; begin: Head }> {
  const earlier: string[] = [];
  for (let later = file; ; ) {
    const first = await withFile(later, firstLine);
    const { continues } = first ?? {};
    if (!first || continues === undefined) return { earlier, begin: GENESIS };
    const before = join(dirname(file), basename(continues));
    const missing = await withFile(before, async () => false).catch(() => true);
    if (missing || before === file || earlier.includes(before)) {
      const problem = `continues ${basename(continues)}, which is not beside it: records 1 to ${first.seq - 1} cannot be checked`;
      result.problems.push({ line: 1, problem, ...(later === file ? {} : { file: basename(later) }) });
      return { earlier, begin: { seq: first.seq - 1, hash: first.prev } };
    }
    earlier.unshift(before);
    later = before;
  }
}

interface Check {
  /** Takes the findings. */
  result: AuditVerification;
  onRecord: (head: Head) => void;
}

/** @param place names an earlier file: such a file was closed, so nothing in it can be torn @returns where the chain stands behind it */
async function verifyFile(file: string, begin: Head, { result, onRecord }: Check, place: { file?: string } = {}): Promise<Head> {
  let head = begin;
  let number = 0;
  let torn: Buffer[] = [];
  for await (const lines of linesOf(file)) {
    for (const bytes of lines) {
      number += 1;
      const line = readLine(bytes);
      if (line === undefined) {
        torn.push(bytes);
        continue;
      }
      if (torn.length > 0) decide({ torn, next: line, head, number }, result, place);
      torn = [];
      const problem = linkProblem(line, head);
      if (problem) result.problems.push({ line: number, problem, ...place });
      // Going on from what stands there reports one fault once, not on every later line.
      head = { seq: line.seq, hash: line.hash };
      onRecord(head);
      result.count += 1;
    }
  }
  // No record follows these: a crash, or an edit of the newest line. A torn line has no whole ending; the next writer closes it.
  if (torn.length > 0) {
    const line = number - torn.length + 1;
    if (torn.some(looksWhole)) result.problems.push({ line, problem: 'was changed after it was written', ...place });
    else if (place.file !== undefined) result.problems.push({ line, problem: 'was written or cut after the file was closed', ...place });
    else result.recovered.push({ line: number, problem: 'cut by a crash, not yet closed by a record' });
  }
  return head;
}

interface Torn {
  /** Lines that are not records. */
  torn: readonly Buffer[];
  /** The record behind them, and its number. */
  next: AuditLine;
  number: number;
  /** Where the chain stands before them. */
  head: Head;
}

/** Decides about lines that are not records: closed by a `recovered` record that hashes exactly them, or a fault. */
function decide({ torn, next, head, number }: Torn, result: AuditVerification, place: { file?: string }): void {
  const first = number - torn.length;
  const bytes = Buffer.concat(torn.flatMap((line, index) => (index === 0 ? [line] : [Buffer.from('\n'), line])));
  const closed = !torn.some(looksWhole) && next.kind === 'recovered' && next.prev === head.hash && next.fragment?.sha256 === sha256(bytes);
  if (closed) result.recovered.push({ line: first, problem: `cut by a crash (${bytes.length} bytes), closed by line ${number}`, ...place });
  else
    for (let index = 0; index < torn.length; index += 1)
      result.problems.push({ line: first + index, problem: 'was changed after it was written', ...place });
}

function linkProblem(line: AuditLine, head: Head): string | undefined {
  if (line.prev === head.hash && line.seq === head.seq + 1) return undefined;
  if (line.seq > head.seq + 1) return `follows record ${head.seq} but is number ${line.seq}: ${line.seq - head.seq - 1} missing before it`;
  if (line.seq <= head.seq) return `is number ${line.seq} and stands after ${head.seq}: moved or repeated`;
  return `does not continue record ${head.seq}: that one was replaced`;
}

/** The newest `count` records, oldest first, those of closed files included. Throws `audit_invalid` when there is no file. */
export async function tailAudit(file: string, count: number): Promise<AuditLine[]> {
  const lines = await withFile(file, (handle) => lastLines(handle, count));
  const continues = lines.length < count ? lines[0]?.continues : undefined;
  if (continues === undefined || basename(continues) === basename(file)) return lines;
  const before = await tailAudit(join(dirname(file), basename(continues)), count - lines.length).catch(() => []);
  return [...before, ...lines];
}

async function withFile<T>(file: string, read: (handle: Awaited<ReturnType<typeof open>>) => Promise<T>): Promise<T> {
  const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => unreadable(file, cause));
  try {
    return await read(handle);
  } catch (cause) {
    // A folder opens like a file, and a disk fails late.
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    return unreadable(file, cause as NodeJS.ErrnoException);
  } finally {
    await handle.close();
  }
}

/** The lines of a file as bytes, as many at once as are read at once; an unfinished last one included. */
async function* linesOf(file: string): AsyncGenerator<Buffer[]> {
  let rest: Buffer = Buffer.alloc(0);
  const stream = createReadStream(file, { highWaterMark: 256 * 1024 });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const read = splitLines(rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk);
      yield read.lines;
      rest = read.rest;
    }
  } catch (cause) {
    unreadable(file, cause as NodeJS.ErrnoException);
  }
  if (rest.length > 0) yield [rest];
}

/** @throws audit_invalid */
export function refuseMissing(file: string): never {
  fail('audit_invalid', `No audit trail exists at ${file}.`, {
    hint: 'Check PROXMOX_DATA_DIR and PROXMOX_AUDIT_FILE. Nothing was recorded yet with these settings, or the file was removed. The demo has a trail of its own: add --demo.',
  });
}

function unreadable(file: string, cause: NodeJS.ErrnoException): never {
  if (cause.code === 'ENOENT') refuseMissing(file);
  fail('audit_unavailable', `The audit trail ${file} cannot be read (${cause.code}).`, { cause });
}
