import { isObject, type Json, type JsonObject } from '../core/text/json.ts';
import { hidesSomething, visibleJson } from '../core/text/text.ts';
import { isTable, type Table } from './table.ts';

// Anything here could be read as structure, so it goes in quotes, as does what hides from the eye.
const NEEDS_QUOTES = /^$|^[\s"#-]|\s$|[|{}[\]"]|, |: |:$/u;

/**
 * A JSON object as text for a model: `key: value` lines, tables and lists of alike rows as one header and `|`-separated lines. Costs about half
 * the tokens of JSON for a list, and as many for anything else. Text from guests cannot fake a line: whatever could is quoted and escaped.
 */
export function compactText(value: JsonObject): string {
  return lines(value, '').join('\n');
}

function lines(value: JsonObject, indent: string): string[] {
  if (isTable(value)) {
    const { columns, rows, ...rest } = value;
    return [...table('', { columns, rows }, indent), ...lines(rest, indent)];
  }
  return Object.entries(value).flatMap(([key, item]) => member(key, item, indent));
}

function member(key: string, item: Json, indent: string): string[] {
  if (Array.isArray(item)) return list(key, item, indent);
  if (!isObject(item)) return [`${indent}${word(key)}: ${scalar(item)}`];
  if (isTable(item)) return table(word(key), item, indent);
  if (Object.values(item).every((inner) => !isObject(inner) && !Array.isArray(inner))) return [`${indent}${word(key)}: ${flow(item)}`];
  return [`${indent}${word(key)}:`, ...lines(item, `${indent}  `)];
}

function list(key: string, items: Json[], indent: string): string[] {
  const columns = columnsOf(items);
  if (columns) return table(word(key), { columns, rows: (items as JsonObject[]).map((row) => columns.map((c) => row[c] ?? null)) }, indent);
  const inline = items.map(flow).join(', ');
  if (inline.length <= 100 && !items.some((item) => isObject(item))) return [`${indent}${word(key)}: [${inline}]`];
  return [`${indent}${word(key)}:`, ...items.map((item) => `${indent} - ${flow(item)}`)];
}

function table(name: string, { columns, rows }: Pick<Table, 'columns' | 'rows'>, indent: string): string[] {
  const lines = rows.map((row) => `${indent} ${row.map(cell).join('|')}`);
  return [`${indent}${name}[${rows.length}] ${columns.map(word).join('|')}:`, ...lines];
}

/** The columns of a table: for two or more objects that hold nothing but scalars and lists of scalars. */
function columnsOf(items: Json[]): string[] | undefined {
  if (items.length < 2) return undefined;
  const columns = new Set<string>();
  for (const item of items) {
    if (!isObject(item)) return undefined;
    for (const [key, inner] of Object.entries(item)) {
      if (isObject(inner) || (Array.isArray(inner) && inner.some((one) => typeof one === 'object' && one !== null))) return undefined;
      columns.add(key);
    }
  }
  return [...columns];
}

function cell(value: Json): string {
  if (value === null) return '';
  return Array.isArray(value)
    ? value.map((item) => (String(item).includes(',') ? JSON.stringify(item) : flow(item))).join(',')
    : flow(value);
}

function flow(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (!isObject(value)) return scalar(value);
  return `{${Object.entries(value)
    .map(([key, item]) => `${word(key)}: ${flow(item)}`)
    .join(', ')}}`;
}

function scalar(value: Json): string {
  return typeof value === 'string' ? word(value) : String(value);
}

function word(text: string): string {
  return NEEDS_QUOTES.test(text) || hidesSomething(text) ? visibleJson(text) : text;
}
