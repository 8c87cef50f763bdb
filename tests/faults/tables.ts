import type { Cell, Judgement, Verdict } from './cell.ts';

const COLUMNS: Verdict[] = ['success', 'failure', 'half-made', 'unknown', 'lied', 'lost', 'doubled', 'hung', 'missed'];
export const BAD: readonly Verdict[] = ['lied', 'lost', 'doubled', 'hung'];

type PolicyGuest = Pick<Judgement, 'verdict'> & { cell: Cell };

/** How many cells ended how: by job, by the place where the fault struck, and by the clusters that were served. */
export function tables(judged: readonly PolicyGuest[]): string {
  return `${table('job', judged, ({ job }) => job.name)}\n\n${table('struck', judged, placeOf)}\n\n${table('clusters', judged, ({ beside }) => (beside ? 'two' : 'one'))}`;
}

function placeOf({ strikes, ours, cancelled }: Cell): string {
  if (ours) return `own ${ours.part}`;
  if (cancelled) return 'client cancels';
  return strikes.map(({ point }) => point.where).join(' + ');
}

function table(title: string, judged: readonly PolicyGuest[], of: (cell: Cell) => string): string {
  const names = [...new Set(judged.map(({ cell }) => of(cell)))].sort();
  const count = (some: readonly PolicyGuest[], verdict: Verdict) =>
    String(some.filter((one) => one.verdict === verdict).length).padStart(10);
  const line = (name: string, some: readonly PolicyGuest[]) =>
    [name.padEnd(22), String(some.length).padStart(6), ...COLUMNS.map((verdict) => count(some, verdict))].join('');
  return [
    [title.padEnd(22), 'tried'.padStart(6), ...COLUMNS.map((verdict) => verdict.padStart(10))].join(''),
    ...names.map((name) =>
      line(
        name,
        judged.filter(({ cell }) => of(cell) === name),
      ),
    ),
    line('all', judged),
  ].join('\n');
}
