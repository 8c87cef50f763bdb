import type { Selectable } from 'kysely';
import type { RunRecord, RunStatus } from '../core/run.ts';
import type { RunRow } from './schema.ts';

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
    ...(row.approval_id !== null ? { approvalId: row.approval_id } : {}),
    ...(row.lease_id !== null ? { leaseId: row.lease_id } : {}),
    ...(row.error !== null ? { error: JSON.parse(row.error) } : {}),
    startedAt: row.started_at,
    ...(row.ended_at !== null ? { endedAt: row.ended_at } : {}),
  };
}
