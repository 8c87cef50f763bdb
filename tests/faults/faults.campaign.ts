import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { beside } from './beside.ts';
import { type Cell, type Evaluation, nameOf, runCell } from './cell.ts';
import { allCells } from './enumerate.ts';
import { JOBS } from './jobs.ts';
import { PINNED } from './pinned.ts';
import { BAD, tables } from './tables.ts';

/**
 * The fault campaign: every request of every job meets every fault that fits it, one a cell; then pairs of faults, faults of our own store and
 * audit, and clients that cancel.
 *   npm run test:faults                          all cells
 *   FAULTS_SLICE=120 npm run test:faults         the pinned cells, then as many others as begin within that many seconds
 *   FAULTS_SEED=7                                another draw of pairs, another order of the slice; the seed is printed
 *   FAULTS_CELL='start / poll' npm run test:faults   the cells whose name contains that; several: a|b
 *   FAULTS_CLUSTERS=2                            every cell with another cluster beside its own; 1: none. Default: a half of them, by the seed
 *   FAULTS_REPORT=faults.tsv                     ending, cell and facts, a line a cell
 */
const SLICE = Number(process.env.FAULTS_SLICE ?? 0);
const SEED = Number(process.env.FAULTS_SEED ?? Math.floor(Date.now() / 1000) % 100_000);
const ONLY = process.env.FAULTS_CELL?.split('|');
const CLUSTERS = process.env.FAULTS_CLUSTERS;
const PARALLEL = 16;

test('no fault leads to a false word, a lost or doubled change, or a call without an end', async () => {
  const began = Date.now();
  const random = generator(SEED);
  const named = JOBS.filter(({ name }) => ONLY?.some((part) => part.startsWith(`${name} /`)));
  const cells = await allCells(named.length > 0 ? named : JOBS, random);
  const queue = choose(cells, random).map((cell) => ({ ...cell, beside: CLUSTERS ? CLUSTERS === '2' : random() < 0.5 }));
  // A pinned cell whose request the job sends no more would guard nothing.
  if (!ONLY) expect([...PINNED].filter((name) => !cells.some((cell) => nameOf(cell) === name))).toEqual([]);
  expect(queue.length, `cells whose name contains ${ONLY?.join(' or ')}`).toBeGreaterThan(0);
  const evaluated: Found[] = [];
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let cell = queue.shift(); cell; cell = queue.shift()) {
        if (SLICE > 0 && Date.now() - began > SLICE * 1000 && !isPinned(cell)) continue;
        const found = { ...(await evaluationOf(cell)), cell };
        evaluated.push(found);
        if (BAD.includes(found.ending) || ONLY) process.stdout.write(`${lineOf(found, '\n    ')}\n`);
      }
    }),
  );
  const seconds = Math.round((Date.now() - began) / 1000);
  process.stdout.write(`${tables(evaluated)}\nseed ${SEED}; ${evaluated.length} of ${cells.length} cells in ${seconds} s\n`);
  if (process.env.FAULTS_REPORT)
    writeFileSync(
      process.env.FAULTS_REPORT,
      `${evaluated
        .map((found) => lineOf(found, '\t'))
        .sort()
        .join('\n')}\n`,
    );
  const other = await beside.opened();
  expect(other?.changes() ?? []).toEqual([]);
  await other?.close();
  expect(evaluated.filter(({ ending }) => BAD.includes(ending)).map((found) => lineOf(found, ' '))).toEqual([]);
});

type Found = Evaluation & { cell: Cell };

async function evaluationOf(cell: Cell): Promise<Evaluation> {
  return runCell(cell).catch((error): Evaluation => ({ ending: 'lost', why: `the cell broke: ${error?.stack ?? error}` }));
}

const lineOf = ({ ending, why, cell }: Found, separator: string) =>
  `${ending}\t${nameOf(cell)}${cell.beside ? ' (two clusters)' : ''}${separator}${why}`;

function choose(cells: Cell[], random: () => number): Cell[] {
  if (ONLY) return cells.filter((cell) => ONLY.some((part) => nameOf(cell).includes(part)));
  const at = new Map(cells.map((cell) => [cell, isPinned(cell) ? -1 : random()]));
  return [...cells].sort((a, b) => (at.get(a) ?? 0) - (at.get(b) ?? 0));
}

function isPinned(cell: Cell): boolean {
  return PINNED.has(nameOf(cell));
}

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
