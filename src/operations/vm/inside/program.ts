import { setTimeout as sleep } from 'node:timers/promises';
import { defined } from '../../../core/defined.ts';
import { asError } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { fencedOutput } from '../../../core/text/text.ts';
import type { InsideAnswer } from './inside.ts';

/** Number of looks for the end of the program, and the pause (ms) between them. */
const LOOKS = { times: 40, pauseMs: 500 };

/** Whether the policy allows the program: each argument is the same or `*`. */
export function allowsProgram(programs: readonly (readonly string[])[], asked: readonly string[]): boolean {
  return programs.some((items) => items.length === asked.length && items.every((item, index) => item === '*' || item === asked[index]));
}

interface Ended {
  exited?: number | boolean;
  exitcode?: number;
  signal?: number;
  'out-data'?: string;
  'err-data'?: string;
}

/** Runs whose ends are kept. */
const KEPT = 100;
const ends = new Map<string, Promise<InsideAnswer>>();

/**
 * The end of a run's program. The agent tells it once and then forgets the process, so it is kept for those who ask later: the caller after a
 * human's yes, and get_task.
 * @param path …/agent @param pid as the agent returned it
 */
export async function endOf(run: string, api: ProxmoxReader, path: string, pid: number | undefined): Promise<InsideAnswer> {
  const end = ends.get(run) ?? askForEnd(api, path, pid);
  ends.set(run, end);
  const [oldest] = ends.keys();
  if (ends.size > KEPT && oldest !== undefined) ends.delete(oldest);
  const answer = await end;
  // It may still run.
  if (answer.notice !== undefined) ends.delete(run);
  return answer;
}

async function askForEnd(api: ProxmoxReader, path: string, pid: number | undefined): Promise<InsideAnswer> {
  if (pid === undefined) return { notice: 'the agent returned no process id, so the outcome of the program is unknown' };
  for (let look = 1; look <= LOOKS.times; look++) {
    const seen = await api.get<Ended>(`${path}/exec-status`, { pid }).catch((thrown: unknown) => asError(thrown));
    if (seen instanceof Error) return { notice: `the outcome of the program cannot be read: ${seen.message}` };
    if (Number(seen.exited) === 1) {
      return {
        ...defined({ exit_code: seen.exitcode, signal: seen.signal }),
        ...(seen['out-data'] ? { out: fencedOutput(seen['out-data']) } : {}),
        ...(seen['err-data'] ? { err: fencedOutput(seen['err-data']) } : {}),
      };
    }
    await sleep(LOOKS.pauseMs);
  }
  return { notice: `process ${pid} still runs in the guest, so its exit code is unknown` };
}
