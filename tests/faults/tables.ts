import type { Cell, Ending, Evaluation } from './cell.ts';

const COLUMNS: Ending[] = ['success', 'failure', 'half-made', 'unknown', 'lied', 'lost', 'doubled', 'hung', 'missed'];
export const BAD: readonly Ending[] = ['lied', 'lost', 'doubled', 'hung'];

type Evaluated = Pick<Evaluation, 'ending'> & { cell: Cell };

/** How many cells ended how: by job, by the place where the fault struck, and by the clusters that were served. */
export function tables(evaluated: readonly Evaluated[]): string {
  return `${table('job', evaluated, ({ job }) => job.name)}\n\n${table('struck', evaluated, placeOf)}\n\n${table('clusters', evaluated, ({ beside }) => (beside ? 'two' : 'one'))}`;
}

function placeOf({ strikes, ours, cancelled }: Cell): string {
  if (ours) return `own ${ours.part}`;
  if (cancelled) return 'client cancels';
  return strikes.map(({ point }) => point.where).join(' + ');
}

function table(title: string, evaluated: readonly Evaluated[], of: (cell: Cell) => string): string {
  const names = [...new Set(evaluated.map(({ cell }) => of(cell)))].sort();
  const count = (some: readonly Evaluated[], ending: Ending) => String(some.filter((one) => one.ending === ending).length).padStart(10);
  const line = (name: string, some: readonly Evaluated[]) =>
    [name.padEnd(22), String(some.length).padStart(6), ...COLUMNS.map((ending) => count(some, ending))].join('');
  return [
    [title.padEnd(22), 'tried'.padStart(6), ...COLUMNS.map((ending) => ending.padStart(10))].join(''),
    ...names.map((name) =>
      line(
        name,
        evaluated.filter(({ cell }) => of(cell) === name),
      ),
    ),
    line('all', evaluated),
  ].join('\n');
}
