import type { Selectable } from 'kysely';
import type { RunRecord } from '../../core/plan/run.ts';
import { recordOf } from '../row.ts';
import type { RunRow } from '../schema.ts';

/** A run as it is used, from its row. */
export function readRun({ worker: _worker, lease_until: _until, ...row }: Selectable<RunRow>): RunRecord {
  return recordOf<RunRecord>(row, { json: ['args', 'plan', 'steps', 'error'] });
}
