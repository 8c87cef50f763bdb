import * as z from 'zod';

const marks = z.registry<{ secret: true }>();

/** Marks a text parameter as a secret: the engine puts a reference in its place before anything else sees the arguments. */
export function secret(schema: z.ZodString): z.ZodString {
  return schema.register(marks, { secret: true });
}

export function isSecret(schema: z.core.$ZodType): boolean {
  return marks.get(schema)?.secret === true;
}
