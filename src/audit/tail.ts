import type { FileHandle } from 'node:fs/promises';
import { sha256 } from '../core/hash.ts';
import { type AuditLine, type AuditRecord, chain, GENESIS, type Head, looksWhole, readLine } from './record.ts';

const NEWLINE = 0x0a;
const CHUNK = 16 * 1024;
/** More bytes than any line has. A file without a whole line in its last so many bytes is not an audit file. */
const LONGEST = 4 * 1024 * 1024;

/** The end of a file. */
export interface Tail {
  head: Head;
  /** The torn bytes that a crash left after the newest whole line. */
  fragment?: { bytes: number; sha256: string };
  /** The file does not end with a newline: the next line must begin with one. */
  unterminated: boolean;
  /** The newest line was changed after it was written. */
  broken: boolean;
}

/** Reads only the end of the file, however long the file is. */
export async function readTail(file: FileHandle): Promise<Tail> {
  return backwards(file, (bytes, atStart) => {
    const unterminated = bytes.length > 0 && bytes[bytes.length - 1] !== NEWLINE;
    const end = unterminated ? bytes.length : Math.max(0, bytes.length - 1);
    // From the newest line back to the first whole one; what lies behind it was torn.
    for (let lineEnd = end; ; ) {
      const before = lineEnd > 0 ? bytes.lastIndexOf(NEWLINE, lineEnd - 1) : -1;
      if (before === -1 && !atStart) return undefined;
      const bytesOfLine = bytes.subarray(before + 1, lineEnd);
      const line = readLine(bytesOfLine);
      const torn = bytes.subarray(line ? lineEnd + 1 : before + 1, end);
      const fragment = torn.length > 0 ? { fragment: { bytes: torn.length, sha256: sha256(torn) } } : {};
      if (line) return { head: { seq: line.seq, hash: line.hash }, unterminated, broken: false, ...fragment };
      if (looksWhole(bytesOfLine)) return { head: GENESIS, unterminated, broken: true };
      if (before === -1) return { head: GENESIS, unterminated, broken: false, ...fragment };
      lineEnd = before;
    }
  });
}

/** The first line; undefined when the file is empty or that line is not as it was written. */
export async function firstLine(file: FileHandle): Promise<AuditLine | undefined> {
  for (let size = CHUNK; size <= LONGEST; size *= 2) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(size), 0, size, 0);
    const bytes = buffer.subarray(0, bytesRead);
    const end = bytes.indexOf(NEWLINE);
    if (end !== -1 || bytesRead < size) return readLine(end === -1 ? bytes : bytes.subarray(0, end));
  }
  return undefined;
}

/** The text that continues from such an end, and where the chain stands then; a torn line is closed first. */
export function continueFrom(tail: Tail, records: readonly AuditRecord[], time: string): { text: string; head: Head } {
  let { head } = tail;
  let text = tail.unterminated ? '\n' : '';
  const torn: AuditRecord[] = tail.fragment
    ? [{ kind: 'recovered', fragment: tail.fragment, message: 'A crash cut the line before this one.' }]
    : [];
  for (const record of [...torn, ...records]) {
    const next = chain(head, record, time);
    text += next.line;
    head = next.head;
  }
  return { text, head };
}

/** The newest `count` lines, oldest first; what is not an audit line is left out. */
export async function lastLines(file: FileHandle, count: number): Promise<AuditLine[]> {
  return backwards(file, (bytes, atStart) => {
    const { lines, rest } = splitLines(bytes);
    if (rest.length > 0) lines.push(rest);
    // The first one may be cut by the chunk.
    if (!atStart && lines.length <= count) return undefined;
    return lines
      .slice(-count)
      .map((line) => readLine(line))
      .filter((line) => line !== undefined);
  });
}

/** Gives `look` a growing end of the file until it has seen enough; at the start of the file it must answer. */
async function backwards<T>(file: FileHandle, look: (bytes: Buffer, atStart: boolean) => T | undefined): Promise<T> {
  let { size: from } = await file.stat();
  const parts: Buffer[] = [];
  let length = 0;
  for (let step = CHUNK; ; step *= 2) {
    const chunk = Buffer.alloc(Math.min(step, from));
    from -= chunk.length;
    await file.read(chunk, 0, chunk.length, from);
    parts.unshift(chunk);
    length += chunk.length;
    const answer = look(Buffer.concat(parts), from === 0);
    if (answer !== undefined) return answer;
    if (from === 0) throw new Error('the file has no audit line');
    if (length > LONGEST) throw new Error(`no audit line in the last ${LONGEST} bytes`);
  }
}

/** The lines of these bytes, and what stands behind the last newline. */
export function splitLines(bytes: Buffer): { lines: Buffer[]; rest: Buffer } {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return { lines, rest: bytes.subarray(start) };
}
