import { defined } from '../core/defined.ts';

type Snake<S extends string> = S extends `${infer Head}${infer Tail}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${Snake<Tail>}`
  : S;
type Column<T> = T extends string | number ? T : T extends boolean ? number : T extends undefined ? never : string;

/** The columns of a record: names in snake case, JSON as text, booleans as 1 or 0, absent fields as null. */
export type Row<R> = {
  [K in keyof R & string as Snake<K>]: Column<R[K]> | (Record<never, never> extends Pick<R, K> ? null : never);
};

/** Fields of a record that are JSON in their columns, and those that are true or false. */
export interface Kinds<R> {
  json?: readonly (keyof R & string)[];
  flags?: readonly (keyof R & string)[];
}

const snakes = new Map<string, string>();
const camels = new Map<string, string>();

function renamed(known: Map<string, string>, name: string, rename: () => string): string {
  const made = known.get(name) ?? rename();
  known.set(name, made);
  return made;
}

/** The row of a record; columns of absent fields are left out, which stores null. */
export function rowOf<R extends object>(record: R): Row<R> {
  const columns = Object.entries(defined(record)).map(([name, value]) => [
    renamed(snakes, name, () => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
    typeof value === 'boolean' ? Number(value) : typeof value === 'object' ? JSON.stringify(value) : value,
  ]);
  return Object.fromEntries(columns) as Row<R>;
}

/** Values that a row must have. Kysely leaves out a column without a value, and the statement would reach more rows. */
export function exactly<const V extends object>(values: V): V {
  for (const [column, value] of Object.entries(values)) if (value === undefined) throw new Error(`a row is named without its ${column}`);
  return values;
}

/** The record of a row, without the fields whose columns are null. */
export function recordOf<R extends object>(row: Partial<Row<R>>, { json = [], flags = [] }: Kinds<R> = {}): R {
  const record: Record<string, unknown> = {};
  for (const [column, value] of Object.entries(row)) {
    if (value === null) continue;
    const name = renamed(camels, column, () => column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
    const isOne = (list: readonly string[]) => list.includes(name);
    record[name] = isOne(json) ? JSON.parse(String(value)) : isOne(flags) ? value === 1 : value;
  }
  return record as R;
}
