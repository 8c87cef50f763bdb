import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as realSleep } from 'node:timers/promises';
import { verifyAudit } from '../../src/audit/verify.ts';
import type { Cell, Ending, Evaluation } from './cell.ts';
import { CANARY } from './jobs.ts';
import { fastClock, sleep } from './pace.ts';
import { type Answer, type Place, SILENCE_MS, WAIT_SECONDS } from './place.ts';
import type { Seen } from './proxy.ts';

/** Longest wait for the first answer: the deadlines of the call and of its approval, and what a bounded wait adds (s). */
const ANSWER_WITHIN = WAIT_SECONDS + 75;

/** Calls, waits until nothing can change any more, and compares. */
export async function evaluate(cell: Cell, place: Place): Promise<Evaluation> {
  const { first, operation } = cell.job;
  if (first) {
    const answer = await place.call(operation, first);
    if (answer.result?.kind !== 'done') throw new Error(`the call before: ${describe(answer)}`);
  }
  const earlier = place.runs().length;
  place.arm();
  const answer = await Promise.race([place.ask(place.client), sleep(ANSWER_WITHIN).then(() => undefined)]);
  if (!answer) return { ending: 'hung', why: `no answer after ${ANSWER_WITHIN} s` };
  const atAnswer = await place.state();
  const said = describe(answer);
  const isClean = cell.strikes.length === 0 && !cell.ours && !cell.cancelled;
  if (!isClean && !place.isStruck()) return { ending: 'missed', why: said };
  if (answer.result?.kind === 'done' && atAnswer !== 'goal') return { ending: 'lied', why: `${said}, but the cluster shows ${atAnswer}` };
  if (answer.error?.code === 'internal') return { ending: 'lied', why: said };
  await untilStill(cell, place, earlier);
  place.disarm();
  const final = await place.state();
  const runs = place.runs();
  const run = runs.length > earlier ? runs[0] : undefined;
  const facts = `${said}; run ${run?.status ?? 'none'}; cluster ${atAnswer} → ${final}`;
  const bad = (ending: Ending, why: string): Evaluation => ({ ending, why: `${why} (${facts})` });

  const twice = doubled(place.seen);
  if (twice) return bad('doubled', `${twice} was executed twice`);
  const trail = await verifyAudit(place.auditFile);
  if (trail.problems.length > 0) return bad('lost', 'the audit does not verify');
  const leaked = secretIn(place.dataDir);
  if (leaked) return bad('lied', `the password is in ${leaked}`);
  const [stray] = place.strays();
  if (stray) return bad('lied', `the table ${stray} has a row of the cluster beside`);
  if (run?.status === 'executing') return bad('hung', 'the run never ends');
  if (run?.status === 'succeeded' && final !== 'goal') return bad('lied', 'the run says succeeded');
  if (run?.status === 'failed' && final === 'goal') return bad('lied', 'the run says failed');
  const open = cell.strikes.some(({ point, fault }) => point.where === 'mutation' && fault.late === 0);
  if (run?.status === 'failed' && open) return bad('lied', 'the run says failed although the request may still be executed');
  if (run && run.status !== 'unknown' && !hasOutcome(place.auditFile, run.id)) return bad('lost', 'the audit has no outcome of the run');
  if (!run && final !== 'before') return bad('lost', 'there is no run');

  if (run?.status === 'unknown') {
    // A guest may be gone by another client's hand; only the task tells whether our DELETE is still to come.
    const isHidden =
      cell.strikes.some(({ fault }) => fault.hidesTasks) && cell.strikes.some(({ point }) => point.key.startsWith('DELETE '));
    return open || isHidden ? { ending: 'unknown', why: facts } : bad('lied', 'the run stays unknown although the state shows the outcome');
  }
  if (answer.result?.kind === 'done') return { ending: 'success', why: facts };
  if (final === 'goal') {
    const leftOpen = answer.result?.kind === 'running' || answer.error?.code === 'outcome_unknown';
    return leftOpen ? { ending: 'success', why: facts } : bad('lied', 'the answer says failed');
  }
  const sentBefore = place.seen.length;
  // What hangs without an answer holds its reservation until the read is given up, by a real clock; a caller would come back later, too.
  if (answer.error?.code === 'out_of_time') await realSleep(SILENCE_MS);
  const again = await place.ask();
  await untilStill(cell, place, earlier);
  const end = await place.state();
  // A new call makes a new backup: the delete that follows rests on it.
  // A task that failed has done nothing: its request may be sent once more.
  const failed =
    answer.error?.code === 'task_failed' ? place.seen.slice(0, sentBefore).findLast(({ status }) => status === 200) : undefined;
  const twiceAgain = doubled(place.seen.filter((one) => one !== failed && !one.path.endsWith('/vzdump')));
  if (twiceAgain) return bad('doubled', `the call again: ${twiceAgain} was executed twice`);
  if (end !== 'goal') return bad('lied', `the call again: ${describe(again)}, the cluster shows ${end}`);
  return { ending: final === 'partly' ? 'half-made' : 'failure', why: facts };
}

/** Waits until nothing is executing and nothing unknown can still change. */
async function untilStill({ strikes, ours }: Cell, place: Place, earlier: number): Promise<void> {
  const began = fastClock.now();
  const late = Math.max(0, ...strikes.map(({ fault }) => fault.late ?? 0));
  const atLeast = Math.max(late, ...strikes.map(({ fault }) => fault.outage ?? 0)) + 1;
  const silence = strikes.some((one) => one.fault.silence) ? 200 : 0;
  const atMost = late + silence + (ours?.seconds ?? 0) + 150;
  for (;;) {
    const passed = (fastClock.now() - began) / 1000;
    const runs = place.runs();
    const isOpen = runs.slice(0, runs.length - earlier).some(({ status }) => status === 'executing' || status === 'unknown');
    if ((!isOpen && !place.disordered() && passed >= atLeast) || passed > atMost) return;
    await sleep(1);
  }
}

/** A change that Proxmox accepted twice: the same method, path and parameters. */
function doubled(seen: readonly Seen[]): string | undefined {
  const accepted = seen
    .filter(({ status }) => status === 200)
    .map(({ method, path, params }) => `${method} ${path} ${params.replace(/digest=[^&]*/, '')}`);
  return accepted.find((one, index) => accepted.indexOf(one) !== index)?.slice(0, 120);
}

function hasOutcome(file: string, runId: string): boolean {
  return readFileSync(file, 'utf8')
    .split('\n')
    .some((line) => line.includes(runId) && /"kind":"(outcome|reconciled)"/.test(line));
}

function secretIn(folder: string): string | undefined {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .find((file) => readFileSync(file).includes(CANARY));
}

function describe({ result, error }: Answer): string {
  if (error) return `${error.code}: ${error.message.slice(0, 200)}`;
  return result?.kind === 'done' ? `done ${JSON.stringify(result.output).slice(0, 300)}` : (result?.kind ?? 'nothing');
}
