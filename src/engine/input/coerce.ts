import * as z from 'zod';
import { isObject } from '../../core/text/json.ts';
import { isSetting } from '../../operations/secret.ts';
import { inWordsOf } from './synonyms.ts';

type Schema = z.core.$ZodType;

/**
 * Puts arguments as clients send them into the form of the schema, where nothing can be lost. `null`, `"null"` or an empty text that an optional
 * parameter would not take is absent. `"100"` becomes a number, `"true"` a boolean, `"Running"` the choice `running`, JSON text a list or an object,
 * one value a list of one and the reverse, a whole number a text, a list of lines a text. The other word for a parameter (`memory_mb`) becomes that
 * parameter. Any other value stays as it is, and the schema refuses it.
 */
export function coerce(schema: Schema, value: unknown): unknown {
  const inner = unwrap(schema);
  const { def } = inner._zod;
  switch (def.type) {
    case 'number': {
      const one = onlyOne(value);
      return typeof one === 'string' ? fromDigits(one) : one;
    }
    case 'boolean':
      return typeof value === 'string' ? fromWord(value) : value;
    case 'enum': {
      const one = onlyOne(value);
      return typeof one === 'string' ? fromChoices(Object.values(def.entries), one) : one;
    }
    case 'array': {
      const ofObjects = unwrap(def.element)._zod.def.type === 'object';
      const ofSettings = isSetting(def.element);
      const given = fromJson(value, (read) => Array.isArray(read) || ((ofObjects || ofSettings) && isObject(read)));
      const named = ofSettings && isObject(given) ? fromPairs(given) : given;
      const list = isOne(named) || (ofObjects && isObject(named)) ? [named] : named;
      return Array.isArray(list) ? list.map((item) => coerce(def.element, item)) : list;
    }
    case 'string':
      // A guest may be called 2024. Beyond the safe integers digits are lost.
      if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
      return Array.isArray(value) ? fromLines(inner, value) : value;
    case 'object': {
      const given = onlyOne(fromJson(value, (read) => isObject(onlyOne(read))));
      if (!isObject(given)) return given;
      return members(inWordsOf(def.shape, given), (key) => (Object.hasOwn(def.shape, key) ? def.shape[key] : def.catchall));
    }
    case 'record': {
      const given = fromJson(value, isObject);
      return isObject(given) ? members(given, () => def.valueType) : given;
    }
    default:
      return value;
  }
}

function members(given: Record<string, unknown>, typeOf: (key: string) => Schema | undefined): Record<string, unknown> {
  const kept: [string, unknown][] = [];
  for (const key of Object.keys(given)) {
    const item = given[key];
    const type = typeOf(key);
    if (type === undefined) kept.push([key, item]);
    else if (!isAbsent(type, item)) kept.push([key, coerce(type, item)]);
  }
  return Object.fromEntries(kept);
}

function isAbsent(type: Schema, item: unknown): boolean {
  if (item !== null && item !== '' && item !== 'null') return false;
  // A guest may be called null.
  if (item === 'null' && unwrap(type)._zod.def.type === 'string') return false;
  return z.safeParse(type, undefined).success && !z.safeParse(type, item).success;
}

/** The text of a number as JSON writes it: `"0x64"`, `"1e2"`, `"0100"` and `" 100"` are not. */
function fromDigits(text: string): unknown {
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : text;
}

function fromChoices(choices: readonly unknown[], text: string): unknown {
  const word = text.trim().toLowerCase();
  return choices.includes(text) ? text : (choices.find((choice) => String(choice).toLowerCase() === word) ?? text);
}

/** The value of a list of one. */
function onlyOne(value: unknown): unknown {
  return Array.isArray(value) && value.length === 1 ? value[0] : value;
}

/** `name=value` for each; a list repeats its name. An object that holds objects stays. */
function fromPairs(given: Record<string, unknown>): unknown {
  const pairs = Object.entries(given).flatMap(([name, value]) => [value].flat().map((one): [string, unknown] => [name, one]));
  if (!pairs.every(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))) return given;
  return pairs.map(([name, value]) => `${name}=${typeof value === 'boolean' ? Number(value) : value}`);
}

/** Whether it can be the only item of a list: a text that looks like a list or an object is JSON that could not be read. */
function isOne(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && !/^\s*(?:[[{]|$)/.test(value));
}

/** One text, or one for each line where the parameter takes lines. */
function fromLines(schema: Schema, list: unknown[]): unknown {
  if (list.length === 0 || !list.every((item) => typeof item === 'string')) return list;
  const text = list.join('\n');
  return list.length === 1 || z.safeParse(schema, text).success ? text : list;
}

/** Some languages write `True`. */
function fromWord(text: string): unknown {
  const word = text.toLowerCase();
  return word === 'true' ? true : word === 'false' ? false : text;
}

function fromJson(value: unknown, fits: (value: unknown) => boolean): unknown {
  if (typeof value !== 'string') return value;
  try {
    const parsed: unknown = JSON.parse(value);
    return fits(parsed) ? parsed : value;
  } catch {
    return value;
  }
}

/** The schema of the value itself, below what makes it optional or gives it a default. */
export function unwrap(schema: Schema): z.core.$ZodTypes {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'lazy') return unwrap(def.getter());
  if (def.type === 'pipe') return unwrap(def.in);
  return 'innerType' in def ? unwrap(def.innerType) : (schema as z.core.$ZodTypes);
}
