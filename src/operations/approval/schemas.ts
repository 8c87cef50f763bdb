import * as z from 'zod';
import { filled } from '../filled.ts';

export const approvalId = filled(64);

/** `result` is the answer of the operation that was approved. */
export const decided = z.looseObject({
  approval_id: z.string(),
  status: z.string(),
  operation: z.string(),
  result: z.looseObject({}).optional(),
});
