import { type Kysely, sql } from 'kysely';

/** Rows to look at when the store grows: indexes, UPIDs as rows, the VMID beside a name, and when the store was last pruned. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const index = (name: string, table: string, columns: string[]) => db.schema.createIndex(name).on(table).columns(columns).execute();
  await index('runs_by_principal', 'runs', ['cluster', 'principal', 'started_at']);
  await index('runs_by_time', 'runs', ['cluster', 'started_at']);
  await index('runs_by_cluster_status', 'runs', ['cluster', 'status']);
  await index('runs_by_approval', 'runs', ['approval_id']);
  await index('approvals_by_run', 'approvals', ['run_id']);
  await index('approvals_by_status', 'approvals', ['status', 'cluster', 'expires_at']);
  await index('approvals_by_principal', 'approvals', ['cluster', 'principal', 'created_at']);
  await db.schema.alterTable('guest_names').addColumn('vmid', 'integer').execute();
  await db.schema
    .createTable('marks')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('at', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('run_upids')
    .addColumn('cluster', 'text', (c) => c.notNull())
    .addColumn('upid', 'text', (c) => c.notNull())
    .addColumn('run_id', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('run_upids_pk', ['cluster', 'upid'])
    .execute();
  await index('run_upids_by_run', 'run_upids', ['run_id']);
  await copyUpids(db);
}

async function copyUpids(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ id: string; cluster: string; steps: string }>`select id, cluster, steps from runs`.execute(db);
  for (const { id, cluster, steps } of rows) {
    for (const { upid } of JSON.parse(steps) as { upid?: string }[]) {
      if (upid === undefined) continue;
      await sql`insert into run_upids (cluster, upid, run_id) values (${cluster}, ${upid}, ${id}) on conflict do nothing`.execute(db);
    }
  }
}
