import { FAULTS, type Fault, type Where } from './catalogue.ts';
import { type Cell, runCell } from './cell.ts';
import type { Job } from './jobs.ts';
import { OUR_FAULTS } from './ours.ts';
import { firstOfEach, type Point } from './points.ts';

/** Pairs of a lost or odd answer to a change and a fault of what is asked next. */
const PAIRS = 100;

/** Every cell. One run of each job without a fault tells which requests it sends. */
export async function allCells(jobs: readonly Job[], random: () => number): Promise<Cell[]> {
  const known = await Promise.all(jobs.map(async (job) => ({ job, points: await pointsOf(job) })));
  return [...known.flatMap(({ job, points }) => cellsOf(job, points)), ...drawn(known.flatMap(pairsOf), PAIRS, random)];
}

async function pointsOf(job: Job): Promise<Point[]> {
  const clean = await runCell({ job, strikes: [] });
  if (clean.ending !== 'success') throw new Error(`${job.name} without a fault: ${clean.ending}: ${clean.why}`);
  return firstOfEach(clean.points, job).filter(({ where }) => !job.only || job.only.includes(where));
}

function cellsOf(job: Job, points: readonly Point[]): Cell[] {
  const single = points.flatMap((point) => fitting(point).map((fault): Cell => ({ job, strikes: [{ point, fault }] })));
  const first = (where: Where) => points.find((point) => point.where === where);
  const left = points.filter((point) => point.where === 'mutation' || point.where === 'poll');
  const cancelled = [first('plan-read'), first('redeem-read'), ...left].filter((point) => point !== undefined);
  return [
    ...single,
    ...cancelled.map((point): Cell => ({ job, strikes: [], cancelled: point })),
    ...OUR_FAULTS.map((ours): Cell => ({ job, strikes: [], ours })),
    ...hidden(job, points),
  ];
}

const fitting = ({ where, key }: Point) => FAULTS.filter(({ at, fits }) => at.includes(where) && (!fits || fits.test(key)));
const named = (names: readonly string[], where: Where) => FAULTS.filter(({ name, at }) => names.includes(name) && at.includes(where));

/** The answer to a change is lost, and what is looked for then is filtered, partial or silent; a killed worker has no readable log. */
function hidden(job: Job, points: readonly Point[]): Cell[] {
  const lost = named(['reset-after'], 'mutation')[0];
  const killed = named(['killed-done'], 'poll')[0];
  return points.flatMap((point): Cell[] => {
    const node = /\/nodes\/([^/]+)/.exec(point.key)?.[1];
    if (point.where === 'mutation' && lost) {
      const tasks: Point = { where: 'late-read', key: `/nodes/${node}/tasks 1` };
      const faults = named(['403', 'null', 'empty-list', 'half-of-the-rows', 'rows-without-facts', '502-passed-on'], 'late-read');
      return faults.map((fault) => ({
        job,
        strikes: [strike(point, lost), strike(tasks, { ...fault, stays: true, hidesTasks: true, name: `${fault.name}-for-good` })],
      }));
    }
    if (point.where === 'poll' && killed) {
      const log: Point = { where: 'task-log', key: point.key };
      return named(['403', 'null', 'garbage', 'reset-before'], 'task-log').map((fault) => ({
        job,
        strikes: [strike(point, killed), strike(log, fault)],
      }));
    }
    return [];
  });
}

function pairsOf({ job, points }: { job: Job; points: readonly Point[] }): Cell[] {
  return points
    .filter(({ where }) => where === 'mutation')
    .flatMap((change) => {
      const poll = points.find(({ where, key }) => where === 'poll' && key === `of ${change.key}`);
      if (!poll) return [];
      return fitting(change)
        .filter((fault) => !fault.instead && fault.late !== 0)
        .flatMap((one) => fitting(poll).map((two): Cell => ({ job, strikes: [strike(change, one), strike(poll, two)] })));
    });
}

const strike = (point: Point, fault: Fault) => ({ point, fault });

function drawn<T>(from: T[], count: number, random: () => number): T[] {
  return from
    .map((one) => ({ one, at: random() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, count)
    .map(({ one }) => one);
}
