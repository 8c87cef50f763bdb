import * as z from 'zod';
import { hidesSomething } from '../core/text/text.ts';

/** A text that is not empty. Where it is optional, empty counts as absent. Not advertised, which would cost tokens. */
export const filled = (max: number) =>
  z
    .string()
    .trim()
    .max(max)
    .refine((text) => text !== '', { message: 'must not be empty' })
    .refine((text) => !hidesSomething(text), { message: 'must not have characters that do not show' });
