import type { Json, JsonObject } from '../core/text/json.ts';
import { harmlessName } from '../core/text/text.ts';

/** The lists of an operation's output that are tables for readers. */
export interface Tables {
  /** The list that the whole answer is. A member `columns` of the output chooses the columns that readers see; without it they see all. */
  table?: string | undefined;
  /** Lists that are tables of their own. */
  tables?: readonly string[] | undefined;
}

export interface Table extends JsonObject {
  columns: string[];
  rows: Json[][];
}

/**
 * An output as models read it: each list as `{columns, rows}`, the one that is the whole answer at the top. A row costs half the tokens of
 * an object, also in clients that show their model nothing but the data.
 */
export function asTables(output: JsonObject, { table, tables = [] }: Tables): JsonObject {
  if (table === undefined && tables.length === 0) return output;
  const list = table === undefined ? undefined : output[table];
  const isWhole = isRows(list);
  const body: JsonObject = isWhole ? toTable(list, Array.isArray(output.columns) ? output.columns.map(String) : undefined) : {};
  for (const [name, value] of Object.entries(output)) {
    if (isWhole && (name === table || name === 'columns')) continue;
    body[name] = tables.includes(name) && isRows(value) ? toTable(value) : value;
  }
  return body;
}

/** An output as programs read it: rows are whole objects, whatever columns were chosen. */
export function asObjects(output: JsonObject, { table }: Tables): JsonObject {
  if (table === undefined || !(table in output)) return output;
  const { columns: _columns, ...rest } = output;
  return rest;
}

/** Every row has a cell for every column: `null` where the object does not have it. A column is called as `harmless` calls a member. */
export function toTable(rows: readonly JsonObject[], columns: string[] = [...new Set(rows.flatMap(Object.keys))]): Table {
  return { columns: columns.map(harmlessName), rows: rows.map((row) => columns.map((column) => row[column] ?? null)) };
}

export function isTable(value: Json | undefined): value is Table {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { columns, rows } = value;
  return Array.isArray(columns) && columns.every((c) => typeof c === 'string') && Array.isArray(rows) && rows.every(Array.isArray);
}

function isRows(value: Json | undefined): value is JsonObject[] {
  return Array.isArray(value) && value.every((row) => typeof row === 'object' && row !== null && !Array.isArray(row));
}
