import { open } from 'node:fs/promises';
import type { Clock } from '../core/clock.ts';
import { faultOf } from '../core/errors/fault.ts';
import type { Log } from '../core/log.ts';
import type { AnchorPlace } from '../core/settings/settings.ts';
import { describePlace, sendCheckpoint } from './anchor-send.ts';
import { openSigner, type Signer } from './checkpoint.ts';
import type { Head } from './record.ts';

/** Records of reads alone are covered after this many of them, or after this long. */
const EVERY_RECORDS = 100;
const LATEST_MS = 60_000;
/** Least time between two checkpoints; the next one covers the records in between. */
const APART_MS = 3_000;
const TIMEOUT_MS = 5_000;
/** How long a process that ends waits for a place that does not answer. */
const LAST_TIMEOUT_MS = 2_000;
const LONGEST_PAUSE_MS = 300_000;

/** Sends the state of the audit to a second place. Never delays work: faults are logged and retried. */
export interface Anchor {
  /** Lines were written; `durable`: changes or decisions are among them, which are covered at once. */
  wrote(lines: { head: Head; count: number; durable: boolean }): void;
  /** Covers the remaining records, and ends. */
  close(): Promise<void>;
}

export interface AnchorOptions {
  place: AnchorPlace;
  auditFile: string;
  dataDir: string;
  clock: Clock;
  log: Log;
}

export function createAnchor({ place, auditFile, dataDir, clock, log }: AnchorOptions): Anchor {
  let signer: Signer | undefined;
  /** The newest line, until a checkpoint covers it. */
  let uncovered: Head | undefined;
  let count = 0;
  let dueAt = Number.POSITIVE_INFINITY;
  let notBefore = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let closed = false;
  let working: Promise<void> | undefined;
  let wake = new AbortController();
  const ending = new AbortController();

  async function work(): Promise<void> {
    while (uncovered && !closed) {
      const wait = Math.max(dueAt, notBefore) - clock.elapsed();
      if (wait > 0) {
        wake = new AbortController();
        await clock.sleep(Math.min(wait, LATEST_MS), wake.signal).catch(() => {});
      } else await cover(uncovered);
    }
    working = undefined;
  }

  async function cover(head: Head): Promise<void> {
    count = 0;
    dueAt = Number.POSITIVE_INFINITY;
    try {
      await sync(auditFile);
      signer ??= openSigner(dataDir);
      const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ending.signal]);
      await sendCheckpoint(place, signer.sign(head, new Date(clock.now()).toISOString()), signal);
      failures = 0;
      notBefore = clock.elapsed() + APART_MS;
      if (uncovered === head) uncovered = undefined;
    } catch (error) {
      failures += 1;
      dueAt = clock.elapsed();
      notBefore = dueAt + Math.min(APART_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
      log.warn(
        { place: describePlace(place), seq: head.seq, fault: faultOf(error) },
        'delivering a checkpoint of the audit failed and is retried',
      );
    }
  }

  return {
    wrote({ head, count: written, durable }) {
      if (closed) return;
      uncovered = head;
      count += written;
      const due = durable || count >= EVERY_RECORDS ? clock.elapsed() : clock.elapsed() + LATEST_MS;
      if (due < dueAt) {
        dueAt = due;
        wake.abort();
      }
      working ??= work();
    },
    async close() {
      closed = true;
      wake.abort();
      const timer = setTimeout(() => ending.abort(), LAST_TIMEOUT_MS);
      await working;
      if (uncovered && !ending.signal.aborted) await cover(uncovered);
      clearTimeout(timer);
    },
  };
}

/** Records that a checkpoint covers must survive a power cut, or the gap would look like tampering. A missing file does not stop the checkpoint. */
async function sync(file: string): Promise<void> {
  const handle = await open(file, 'r').catch(() => undefined);
  await handle
    ?.datasync()
    .catch(() => {})
    .finally(() => handle.close());
}
