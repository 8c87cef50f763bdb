import * as z from 'zod';

const marks = z.registry<{ secret: true }>();
const settings = z.registry<{ setting: true }>();

/** Marks a text parameter as a secret: the engine puts a reference in its place before anything else sees the arguments. */
export function secret(schema: z.ZodString): z.ZodString {
  return schema.register(marks, { secret: true });
}

export function isSecret(schema: z.core.$ZodType): boolean {
  return marks.get(schema)?.secret === true;
}

/** Marks a text `name=value` that is a secret where its name or its value says so. */
export function setting(schema: z.ZodString): z.ZodString {
  return schema.register(settings, { setting: true });
}

export function isSetting(schema: z.core.$ZodType): boolean {
  return settings.get(schema)?.setting === true;
}
