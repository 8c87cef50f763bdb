import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { APPROVAL_STATUSES, type ApprovalMethod, type ApprovalRecord } from '../../core/plan/approval.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { plainText } from '../../core/text/text.ts';
import { defineOperation } from '../define.ts';
import { filled } from '../filled.ts';

/** The caller's own approvals, newest first; the operator sees all. */
export const listApprovals = defineOperation({
  name: 'list_approvals',
  title: 'List approvals',
  effect: 'control',
  decides: false,
  toolset: 'everyday',
  description: 'Your approvals with their outcome, newest first.',
  input: z.strictObject({
    status: z.enum(APPROVAL_STATUSES).optional().describe('Default: all'),
    limit: z.int().min(1).max(100).default(20),
    cursor: filled(200).optional(),
  }),
  output: z.object({
    approvals: z.array(z.looseObject({ approval_id: z.string(), status: z.string(), operation: z.string(), summary: z.string() })),
    total: z.number(),
    next_cursor: z.string().optional(),
  }),
  table: 'approvals',
  async run(ports, { status, limit, cursor }) {
    const page = await ports.approvals.list({ limit, ...defined({ status, cursor }) });
    const output = { approvals: page.approvals.map(shown), total: page.total, ...defined({ next_cursor: page.nextCursor }) };
    return { kind: 'done', output };
  },
});

const HOW: Partial<Record<ApprovalMethod, string>> = {
  relay: 'relayed by agent, no human verified',
  elicitation: 'answered in the client',
};

function shown(a: ApprovalRecord): JsonObject {
  return {
    approval_id: a.id,
    status: a.status,
    operation: a.operation,
    summary: plainText(a.plan.summary, 300),
    effect: a.effect,
    way: a.method,
    requester: plainText(a.principal, 80),
    ...(a.reason === undefined ? {} : { reason: plainText(a.reason, 300) }),
    ...(a.needed > 1 || a.agreedBy ? { agreed: `${a.agreedBy?.length ?? 0} of ${a.needed}` } : {}),
    created_at: a.createdAt,
    expires_at: a.expiresAt,
    ...(a.decidedBy === undefined ? {} : { decided_by: plainText(a.decidedBy, 80) }),
    ...(a.decidedVia === undefined ? {} : { decided_via: HOW[a.decidedVia] ?? a.decidedVia }),
    ...(a.note === undefined ? {} : { note: plainText(a.note, 300) }),
    ...defined({ run_id: a.runId }),
  };
}
