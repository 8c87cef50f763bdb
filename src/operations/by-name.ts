import * as z from 'zod';
import { oncePer } from '../core/once-per.ts';
import { hidesSomething } from '../core/text/text.ts';
import type { Operation } from './define.ts';

/** Compared without case, exactly; the name of an existing guest may be any that Proxmox once took. */
const existingName = z
  .string()
  .trim()
  .refine((text) => text.length >= 1 && text.length <= 253 && !hidesSomething(text), { message: 'must be the name of a guest' });

/**
 * The parameters of an operation as callers see them. Where it takes a VMID, callers may give the name instead, which the engine replaces by
 * the VMID before the operation gets the arguments.
 */
export const inputOf = oncePer(({ input, byName }: Operation): z.ZodObject => {
  if (byName === undefined) return input;
  const shape = Object.fromEntries(
    Object.entries(input.shape).flatMap(([key, type]): [string, z.core.$ZodType][] => {
      const nameKey = byName[key];
      return nameKey === undefined
        ? [[key, type]]
        : [
            [key, optional(type)],
            [nameKey, nameOf(key, type)],
          ];
    }),
  );
  // The operation's own refinements stay.
  return z.core.clone(input, { ...input.def, shape });
});

function optional(type: z.core.$ZodType): z.core.$ZodType {
  return type._zod.optin === 'optional' ? type : z.optional(type);
}

function nameOf(key: string, type: z.core.$ZodType): z.ZodType {
  if (isList(type)) return z.array(existingName).min(1).max(50).optional();
  return existingName.optional().describe(`Instead of ${key}`);
}

/** Whether a parameter takes several guests. */
export function isList(type: z.core.$ZodType): boolean {
  const { def } = (type as z.core.$ZodTypes)._zod;
  return def.type === 'array' || (def.type === 'optional' && isList(def.innerType));
}
