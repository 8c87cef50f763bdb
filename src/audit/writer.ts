import { mkdir, open, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { defined } from '../core/defined.ts';
import { fail, ProxmoxMcpError } from '../core/errors/errors.ts';
import type { FileLock } from '../core/file-lock.ts';
import { createTokenBuckets } from '../core/token-bucket.ts';
import { traceId } from '../core/trace.ts';
import type { Anchor } from './anchor.ts';
import { type AuditRecord, safe } from './record.ts';
import { createTrail, openTrailLock, refuseDevice } from './trail.ts';

/** Disk space (bytes) that reads leave free, so that a flood of them cannot keep changes and decisions from being recorded. */
const RESERVE_BYTES = 64 * 1024 * 1024;

/** Reads that one principal may do at once, and how many per second come back. Each leaves a line here, and disks are finite. */
const READS = { size: 2000, perSecond: 200 };

/** How long (ms) a look counts that found the file writable, or enough space. While it finds a fault, each call looks again. */
const FINE_MS = 250;

export interface AuditOptions {
  file: string;
  clock: Clock;
  /** Masks known secrets in any text; the last net below references and names. */
  redact?: (text: string) => string;
  /** Free bytes in a folder; tests fill the disk with it. */
  freeBytes?: (folder: string) => Promise<number>;
  /** Called for every line; closed with the audit. */
  anchor?: Anchor;
}

export interface Audit {
  /** Throws `audit_unavailable` when nothing could be written now; called before anything else is done. */
  ready(): Promise<void>;
  /**
   * Writes one line. `durable`: it is on the disk (fdatasync) when the promise resolves; for intents, outcomes, approvals and decisions.
   * Otherwise it is in the file, safe from a crash of this process. Lines of one moment share one lock and one fdatasync.
   * Throws `audit_unavailable` when it cannot be written: then nothing may be begun. `rate_limited` for a flood of reads.
   */
  append(record: AuditRecord, options: { durable: boolean }): Promise<void>;
  /** Waits for pending writes. Nothing can be appended afterwards. */
  close(): Promise<void>;
}

interface Waiting {
  record: AuditRecord;
  durable: boolean;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** Opens the audit; touches nothing until the first append, so that a server which is only probed leaves no trace. */
export function openAudit({ file, clock, redact = (text) => text, freeBytes = freeBytesOf, anchor }: AuditOptions): Audit {
  const takeRead = createTokenBuckets(READS, clock);
  const trail = createTrail(file);
  let waiting: Waiting[] = [];
  let working: Promise<void> | undefined;
  let lock: Promise<FileLock> | undefined;
  let closed = false;

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await writeBatch(batch);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    working = undefined;
  }

  async function writeBatch(batch: Waiting[]): Promise<void> {
    try {
      lock ??= prepare();
      const held = await lock;
      await held.hold(() => write(batch));
    } catch (error) {
      // A lock that could not be opened, or whose file is damaged and may be deleted, is opened again by the next append.
      const opened = await lock?.catch(() => undefined);
      if (!opened || error instanceof ProxmoxMcpError) {
        opened?.close();
        lock = undefined;
      }
      throw error;
    }
  }

  async function prepare(): Promise<FileLock> {
    await makeFolder();
    return openTrailLock(file);
  }

  async function makeFolder(): Promise<void> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    refuseDevice(file);
  }

  async function write(batch: Waiting[]): Promise<void> {
    const durable = batch.some((one) => one.durable);
    const records = batch.map(({ record }) => record);
    const head = await trail.write(records, { time: new Date(clock.now()).toISOString(), durable });
    anchor?.wrote({ head, count: batch.length, durable });
  }

  const make = shared(async () => {
    await makeFolder();
    await (await open(file, 'a', 0o600)).close();
  });
  let lastReady = Number.NEGATIVE_INFINITY;
  async function ready(): Promise<void> {
    const now = clock.now();
    if (isRecent(lastReady, now)) return;
    try {
      if (!trail.isOpen()) await make();
      lastReady = now;
    } catch (cause) {
      throw unwritable(cause, ' Nothing was done.');
    }
  }

  const free = shared(() => freeBytes(dirname(file)).catch(() => Number.POSITIVE_INFINITY));
  let lastFree = { bytes: 0, at: Number.NEGATIVE_INFINITY };

  async function append(record: AuditRecord, { durable }: { durable: boolean }): Promise<void> {
    if (closed) fail('audit_unavailable', 'The audit trail is closed, because the server is shutting down.');
    const admission = durable ? undefined : admit(record);
    if (admission) await admission;
    const line = safe(record, redact) as AuditRecord;
    const trace = traceId();
    if (trace !== undefined) line.traceId = trace;
    line.time ??= new Date(clock.now()).toISOString();
    try {
      await new Promise<void>((resolve, reject) => {
        waiting.push({ record: line, durable, resolve, reject });
        working ??= work();
      });
    } catch (cause) {
      // The caller states the consequence: this line may be about work that is done.
      throw unwritable(cause);
    }
  }

  function unwritable(cause: unknown, consequence = ''): ProxmoxMcpError {
    if (cause instanceof ProxmoxMcpError) return cause;
    const [why, hint] = reasonOf(cause);
    const options = { cause, ...defined({ hint }) };
    return new ProxmoxMcpError('audit_unavailable', `The audit trail ${file} cannot be written: ${why}.${consequence}`, options);
  }

  /** Slows a flood of reads down, and refuses reads before they fill the disk. */
  function admit(record: AuditRecord): Promise<void> | undefined {
    if (takeRead(record.principal ?? '') > 0)
      fail('rate_limited', `More than ${READS.size} reads within a short time. The limit is ${READS.perSecond} per second.`, {
        hint: 'Wait a second and call again.',
        details: { retryAfterSeconds: 1 },
      });
    const now = clock.now();
    return lastFree.bytes >= RESERVE_BYTES && isRecent(lastFree.at, now) ? undefined : refuseFull(now);
  }

  async function refuseFull(now: number): Promise<void> {
    lastFree = { bytes: await free(), at: now };
    if (lastFree.bytes >= RESERVE_BYTES) return;
    fail('audit_unavailable', `Less than 64 MiB are free for the audit trail ${file}. This space is reserved for changes and decisions.`, {
      hint: 'Free disk space. Reads then work again at once.',
    });
  }

  return {
    ready,
    append,
    async close() {
      closed = true;
      while (working) await working;
      (await lock?.catch(() => undefined))?.close();
      lock = undefined;
      await trail.close();
      await anchor?.close();
    },
  };
}

/** A clock that was set back makes a look old. */
function isRecent(at: number, now: number): boolean {
  return now >= at && now - at < FINE_MS;
}

/** Calls during a call share its result: 64 reads at once are one look at the disk. */
function shared<T>(look: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => {
    running ??= look().finally(() => {
      running = undefined;
    });
    return running;
  };
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function reasonOf(cause: unknown): [why: string, hint?: string] {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOSPC') return ['the disk is full', 'Free some disk space; changes work again at once.'];
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return ['no permission'];
  if (code?.startsWith('SQLITE_BUSY'))
    return ['another process holds its lock', 'End the process that holds the lock file beside the trail.'];
  return [message ?? 'unknown fault'];
}
