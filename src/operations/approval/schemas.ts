import * as z from 'zod';

export const approvalId = z.string().min(1).max(64);

/** `result` is the answer of the operation that was approved. */
export const decided = z.looseObject({
  approval_id: z.string(),
  status: z.string(),
  operation: z.string(),
  result: z.looseObject({}).optional(),
});
