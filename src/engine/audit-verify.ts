import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { fail } from '../core/errors.ts';
import { type AuditLine, GENESIS, type Head, looksWhole, readLine, sha256 } from './audit-record.ts';
import { lastLines } from './audit-tail.ts';

export interface AuditProblem {
  /** Line of the file, from 1. */
  line: number;
  problem: string;
}

export interface AuditVerification {
  file: string;
  /** Whole lines. */
  count: number;
  /** Hash of the newest line. */
  head: string;
  /** Empty: nothing was edited, swapped, inserted or taken out. */
  problems: AuditProblem[];
  /** Lines that crashes tore and the next writer closed; nothing is wrong with them. */
  recovered: AuditProblem[];
}

/**
 * Reads the whole file and checks every line against the one before it.
 * Throws `audit_invalid` when there is no file; what is wrong inside is returned.
 */
export async function verifyAudit(file: string): Promise<AuditVerification> {
  const result: AuditVerification = { file, count: 0, head: GENESIS.hash, problems: [], recovered: [] };
  let head: Head = GENESIS;
  let number = 0;
  let torn: Buffer[] = [];
  for await (const bytes of linesOf(file)) {
    number += 1;
    const line = readLine(bytes);
    if (line === undefined) {
      torn.push(bytes);
      continue;
    }
    if (torn.length > 0) settle(torn, line, head, number, result);
    torn = [];
    const problem = linkProblem(line, head);
    if (problem) result.problems.push({ line: number, problem });
    // Going on from what stands there reports one fault once, not on every later line.
    head = { seq: line.seq, hash: line.hash };
    result.count += 1;
  }
  // Nobody wrote after these: a crash, or an edit of the newest line. A torn line has no whole ending; the next writer closes it.
  if (torn.length > 0) {
    if (torn.some(looksWhole)) result.problems.push({ line: number - torn.length + 1, problem: 'was changed after it was written' });
    else result.recovered.push({ line: number, problem: 'torn by a crash; the next record will close it' });
  }
  return { ...result, head: head.hash };
}

/** Decides about lines that are none: closed by a `recovered` record that hashes exactly them, or a fault. */
function settle(torn: Buffer[], next: AuditLine, head: Head, number: number, result: AuditVerification): void {
  const first = number - torn.length;
  const bytes = Buffer.concat(torn.flatMap((line, index) => (index === 0 ? [line] : [Buffer.from('\n'), line])));
  const closed = !torn.some(looksWhole) && next.kind === 'recovered' && next.prev === head.hash && next.fragment?.sha256 === sha256(bytes);
  if (closed) result.recovered.push({ line: first, problem: `torn by a crash (${bytes.length} bytes), closed by line ${number}` });
  else
    for (let index = 0; index < torn.length; index += 1)
      result.problems.push({ line: first + index, problem: 'was changed after it was written' });
}

function linkProblem(line: AuditLine, head: Head): string | undefined {
  if (line.prev === head.hash && line.seq === head.seq + 1) return undefined;
  if (line.seq > head.seq + 1) return `follows record ${head.seq} but is number ${line.seq}: ${line.seq - head.seq - 1} missing before it`;
  if (line.seq <= head.seq) return `is number ${line.seq} and stands after ${head.seq}: moved or repeated`;
  return `does not continue record ${head.seq}: that one was replaced`;
}

/** The newest `count` records. Throws `audit_invalid` when there is no file. */
export async function tailAudit(file: string, count: number): Promise<AuditLine[]> {
  const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => unreadable(file, cause));
  try {
    return await lastLines(handle, count);
  } finally {
    await handle.close();
  }
}

/** The lines of a file as bytes; an unfinished last one included. */
async function* linesOf(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  const stream = createReadStream(file, { highWaterMark: 256 * 1024 });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      let start = 0;
      for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, start)) {
        yield bytes.subarray(start, end);
        start = end + 1;
      }
      rest = bytes.subarray(start);
    }
  } catch (cause) {
    unreadable(file, cause as NodeJS.ErrnoException);
  }
  if (rest.length > 0) yield rest;
}

function unreadable(file: string, cause: NodeJS.ErrnoException): never {
  if (cause.code === 'ENOENT') {
    fail('audit_invalid', `There is no audit trail at ${file}.`, {
      hint: 'Nothing was recorded yet with these settings, or the file was removed. Check PROXMOX_DATA_DIR and PROXMOX_AUDIT_FILE.',
    });
  }
  fail('audit_invalid', `The audit trail ${file} cannot be read (${cause.code}).`, { cause });
}
