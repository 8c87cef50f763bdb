import type * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { inputOf } from '../../operations/by-name.ts';
import { commonOf } from '../../operations/common.ts';
import type { Operation } from '../../operations/define.ts';
import { coerce } from './coerce.ts';
import { problemsOf } from './problems.ts';

/**
 * Arguments in the form that the operation declares.
 * @throws invalid_arguments with one sentence for each problem
 */
export async function readArguments(operation: Operation, raw: unknown): Promise<JsonObject> {
  const read = (tools: readonly Operation[]) =>
    readBy(inputOf(operation), raw ?? {}, operation.name, commonOf(operation), tools) as JsonObject;
  if (!isOnGuest(operation)) return read([]);
  try {
    return read([]);
  } catch {
    // A parameter that another change of a guest has is meant for it. Only this refusal needs to know the others.
    const { operations } = await import('../../operations/index.ts');
    return read(operations.filter((one) => one !== operation && isOnGuest(one)));
  }
}

/** Whether it changes a guest that exists. */
function isOnGuest(one: Operation): boolean {
  return one.effect !== 'read' && one.effect !== 'control' && !('reserves' in one) && one.byName?.vmid !== undefined;
}

/**
 * The same for any schema.
 * @param more parameters that belong to the object but are read elsewhere
 * @param tools operations that an unknown parameter may be meant for
 */
export function readBy<S extends z.ZodObject>(
  schema: S,
  raw: unknown,
  name: string,
  more: readonly string[] = [],
  tools: readonly Operation[] = [],
): z.output<S> {
  const given = coerce(schema, raw);
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const { problems, parameters } = problemsOf(parsed.error, { schema, given, more, tools });
  fail('invalid_arguments', `${name}: ${problems.map((problem) => (/[.?!]$/.test(problem) ? problem : `${problem}.`)).join(' ')}`, {
    ...(parameters ? { details: { parameters } } : {}),
  });
}
