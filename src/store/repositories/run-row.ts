import type { Selectable } from 'kysely';
import { defined } from '../../core/defined.ts';
import type { RunRecord, RunStatus } from '../../core/plan/run.ts';
import type { RunRow } from '../schema.ts';

/** A run as it is used, from its row. */
export function readRun(row: Selectable<RunRow>): RunRecord {
  return {
    id: row.id,
    operation: row.operation,
    args: JSON.parse(row.args),
    cluster: row.cluster,
    principal: row.principal,
    plan: JSON.parse(row.plan),
    digest: row.digest,
    status: row.status as RunStatus,
    steps: JSON.parse(row.steps),
    ...defined({
      approvalId: row.approval_id ?? undefined,
      leaseId: row.lease_id ?? undefined,
      error: row.error === null ? undefined : JSON.parse(row.error),
    }),
    startedAt: row.started_at,
    ...defined({ endedAt: row.ended_at ?? undefined }),
  };
}
