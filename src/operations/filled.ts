import * as z from 'zod';

/** A text that an empty one says nothing for: where it is optional, empty is absent. Not advertised, which would cost tokens. */
export const filled = (max: number) =>
  z
    .string()
    .trim()
    .max(max)
    .refine((text) => text !== '', { message: 'must not be empty' });
