import * as z from 'zod';
import { defineOperation } from '../define.ts';
import { approvalId, decided } from './schemas.ts';

/** Ends a pending approval and sends nothing. */
export const deny = defineOperation({
  name: 'deny',
  title: 'Deny a pending change',
  effect: 'control',
  decides: true,
  toolset: 'everyday',
  description: "Passes on the user's no and denies one pending approval.",
  input: z.strictObject({ approval_id: approvalId, reason: z.string().max(300).optional() }),
  output: decided,
  run: (ports, { approval_id, reason }) => ports.approvals.deny(approval_id, reason),
});
