import fs from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail } from '../core/errors/errors.ts';
import { type FileLock, openFileLock } from '../core/file-lock.ts';
import type { AuditRecord, Head } from './record.ts';
import { continueFrom, readTail, type Tail } from './tail.ts';

/** The file of the audit, open between two batches. Everything but `isOpen` and `close` is called under the lock. */
interface Trail {
  /** Writes the records behind the newest line. A batch that fails leaves nothing. @returns where the chain stands then */
  write(records: readonly AuditRecord[], options: { time: string; durable: boolean }): Promise<Head>;
  /** Whether the file under this name is the one that is open, so that a line can be written to it. */
  isOpen(): boolean;
  close(): Promise<void>;
}

interface Opened {
  file: FileHandle;
  before: fs.BigIntStats;
}

/**
 * Opens the file at the first write. Looking, appending and reading the end are calls into the system's cache, and a thread would cost more
 * than they do. Only the wait for the disk has one.
 */
export function createTrail(path: string): Trail {
  let own: { handle: FileHandle; ino: bigint; dev: bigint } | undefined;
  /** How the file looked after our own last line: as long as it looks so, that line is the newest. */
  let left: { size: bigint; ctimeNs: bigint; head: Head } | undefined;

  /** The file under this name and how it looks, if it is open. */
  function current(): Opened | undefined {
    const there = own && fs.statSync(path, { bigint: true, throwIfNoEntry: false });
    // A rotation puts another file under the name; an operator may remove it.
    return own && there?.ino === own.ino && there.dev === own.dev ? { file: own.handle, before: there } : undefined;
  }

  async function opened(): Promise<Opened> {
    await close();
    refuseDevice(path);
    const handle = await open(path, 'a+', 0o600);
    const before = fs.fstatSync(handle.fd, { bigint: true });
    own = { handle, ino: before.ino, dev: before.dev };
    return { file: handle, before };
  }

  async function close(): Promise<void> {
    const former = own?.handle;
    own = undefined;
    left = undefined;
    await former?.close();
  }

  /** An edit of the newest line changes the time of the file, and so does a line of another process. */
  function knownEnd({ size, ctimeNs }: fs.BigIntStats): Tail | undefined {
    return left && left.size === size && left.ctimeNs === ctimeNs ? { head: left.head, unterminated: false, broken: false } : undefined;
  }

  return {
    isOpen: () => current() !== undefined,
    close,
    async write(records, { time, durable }) {
      // Without a wait for the disk, a line costs no turn of the event loop.
      const { file, before } = current() ?? (await opened());
      const tail = knownEnd(before) ?? (await readTail(file));
      if (tail.broken)
        fail(
          'audit_unavailable',
          `The audit trail ${path} cannot be continued, because its newest line was changed after it was written.`,
          {
            hint: 'Keep the file and find out who changed it. See "An edited audit trail" in docs/deployment.md.',
          },
        );
      const { text, head } = continueFrom(tail, records, time);
      left = undefined;
      try {
        appendAll(file.fd, Buffer.from(text));
        if (durable) await file.datasync();
        if (before.size === 0n) await syncFolder(dirname(path));
      } catch (error) {
        // A partial batch is rolled back, so that its callers learn that nothing was written.
        await file.truncate(Number(before.size)).catch(() => {});
        throw error;
      }
      const { size, ctimeNs } = fs.fstatSync(file.fd, { bigint: true });
      left = { size, ctimeNs, head };
      return head;
    },
  };
}

/** The lock for appending to the file, in a file beside it; an append holds it for about a millisecond. */
export function openTrailLock(file: string): Promise<FileLock> {
  const damaged = { code: 'audit_unavailable', hint: 'Delete that file. It contains no data.' } as const;
  return openFileLock(`${file}.lock`, { patienceMs: 15_000, damaged });
}

/** A single write may take only a part. */
function appendAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += fs.writeSync(fd, bytes, at);
}

/** Devices and pipes take every line and keep none; opening a pipe would even wait for a reader. */
export function refuseDevice(path: string): void {
  const found = fs.statSync(path, { throwIfNoEntry: false });
  if (found && !found.isFile()) throw new Error('it is not a regular file');
}

/** A new file survives a power cut only once its folder is on the disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}
