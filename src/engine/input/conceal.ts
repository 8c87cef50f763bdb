import type * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import { oncePer } from '../../core/once-per.ts';
import type { SecretRef } from '../../core/plan/plan.ts';
import { isObject, type Json, type JsonObject } from '../../core/text/json.ts';
import { holdsSecret, namesSecret } from '../../core/text/text.ts';
import { isSecret, isSetting } from '../../operations/secret.ts';

type Schema = z.core.$ZodType;
type Hide = (value: string) => SecretRef;

/**
 * Replaces the secrets in checked arguments by references, wherever the schema marks them. Which branch of a union took a value is no longer
 * known, so the marks of all branches count: hiding a value too often is safe, showing it once is not.
 * @throws internal for a schema with a secret that would pass as plain text
 */
export function conceal(schema: Schema, value: JsonObject, hide: Hide): JsonObject {
  return mayHoldSecrets(schema) ? (walk(schema, value, hide) as JsonObject) : value;
}

/** Whether a schema marks anything. Most operations take no secret, and a schema never changes. */
const mayHoldSecrets = oncePer((schema: Schema): boolean => {
  const open = unreachableSecrets(schema);
  if (open.length > 0) fail('internal', `The parameters mark a secret where it cannot be concealed: ${open.join(', ')}.`);
  return [...reachable(schema)].some((part) => isSecret(part) || isSetting(part));
});

/** A schema and all below it that `walk` can reach. */
function reachable(schema: Schema): Set<Schema> {
  const reached = new Set<Schema>();
  const reach = (at: Schema): void => {
    if (reached.has(at)) return;
    reached.add(at);
    for (const part of parts(at).all) reach(part);
  };
  reach(schema);
  return reached;
}

function walk(schema: Schema, value: Json | undefined, hide: Hide): Json | undefined {
  if (value === undefined || value === null) return value;
  if (isSecret(schema) && typeof value === 'string') return hide(value) as unknown as Json;
  if (isSetting(schema) && typeof value === 'string' && isSecretSetting(value)) return hide(value) as unknown as Json;
  const { here, array, object } = parts(schema);
  const own = here.reduce<Json | undefined>((seen, part) => walk(part, seen, hide), value);
  if (Array.isArray(own) && array) return own.map((item, index) => walkAll(array(index), item, hide));
  if (isObject(own) && object) {
    return Object.fromEntries(Object.entries(own).map(([key, item]) => [key, walkAll(object(key), item, hide)]));
  }
  return own;
}

/** `password=…`, and `env=DB_PASSWORD=…`, whose value says so. */
function isSecretSetting(text: string): boolean {
  const [name = ''] = text.split('=', 1);
  return namesSecret(name) || holdsSecret(text.slice(name.length + 1));
}

function walkAll(schema: Schema | undefined, value: Json, hide: Hide): Json {
  return schema === undefined ? value : (walk(schema, value, hide) as Json);
}

/** The parts of a schema: for a value itself, for the items of a list and for the members of an object. */
interface Parts {
  here: readonly Schema[];
  array?: (index: number) => Schema | undefined;
  object?: (key: string) => Schema | undefined;
  /** All schemas below that the three above can answer. */
  all: readonly Schema[];
}

function parts(schema: Schema): Parts {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  const same = (...here: Schema[]): Parts => ({ here, all: here });
  switch (def.type) {
    case 'lazy':
      return same(def.getter());
    case 'union':
      return same(...def.options);
    case 'intersection':
      return same(def.left, def.right);
    case 'pipe':
      // The result of a transformation is not the value that its input schema describes.
      return def.out._zod.def.type === 'transform' ? same(def.out) : same(def.in, def.out);
    case 'array':
      return { here: [], array: () => def.element, all: [def.element] };
    case 'tuple': {
      const rest = def.rest ?? undefined;
      return { here: [], array: (index) => def.items[index] ?? rest, all: [...def.items, ...(rest ? [rest] : [])] };
    }
    case 'record':
      return { here: [], object: () => def.valueType, all: [def.valueType] };
    case 'object': {
      const { shape, catchall } = def;
      const own = (key: string) => (Object.hasOwn(shape, key) ? shape[key] : catchall);
      return { here: [], object: own, all: [...Object.values(shape), ...(catchall ? [catchall] : [])] };
    }
    default:
      return 'innerType' in def ? same(def.innerType) : same();
  }
}

/**
 * Secrets that `conceal` would miss: marked schemas in a place it does not reach, such as the keys of a record or the input of a
 * transformation, and marked schemas of anything but text.
 * @returns a place for each; an empty list is what a schema must give
 */
export function unreachableSecrets(schema: Schema): string[] {
  const reached = reachable(schema);
  return placesOfSecrets(schema)
    .filter(({ at }) => !reached.has(at) || at._zod.def.type !== 'string')
    .map(({ place }) => place);
}

/** All marked schemas, searched in every member of every definition, so that no type of schema can be forgotten. */
function placesOfSecrets(schema: Schema): { at: Schema; place: string }[] {
  const seen = new Set<unknown>();
  const found: { at: Schema; place: string }[] = [];
  const look = (value: unknown, place: string): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (!('_zod' in value)) {
      for (const [key, inner] of Object.entries(value)) look(inner, `${place}.${key}`);
      return;
    }
    const at = value as z.core.$ZodTypes;
    const { def } = at._zod;
    if (isSecret(at)) found.push({ at, place: `${place} (${def.type})` });
    look(def.type === 'lazy' ? { getter: def.getter() } : { ...def }, place);
  };
  look(schema, 'input');
  return found;
}
