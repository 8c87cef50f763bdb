import type { Clock } from '../core/clock.ts';
import { asError, fail } from '../core/errors/errors.ts';
import type { ProxmoxApi, TaskStatus } from '../core/proxmox.ts';
import { path } from './guest/encode.ts';

/** A task that has just begun may be unknown to the node for a moment. */
const YOUNG_SECONDS = 10;
/** Tasks of up to this length (ms) are polled at least every second, longer ones less often. */
const CLOSE_WATCH_MS = 30_000;
/** How long a task may show no status before the wait for it ends. */
const UNSEEN_SECONDS = 30;
/** Lines of a log in which a name is looked for; the new guest's disks are named at its beginning and end. */
const LOG_SEARCHED = 500;

/** The meaning of an exit status. `unknown`: the worker was killed, so its work must be verified. */
export type Exit = { kind: 'ok' } | { kind: 'warnings'; count: number } | { kind: 'failed'; text: string } | { kind: 'unknown' };

/** Reads the exit status of a stopped task: `OK`, `WARNINGS: n`, `unexpected status`, or the text of the failure. */
export function exitOf(exit: string): Exit {
  if (exit === 'OK') return { kind: 'ok' };
  const warnings = /^WARNINGS: (\d+)$/.exec(exit);
  if (warnings) return { kind: 'warnings', count: Number(warnings[1]) };
  return exit === 'unexpected status' ? { kind: 'unknown' } : { kind: 'failed', text: exit };
}

interface TaskRow {
  upid: string;
  status?: string;
}

type TaskApi = Pick<ProxmoxApi, 'task' | 'taskLog' | 'waitTask' | 'findTask'>;

/** A GET request with the whole answer: some lists carry their length beside `data`. */
export type Read = (path: string, params?: Record<string, string | number>) => Promise<{ data: unknown; total?: number | undefined }>;

/** Follows worker tasks with GET requests to the node in the UPID, through any endpoint. */
export function createTasks(options: { read: Read; clock: Clock; tokenId: string; serverTime: () => number }): TaskApi {
  const { read, clock, tokenId, serverTime } = options;

  /** GET /nodes/{node}/tasks/{upid}/status */
  async function status(upid: string): Promise<TaskStatus> {
    const { data } = await read(path`/nodes/${partsOf(upid).node}/tasks/${upid}/status`);
    const { status, exitstatus = 'unexpected status' } = (data ?? {}) as { status?: unknown; exitstatus?: string };
    if (status === 'running') return { upid, running: true };
    if (status === 'stopped') return { upid, running: false, exit: String(exitstatus) };
    return fail('proxmox_refused', 'The status of the task is not a valid answer of the Proxmox API.');
  }

  async function task(upid: string): Promise<TaskStatus> {
    const { startTime } = partsOf(upid);
    return status(upid).catch((thrown) => {
      const young = serverTime() - startTime < YOUNG_SECONDS;
      if (young && asError(thrown).code === 'task_unknown') return { upid, running: true };
      throw thrown;
    });
  }

  /** GET /nodes/{node}/tasks/{upid}/log: it counts from the start and shows 50 lines, while errors sit at the end. */
  async function taskLog(upid: string, lines: number): Promise<string[]> {
    const log = path`/nodes/${partsOf(upid).node}/tasks/${upid}/log`;
    const { total = lines } = await read(log, { limit: 1 });
    const { data } = await read(log, { start: Math.max(0, total - lines), limit: lines });
    // Some versions ignore `limit`.
    const texts = (data as { t: string }[]).slice(-lines).map((row) => row.t);
    return texts.length === 1 && texts[0] === 'no content' ? [] : texts;
  }

  async function mentions(upid: string, text: string): Promise<boolean> {
    const word = new RegExp(`(?<![A-Za-z0-9])${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![A-Za-z0-9])`);
    return (await taskLog(upid, LOG_SEARCHED)).some((line) => word.test(line));
  }

  return {
    task,
    taskLog,

    async waitTask(upid, { timeoutSeconds, signal, onPoll }) {
      const began = clock.elapsed();
      let seen = began;
      for (;;) {
        const left = began + timeoutSeconds * 1000 - clock.elapsed();
        if (left <= 0) return undefined;
        await clock.sleep(Math.min(left, pauseAfter(clock.elapsed() - began)), signal);
        try {
          const now = await status(upid);
          if (!now.running) return now;
          seen = clock.elapsed();
        } catch (thrown) {
          const { code, message } = asError(thrown);
          if (signal?.aborted) throw thrown;
          // An outage, a restart of a service or a lost right gives such an answer, which says nothing about the task.
          const gone = code === 'task_unknown';
          const patience = gone ? YOUNG_SECONDS : UNSEEN_SECONDS;
          if (clock.elapsed() - seen >= patience * 1000) return { upid, running: true, unseen: { why: message, gone } };
        }
        onPoll?.(Math.round((clock.elapsed() - began) / 1000));
      }
    },

    /** GET /nodes/{node}/tasks: own tasks need no privilege. The list names user and token apart, the UPID names both. */
    async findTask({ node, type, id, sinceEpoch, logMentions, isTaken }) {
      const { data } = await read(path`/nodes/${node}/tasks`, {
        source: 'all',
        since: sinceEpoch,
        typefilter: type,
        limit: 500,
        ...(/^\d+$/.test(id) ? { vmid: id } : {}),
      });
      const ours = (data as TaskRow[])
        .map((row) => ({ row, upid: parseUpid(row.upid) }))
        .filter(({ upid }) => upid?.type === type && upid.id === id && upid.user === tokenId && upid.startTime >= sinceEpoch)
        .sort((a, b) => (a.upid?.startTime ?? 0) - (b.upid?.startTime ?? 0));
      for (const { row } of ours) {
        if (await isTaken?.(row.upid)) continue;
        if (logMentions !== undefined && !(await mentions(row.upid, logMentions))) continue;
        const running = row.status === undefined || row.status === 'RUNNING';
        return { upid: row.upid, running, ...(running ? {} : { exit: row.status ?? '' }) };
      }
      return undefined;
    },
  };
}

/**
 * Milliseconds to the next poll: a sixth of the time waited so far, between 0.1 s and 1 s. The call of a task of 2 s is then answered within
 * 2.5 s.
 */
function pauseAfter(waitedMs: number): number {
  const [part, most] = waitedMs > CLOSE_WATCH_MS ? [30, 5000] : [6, 1000];
  return Math.min(Math.max(Math.floor(waitedMs / part), 100), most);
}

function partsOf(upid: string) {
  return parseUpid(upid) ?? fail('task_unknown', `'${upid.slice(0, 80)}' is not the id of a Proxmox task.`);
}

/** The parts of a UPID, Proxmox's name of a worker task. */
interface Upid {
  node: string;
  /** Epoch seconds by the node's clock. */
  startTime: number;
  /** `qmstart`, `vzdump`, … */
  type: string;
  /** The object of the task, mostly the VMID; for qmclone the source. */
  id: string;
  /** `user@realm` or `user@realm!token`. */
  user: string;
}

// A UPID becomes one segment of a path, which a proxy in between may decode. So no part may hold a character that ends or splits it.
const UPID =
  /^UPID:([a-zA-Z0-9-]+):([0-9A-F]{8}):([0-9A-F]{8,9}):([0-9A-F]{8}):([^:\s/?#%\p{Cc}]+):([^:\s/?#%\p{Cc}]*):([^:\s/?#%\p{Cc}]+):$/iu;
const MAX_LENGTH = 256;

/** Undefined for any text that is not a UPID. */
export function parseUpid(text: unknown): Upid | undefined {
  const parts = typeof text === 'string' && text.length <= MAX_LENGTH ? UPID.exec(text) : null;
  if (!parts) return undefined;
  const [, node = '', , , start = '', type = '', id = '', user = ''] = parts;
  return { node, startTime: Number.parseInt(start, 16), type, id, user };
}
