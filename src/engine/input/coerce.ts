import * as z from 'zod';

type Schema = z.core.$ZodType;

/**
 * Arguments as clients really send them, put into the form of the schema where nothing can be lost: `null` (and an empty text that the
 * parameter would not take) for what is optional is absent, `"100"` is a number, `"true"` a truth, JSON text a list or an object. Whatever
 * else does not fit stays as it is, for the schema to refuse.
 */
export function coerce(schema: Schema, value: unknown): unknown {
  const inner = unwrap(schema);
  const { def } = inner._zod;
  switch (def.type) {
    case 'number':
      return typeof value === 'string' ? fromDigits(value) : value;
    case 'boolean':
      return typeof value === 'string' ? fromWord(value) : value;
    case 'array': {
      const list = fromJson(value, Array.isArray);
      return Array.isArray(list) ? list.map((item) => coerce(def.element, item)) : list;
    }
    case 'object': {
      const given = fromJson(value, isRecord);
      return isRecord(given) ? members(given, (key) => (Object.hasOwn(def.shape, key) ? def.shape[key] : def.catchall)) : given;
    }
    case 'record': {
      const given = fromJson(value, isRecord);
      return isRecord(given) ? members(given, () => def.valueType) : given;
    }
    default:
      return value;
  }
}

function members(given: Record<string, unknown>, typeOf: (key: string) => Schema | undefined): Record<string, unknown> {
  const kept = Object.entries(given).flatMap(([key, item]): [string, unknown][] => {
    const type = typeOf(key);
    if (type === undefined) return [[key, item]];
    return isAbsent(type, item) ? [] : [[key, coerce(type, item)]];
  });
  return Object.fromEntries(kept);
}

function isAbsent(type: Schema, item: unknown): boolean {
  if (item !== null && item !== '') return false;
  return z.safeParse(type, undefined).success && !z.safeParse(type, item).success;
}

/** The text of a number as JSON writes it: `"0x64"`, `"1e2"`, `"0100"` and `" 100"` are not. */
function fromDigits(text: string): unknown {
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : text;
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The schema of the value itself, below what makes it optional or gives it a default. */
export function unwrap(schema: Schema): z.core.$ZodTypes {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return unwrap(def.innerType);
    case 'lazy':
      return unwrap(def.getter());
    case 'pipe':
      return unwrap(def.in);
    default:
      return schema as z.core.$ZodTypes;
  }
}
