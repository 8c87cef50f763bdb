import { expect, it } from 'vitest';
import type { Agent, Place } from '../e2e/harness.ts';
import { changing } from './changing.ts';
import { clusterOf } from './cluster.ts';
import type { Answer, Call, Job } from './job.ts';
import { making } from './making.ts';
import { questions } from './questions.ts';
import { publish, published, type Row, tokens } from './table.ts';
import { upkeep } from './upkeep.ts';

const jobs = [...questions, ...making, ...changing, ...upkeep].sort((a, b) => a.number - b.number);

/** Where the jobs are done. */
export interface Day {
  /** The cluster that the operator speaks of. */
  place: Place;
  agent: Agent;
  /** Another one after the server was killed. */
  reconnect(): Promise<Agent>;
  /** The calls that the agent makes instead of one, each with the error that it expects. Default: the call itself. */
  callsOf?(call: Call, args: object): { args: object; error: string | undefined; note?: string }[];
  /** What a job's assertions see of an answer. Default: all of it. */
  shown?(call: Call, answer: Answer): Answer;
  /** After each job. */
  after?(job: Job): void;
}

/** The policy of the cluster: the program that job 28 runs needs no approval of its own. */
export const POLICY = JSON.stringify({ run: [{ match: { vmid: [107] }, argv: [['systemctl', 'status', '*']] }] });
export const SETTINGS = { PROXMOX_TOOLSETS: 'all', PROXMOX_MEDIA_HOSTS: 'cdimage.debian.org' };

/**
 * One day: a job finds what those before it left.
 * @param most calls and tokens of answers
 */
export function thirtyJobs(
  day: () => Day,
  most: { calls: number; out: number },
  table: { name: string; of: (rows: readonly Row[]) => string },
) {
  const rows: Row[] = [];

  it.each(jobs)('$number: $prompt', async (job) => {
    rows.push(await perform(day(), job));
    day().after?.(job);
  });

  it(`are all done, with at most ${most.calls} calls and ${most.out} tokens of answers`, () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    expect(rows.flatMap(({ tools }) => tools).length).toBeLessThanOrEqual(most.calls);
    expect(rows.reduce((sum, { out }) => sum + out, 0)).toBeLessThanOrEqual(most.out);
  });

  it('call what docs/benchmarks.md says', () => {
    if (process.env.JOBS_WRITE === '1' && rows.length === jobs.length) publish(table.name, table.of(rows));
    // Tokens differ by a few from run to run: identifiers and ages are in the answers.
    const calls = (text: string) => text.split('\n').map((line) => line.split('|').slice(1, -3));
    expect(calls(published(table.name))).toEqual(calls(table.of(rows)));
  });
}

async function perform(day: Day, { number, prompt, calls, fault, done }: Job): Promise<Row> {
  const { place } = day;
  const before = place.mutations().length;
  if (fault) place.simulator.faults.add(fault);
  const answers: Answer[] = [];
  const progress: string[] = [];
  const row: Row = { number, prompt, tools: [], in: 0, out: 0 };
  for (const one of calls) {
    const wanted = typeof one.args === 'function' ? one.args(answers) : one.args;
    const asked = day.callsOf?.(one, wanted) ?? [{ args: wanted, error: one.error }];
    let answer: Answer = {};
    for (const { args, error, note } of asked) {
      answer = await (one.dies ? killed(day, one, args) : answerOf(day.agent, one.tool, args, error, progress));
      row.tools.push(note === undefined ? `\`${one.tool}\`` : `\`${one.tool}\` (${note})`);
      row.in += tokens(args);
      row.out += tokens(answer);
    }
    answers.push(day.shown?.(one, answer) ?? answer);
  }
  const cluster = clusterOf(place, before);
  try {
    await done(answers, cluster, progress);
  } finally {
    cluster.close();
  }
  return row;
}

async function answerOf({ client }: Agent, name: string, args: object, error: string | undefined, progress: string[]): Promise<Answer> {
  const result = await client.callTool(
    { name, arguments: args as Record<string, unknown> },
    { timeout: 120_000, onprogress: ({ message }) => void progress.push(message ?? '') },
  );
  const answer = (result.structuredContent ?? {}) as Answer;
  expect(answer.error?.code, JSON.stringify(answer)).toBe(error);
  return answer;
}

/** The call of a server that is killed while the cluster holds its request: the client gets no answer. */
async function killed(day: Day, { tool }: Call, args: object): Promise<Answer> {
  const { faults } = day.place.simulator;
  const lost = expect(day.agent.tool(tool, args)).rejects.toThrow();
  await faults.untilHeld();
  process.kill(day.agent.pid, 'SIGKILL');
  await lost;
  faults.release();
  day.agent = await day.reconnect();
  return {};
}
