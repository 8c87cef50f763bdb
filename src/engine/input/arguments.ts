import type * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { sentence } from '../../core/text/text.ts';
import { inputOf } from '../../operations/by-name.ts';
import { commonOf } from '../../operations/common.ts';
import type { Operation } from '../../operations/define.ts';
import { coerce } from './coerce.ts';
import { type Elsewhere, problemsOf } from './problems.ts';

/**
 * Arguments in the form that the operation declares.
 * @throws invalid_arguments with one sentence for each problem
 */
export async function readArguments(operation: Operation, raw: unknown): Promise<JsonObject> {
  const { name } = operation;
  const read = (tools: readonly Operation[]) =>
    readBy(inputOf(operation), { raw: raw ?? {}, name, more: commonOf(operation), tools }) as JsonObject;
  try {
    return read([]);
  } catch (refused) {
    if (!isOnGuest(operation)) throw refused;
    // An unknown parameter may be that of another change of a guest. Only this refusal needs to know the others.
    const { operations } = await import('../../operations/index.ts');
    return read(operations.filter((one) => one !== operation && isOnGuest(one)));
  }
}

/** Whether it changes a guest that exists. */
function isOnGuest(one: Operation): boolean {
  return one.effect !== 'read' && one.effect !== 'control' && !('reserves' in one) && one.byName?.vmid !== undefined;
}

/** The same for any schema. @param name of the operation, for the error */
export function readBy<S extends z.ZodObject>(
  schema: S,
  { raw, name, more = [], tools = [] }: { raw: unknown; name: string } & Partial<Elsewhere>,
): z.output<S> {
  const given = coerce(schema, raw);
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const { problems, parameters } = problemsOf(parsed.error, { schema, given, more, tools });
  fail('invalid_arguments', `${name}: ${problems.map(sentence).join(' ')}`, parameters && { details: { parameters } });
}
