import { setTimeout as sleep } from 'node:timers/promises';
import { defined } from '../../../core/defined.ts';
import { asError } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import type { JsonObject } from '../../../core/text/json.ts';
import { fencedOutput } from '../../../core/text/text.ts';

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

/**
 * The end of a program, which the agent tells once and then forgets; with a notice while it is not known.
 * @param path …/agent @param pid as the agent returned it
 */
export async function endOf(api: ProxmoxReader, path: string, pid: number | undefined): Promise<JsonObject> {
  if (pid === undefined) return { notice: 'the agent returned no process id, so the outcome of the program is unknown' };
  for (let look = 1; look <= LOOKS.times; look++) {
    const seen = await api.get<Ended>(`${path}/exec-status`, { pid }).catch((thrown: unknown) => asError(thrown));
    if (seen instanceof Error) return { notice: `the outcome of the program cannot be read: ${seen.message}` };
    if (Number(seen.exited) === 1) {
      return {
        ...defined({ exit_code: whole(seen.exitcode), signal: whole(seen.signal) }),
        ...(seen['out-data'] ? { out: fencedOutput(seen['out-data']) } : {}),
        ...(seen['err-data'] ? { err: fencedOutput(seen['err-data']) } : {}),
      };
    }
    await sleep(LOOKS.pauseMs);
  }
  return { notice: `process ${pid} still runs in the guest, so its exit code is unknown` };
}

/** The agent is part of the guest, and may answer anything. */
const whole = (value: unknown): number | undefined => (Number.isInteger(value) ? (value as number) : undefined);
