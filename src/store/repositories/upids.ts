import type { Kysely } from 'kysely';
import type { StepRecord } from '../../core/plan/run.ts';
import type { Database } from '../schema.ts';

/** Notes which run the tasks of these steps belong to. A task that another run owns stays with that run. */
export async function ownUpids(tx: Kysely<Database>, runId: string, steps: readonly StepRecord[]): Promise<void> {
  for (const { upid } of steps) {
    if (upid === undefined) continue;
    await tx
      .insertInto('run_upids')
      .columns(['cluster', 'upid', 'run_id'])
      .expression((e) =>
        e
          .selectFrom('runs')
          .select(['cluster', e.val(upid).as('upid'), 'id'])
          .where('id', '=', runId),
      )
      .onConflict((c) => c.doNothing())
      .execute();
  }
}
