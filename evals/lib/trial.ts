import { defined } from '../../src/core/defined.ts';
import { type Finding, findings, unapproved } from './check.ts';
import { type Play, perform } from './stage.ts';
import type { Task, Theme } from './task.ts';

/** One agent on one task. */
export interface Trial {
  theme: string;
  task: string;
  agent: string;
  solved: boolean;
  findings: Finding[];
  /** Destructive requests that no approval covers. */
  unapproved: number;
  calls: number;
  /** Tokens as the endpoint counts them. */
  tokens?: number;
  seconds: number;
  /** The agent broke off. */
  error?: string;
  /** What the agent said, for a reader. */
  said: string[];
}

export interface Candidate {
  agent: string;
  /** How this agent plays a task; `used` is called with the tokens that it used. */
  play(task: Task, used: (tokens: number) => void): Play;
}

async function trial({ theme }: Theme, task: Task, { agent, play }: Candidate, binary: string): Promise<Trial> {
  const start = performance.now();
  let tokens: number | undefined;
  let error: string | undefined;
  const go = play(task, (used) => {
    tokens = (tokens ?? 0) + used;
  });
  const guarded: Play = async (session) => {
    try {
      await go(session);
    } catch (cause) {
      error = (cause as Error).message;
    }
  };
  const common = { theme, task: task.name, agent };
  const seconds = () => Math.round((performance.now() - start) / 100) / 10;
  const broken = { ...common, solved: false, findings: [], unapproved: 0, calls: 0, said: [] };
  return perform(task, guarded, binary, async (record) => {
    const found = await findings(task.expect, record);
    return {
      ...common,
      solved: error === undefined && found.every(({ problem }) => problem === undefined),
      findings: found,
      unapproved: unapproved(record).length,
      calls: record.calls.length,
      ...defined({ tokens, error }),
      seconds: seconds(),
      said: record.said,
    };
  }).catch((cause: Error) => ({ ...broken, seconds: seconds(), error: `the task cannot be set up: ${cause.message}` }));
}

/** Every candidate on every task, `jobs` at a time, in a stable order. */
export async function trials(
  themes: Theme[],
  candidates: Candidate[],
  { binary, jobs, onTrial }: { binary: string; jobs: number; onTrial: (trial: Trial) => void },
): Promise<Trial[]> {
  const work = themes.flatMap((theme) => theme.tasks.flatMap((task) => candidates.map((candidate) => ({ theme, task, candidate }))));
  const done: Trial[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < work.length; index = next++) {
      const { theme, task, candidate } = work[index] as (typeof work)[number];
      const result = await trial(theme, task, candidate, binary);
      done[index] = result;
      onTrial(result);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return done;
}
