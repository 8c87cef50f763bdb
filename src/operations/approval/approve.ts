import * as z from 'zod';
import { defineOperation } from '../define.ts';
import { approvalId, decided } from './schemas.ts';

/** Approves a pending plan and executes it. The operator chooses how the server asks a human (docs/approvals.md). */
export const approve = defineOperation({
  name: 'approve',
  title: 'Approve a pending change',
  effect: 'control',
  decides: true,
  releases: true,
  toolset: 'everyday',
  description: "Passes on the user's explicit yes to one pending approval, and executes it. Never call it without that yes.",
  input: z.strictObject({ approval_id: approvalId, wait_seconds: z.int().min(0).max(50).optional() }),
  output: decided,
  run: (ports, { approval_id, wait_seconds }) =>
    ports.approvals.approve(approval_id, wait_seconds === undefined ? {} : { waitSeconds: wait_seconds }),
});
