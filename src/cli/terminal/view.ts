import { isObject, type Json, type JsonObject } from '../../core/text/json.ts';
import { compactText } from '../../render/compact.ts';
import { isTable, type Table, toTable } from '../../render/table.ts';
import { tableText } from './table.ts';

/** A result for people: lists as tables, everything else as `name: value` lines. */
export function viewText(value: JsonObject): string {
  if (isTable(value)) return tableText(value);
  const parts: string[] = [];
  let plain: JsonObject = {};
  const flush = () => {
    if (Object.keys(plain).length > 0) parts.push(compactText(plain));
    plain = {};
  };
  for (const [name, item] of Object.entries(value)) {
    const list = listOf(item);
    if (list === undefined) plain[name] = item;
    else {
      flush();
      parts.push(`${name}:\n${tableText(list)}`);
    }
  }
  flush();
  return parts.join('\n');
}

/** A list of objects that hold nothing but values and lists of values, as a table. */
function listOf(item: Json): Table | undefined {
  if (isTable(item)) return item.rows.length > 0 ? item : undefined;
  if (!Array.isArray(item) || item.length === 0 || !item.every((row) => isObject(row) && Object.values(row).every(isCell)))
    return undefined;
  return toTable(item as JsonObject[]);
}

function isCell(value: Json): boolean {
  return Array.isArray(value) ? value.every((one) => typeof one !== 'object') : !isObject(value);
}
