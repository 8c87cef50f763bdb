import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FAULTS } from './catalogue.ts';
import { type Cell, type Judgement, nameOf, type Point, runCell, type Verdict } from './cell.ts';
import { JOBS } from './jobs.ts';
import { OUR_FAULTS } from './ours.ts';
import { PINNED } from './pinned.ts';

/**
 * The fault campaign: every request of every job meets every fault that fits it, one a cell.
 *   npm run test:faults                          all cells
 *   FAULTS_SLICE=120 npm run test:faults         the pinned cells, then as many others as fit into that many seconds
 *   FAULTS_SEED=7                                another order of the slice; the seed is printed
 *   FAULTS_CELL='start / poll' npm run test:faults   the cells whose name contains that
 */
const SLICE = Number(process.env.FAULTS_SLICE ?? 0);
const SEED = Number(process.env.FAULTS_SEED ?? Math.floor(Date.now() / 1000) % 100_000);
const ONLY = process.env.FAULTS_CELL;
const PARALLEL = Number(process.env.FAULTS_PARALLEL ?? 6);
const COLUMNS: Verdict[] = ['success', 'failure', 'half-made', 'unknown', 'lied', 'lost', 'doubled', 'hung', 'missed'];
const BAD: Verdict[] = ['lied', 'lost', 'doubled', 'hung'];

test('no fault leads to a false word, a lost or doubled change, or a call without an end', async () => {
  const began = Date.now();
  const cells = await allCells();
  const chosen = choose(cells);
  const judged: (Judgement & { cell: Cell })[] = [];
  const queue = [...chosen];
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let cell = queue.shift(); cell; cell = queue.shift()) {
        if (SLICE > 0 && Date.now() - began > SLICE * 1000 && !isPinned(cell)) continue;
        const found = await runCell(cell).catch(
          (error): Judgement => ({ verdict: 'lost', why: `the cell broke: ${error?.stack ?? error}` }),
        );
        judged.push({ ...found, cell });
        if (BAD.includes(found.verdict) || ONLY) process.stdout.write(`${found.verdict}: ${nameOf(cell)}\n    ${found.why}\n`);
      }
    }),
  );
  process.stdout.write(
    `${table(judged)}\nseed ${SEED}; ${judged.length} of ${cells.length} cells in ${Math.round((Date.now() - began) / 1000)} s\n`,
  );
  if (process.env.FAULTS_REPORT)
    writeFileSync(
      process.env.FAULTS_REPORT,
      `${judged
        .map((j) => `${j.verdict}\t${nameOf(j.cell)}\t${j.why}`)
        .sort()
        .join('\n')}\n`,
    );
  expect(judged.filter(({ verdict }) => BAD.includes(verdict)).map(({ cell, why }) => `${nameOf(cell)}: ${why}`)).toEqual([]);
});

/** One run without a fault tells which requests a job sends. */
async function allCells(): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const job of JOBS) {
    const clean = await runCell({ job });
    if (clean.verdict !== 'success') throw new Error(`${job.name} without a fault: ${clean.verdict}: ${clean.why}`);
    for (const point of firstOfEach(clean.points)) {
      for (const fault of FAULTS) if (fault.at.includes(point.where)) cells.push({ job, point, fault });
    }
    for (const ours of OUR_FAULTS) cells.push({ job, ours });
  }
  return cells;
}

/** Polls come as often as time allows: the first of each task stands for all. */
function firstOfEach(points: readonly Point[]): Point[] {
  return points.filter(({ where, key }) => where !== 'poll' || key.endsWith(' 1'));
}

function choose(cells: Cell[]): Cell[] {
  if (ONLY !== undefined) return cells.filter((cell) => nameOf(cell).includes(ONLY));
  const random = generator(SEED);
  const shuffled = cells.map((cell) => ({ cell, at: isPinned(cell) ? -1 : random() })).sort((a, b) => a.at - b.at);
  return shuffled.map(({ cell }) => cell);
}

const isPinned = (cell: Cell) => PINNED.has(nameOf(cell));

/** mulberry32: small, and the same on every machine. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function table(judged: (Judgement & { cell: Cell })[]): string {
  const line = (name: string, of: typeof judged) =>
    [
      name.padEnd(22),
      String(of.length).padStart(6),
      ...COLUMNS.map((verdict) => String(of.filter((j) => j.verdict === verdict).length).padStart(10)),
    ].join('');
  return [
    ['job'.padEnd(22), 'tried'.padStart(6), ...COLUMNS.map((verdict) => verdict.padStart(10))].join(''),
    ...JOBS.map((job) =>
      line(
        job.name,
        judged.filter((j) => j.cell.job === job),
      ),
    ),
    line('all', judged),
  ].join('\n');
}
