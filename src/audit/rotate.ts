import { existsSync } from 'node:fs';
import { link, open, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { fail, ProxmoxMcpError } from '../core/errors/errors.ts';
import { type AuditRecord, chain } from './record.ts';
import { continueFrom, firstLine, readTail } from './tail.ts';
import { openTrailLock } from './trail.ts';
import { refuseMissing } from './verify.ts';

interface Rotated {
  /** Where the closed file is now, beside the new one. */
  closed: string;
  /** Numbers of its records. */
  from: number;
  to: number;
}

/**
 * Closes the audit with a last record and begins a new file under the same name, whose first record continues from it: the chain is one.
 * Servers that are running continue in the new file by themselves. A crash in between leaves the old file in its place.
 * @param by who did it, for both records
 * @throws audit_invalid when there is nothing to close or its newest line was changed
 */
export async function rotateAudit(file: string, by: Pick<AuditRecord, 'principal' | 'owner' | 'channel'>, clock: Clock): Promise<Rotated> {
  if (!existsSync(file)) refuseMissing(file);
  try {
    const lock = await openTrailLock(file);
    return await lock.hold(() => rotate(file, by, new Date(clock.now()).toISOString())).finally(() => lock.close());
  } catch (cause) {
    if (cause instanceof ProxmoxMcpError) throw cause;
    fail('audit_unavailable', `The audit trail ${file} cannot be closed: ${(cause as Error).message}.`, { cause });
  }
}

async function rotate(file: string, by: Partial<AuditRecord>, time: string): Promise<Rotated> {
  const handle = await open(file, 'r+');
  const record = { ...by, kind: 'rotated' as const };
  try {
    const [first, tail] = [await firstLine(handle), await readTail(handle)];
    if (tail.broken) fail('audit_invalid', `The newest line of ${file} was changed after it was written. The file was not closed.`);
    if (!first) fail('audit_invalid', `${file} has no record, or its first record was changed. The file was not closed.`);
    const last = continueFrom(tail, [{ ...record, status: 'closed', message: 'The trail continues in a new file.' }], time);
    await handle.write(last.text, (await handle.stat()).size);
    await handle.datasync();
    const closed = join(dirname(file), `${basename(file, extname(file))}.${first.seq}-${last.head.seq}${extname(file)}`);
    const next = chain(last.head, { ...record, status: 'opened', continues: basename(closed) }, time);
    await writeFile(`${file}.new`, next.line, { mode: 0o600, flush: true });
    await link(file, closed);
    await rename(`${file}.new`, file);
    return { closed, from: first.seq, to: last.head.seq };
  } finally {
    await handle.close();
  }
}
