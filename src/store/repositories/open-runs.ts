import type { Kysely } from 'kysely';
import type { Database } from '../schema.ts';

/** Runs without an outcome, whatever their cluster. */
export function openRunsIn(db: Kysely<Database>) {
  return {
    /** How many there are on each cluster, of those that are served and of those that were. */
    async byCluster(): Promise<{ cluster: string; open: number }[]> {
      const rows = await db
        .selectFrom('runs')
        .select((e) => ['cluster', e.fn.countAll<number>().as('open')])
        .where('status', 'in', ['executing', 'unknown'])
        .groupBy('cluster')
        .orderBy('cluster')
        .execute();
      return rows.map(({ cluster, open }) => ({ cluster, open: Number(open) }));
    },
  };
}
