import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Agent, connectAgent, openPlace, type Place } from '../e2e/harness.ts';
import { changing } from './changing.ts';
import { clusterOf } from './cluster.ts';
import type { Answer, Call, Job } from './job.ts';
import { making } from './making.ts';
import { questions } from './questions.ts';
import { publish, published, type Row, tableOf, tokens } from './table.ts';
import { upkeep } from './upkeep.ts';

const jobs = [...questions, ...making, ...changing, ...upkeep].sort((a, b) => a.number - b.number);
const rows: Row[] = [];
let place: Place;
let agent: Agent;

/** One day on one cluster: a job finds what those before it left. */
describe('thirty jobs of an operator, by a real client through the shipped server', () => {
  beforeAll(async () => {
    place = await openPlace({ timeScale: 0.02 }, { PROXMOX_TOOLSETS: 'all', PROXMOX_MEDIA_HOSTS: 'cdimage.debian.org' });
    const policy = join(dirname(place.dataDir), 'policy.json');
    writeFileSync(policy, JSON.stringify({ run: [{ match: { vmid: [107] }, argv: [['systemctl', 'status', '*']] }] }));
    place.env.PROXMOX_POLICY_FILE = policy;
    agent = await connectAgent(place);
  });
  afterAll(async () => {
    await agent.close();
    await place.close();
  });

  it.each(jobs)('$number: $prompt', async (job) => {
    await perform(job);
  });

  it('are all done, with at most 55 calls and 10,000 tokens of answers', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    expect(rows.flatMap(({ tools }) => tools).length).toBeLessThanOrEqual(55);
    expect(rows.reduce((sum, { out }) => sum + out, 0)).toBeLessThanOrEqual(10_000);
  });

  it('call what docs/benchmarks.md says', () => {
    if (process.env.JOBS_WRITE === '1' && rows.length === jobs.length) publish(tableOf(rows));
    // Tokens differ by a few from run to run: identifiers and ages are in the answers.
    const calls = (table: string) => table.split('\n').map((line) => line.split('|').slice(1, 5));
    expect(calls(published())).toEqual(calls(tableOf(rows)));
  });
});

async function perform({ number, prompt, calls, fault, done }: Job): Promise<void> {
  const before = place.mutations().length;
  if (fault) place.simulator.faults.add(fault);
  const answers: Answer[] = [];
  const progress: string[] = [];
  const row: Row = { number, prompt, tools: [], in: 0, out: 0 };
  for (const one of calls) {
    const args = typeof one.args === 'function' ? one.args(answers) : one.args;
    const answer = await (one.dies ? killed(one, args) : answerOf(one, args, progress));
    answers.push(answer);
    row.tools.push(one.tool);
    row.in += tokens(args);
    row.out += tokens(answer);
  }
  const cluster = clusterOf(place, before);
  try {
    await done(answers, cluster, progress);
  } finally {
    cluster.close();
  }
  rows.push(row);
}

async function answerOf({ tool, error }: Call, args: object, progress: string[]): Promise<Answer> {
  const result = await agent.client.callTool(
    { name: tool, arguments: args as Record<string, unknown> },
    { timeout: 120_000, onprogress: ({ message }) => void progress.push(message ?? '') },
  );
  const answer = (result.structuredContent ?? {}) as Answer;
  expect(answer.error?.code, JSON.stringify(answer)).toBe(error);
  return answer;
}

/** The call of a server that is killed while the cluster holds its request: the client gets no answer. */
async function killed({ tool }: Call, args: object): Promise<Answer> {
  const lost = expect(agent.tool(tool, args)).rejects.toThrow();
  await place.simulator.faults.untilHeld();
  process.kill(agent.pid, 'SIGKILL');
  await lost;
  place.simulator.faults.release();
  agent = await connectAgent(place);
  return {};
}
