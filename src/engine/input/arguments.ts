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
export function readArguments(operation: Operation, raw: unknown): JsonObject {
  return readBy(inputOf(operation), raw ?? {}, operation.name, commonOf(operation)) as JsonObject;
}

/** The same for any schema. `more`: parameters that belong to the object but are read elsewhere. */
export function readBy<S extends z.ZodObject>(schema: S, raw: unknown, name: string, more: readonly string[] = []): z.output<S> {
  const given = coerce(schema, raw);
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const { problems, parameters } = problemsOf(parsed.error, { schema, given, more });
  fail('invalid_arguments', `${name}: ${problems.map((problem) => (/[.?!]$/.test(problem) ? problem : `${problem}.`)).join(' ')}`, {
    ...(parameters ? { details: { parameters } } : {}),
  });
}
