import type { Answers } from './task.ts';

interface Table {
  columns: string[];
  rows: unknown[][];
}

const isTable = (value: unknown): value is Table => typeof value === 'object' && value !== null && 'columns' in value && 'rows' in value;

/** A value of the first row in the newest answer, which is a table or holds one; undefined when there is none. */
export const firstOf =
  (column: string) =>
  ([answer = {}]: Answers): unknown => {
    const table = [answer, ...Object.values(answer)].find(isTable);
    return table?.rows[0]?.[table.columns.indexOf(column)];
  };
