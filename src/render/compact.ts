import { isObject, type Json, type JsonObject } from '../core/text/json.ts';
import { hidesSomething, visibleJson } from '../core/text/text.ts';
import { isTable, type Table } from './table.ts';

// Characters that a reader could take for structure go in quotes, as do those that do not show.
const PLAIN_WORD = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const NEEDS_QUOTES = /^$|^[\s"#-]|\s$|[|{}[\]"]|, |: |:$/u;

/**
 * A JSON object as text for a model: `key: value` lines, tables and lists of alike rows as one header and `|`-separated lines. Costs about half
 * the tokens of JSON for a list, and as many for anything else. Text from guests cannot fake a line: whatever could is quoted and escaped.
 */
export function compactText(value: JsonObject): string {
  const text: string[] = [];
  addLines(text, value, '');
  return text.join('\n');
}

function addLines(text: string[], value: JsonObject, indent: string): void {
  const is = isTable(value);
  if (is) addTable(text, '', value, indent);
  for (const key of Object.keys(value)) if (!is || (key !== 'columns' && key !== 'rows')) addMember(text, key, value[key] as Json, indent);
}

function addMember(text: string[], key: string, item: Json, indent: string): void {
  if (Array.isArray(item)) addList(text, key, item, indent);
  else if (!isObject(item)) text.push(`${indent}${word(key)}: ${scalar(item)}`);
  else if (isTable(item)) addTable(text, word(key), item, indent);
  else if (Object.values(item).every((inner) => !isObject(inner) && !Array.isArray(inner)))
    text.push(`${indent}${word(key)}: ${flow(item)}`);
  else {
    text.push(`${indent}${word(key)}:`);
    addLines(text, item, `${indent}  `);
  }
}

function addList(text: string[], key: string, items: Json[], indent: string): void {
  const columns = columnsOf(items);
  if (columns) {
    addTable(text, word(key), { columns, rows: (items as JsonObject[]).map((row) => columns.map((c) => row[c] ?? null)) }, indent);
    return;
  }
  const inline = items.map(flow).join(', ');
  if (inline.length <= 100 && !items.some((item) => isObject(item))) text.push(`${indent}${word(key)}: [${inline}]`);
  else text.push(`${indent}${word(key)}:`, ...items.map((item) => `${indent} - ${flow(item)}`));
}

function addTable(text: string[], name: string, { columns, rows }: Pick<Table, 'columns' | 'rows'>, indent: string): void {
  text.push(`${indent}${name}[${rows.length}] ${columns.map(word).join('|')}:`);
  for (const row of rows) {
    let line = `${indent} `;
    for (let at = 0; at < row.length; at++) line += `${at === 0 ? '' : '|'}${cell(row[at] as Json)}`;
    text.push(line);
  }
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
  if (PLAIN_WORD.test(text)) return text;
  return NEEDS_QUOTES.test(text) || hidesSomething(text) ? visibleJson(text) : text;
}
