import { type Kysely, sql } from 'kysely';

interface Run {
  plan: { steps?: { params?: Record<string, unknown> }[]; binds?: Record<string, unknown> };
  steps: { at: string }[];
}

/** Since when a guest has its VMID is in its own row, because runs are deleted after some months. What runs still show is copied. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('guests').addColumn('saved_at', 'text').execute();
  const { rows } = await sql<{ cluster: string; vmid: number; key: string; created_at: string; plan: string; steps: string }>`
    select guests.cluster, vmid, key, created_at, plan, steps from guests join runs on runs.id = guests.run_id`.execute(db);
  for (const { cluster, vmid, key, created_at: at, plan, steps } of rows) {
    const run: Run = { plan: JSON.parse(plan), steps: JSON.parse(steps) };
    const created = new Date(Math.min(...[at, ...run.steps.map((step) => step.at)].map(Date.parse).filter(Number.isFinite))).toISOString();
    const saved = savedAt(run, Number(vmid));
    await sql`update guests set created_at = ${created}, saved_at = ${saved === undefined ? null : new Date(saved * 1000).toISOString()}
      where cluster = ${cluster} and vmid = ${vmid} and key = ${key}`.execute(db);
  }
}

/** Epoch seconds of the backup from which the run restored a guest under the VMID of the backup. */
function savedAt({ plan }: Run, vmid: number): number | undefined {
  const archives = (plan.steps ?? []).flatMap(({ params }) => [params?.archive, params?.ostemplate]).map(String);
  const own = new RegExp(`:backup/(?:vzdump-(?:qemu|lxc)-${vmid}-|(?:vm|ct)/${vmid}/)`);
  if (!archives.some((volume) => own.test(volume))) return undefined;
  const [bound] = Object.values(plan.binds ?? {}) as { time?: unknown }[];
  return typeof bound?.time === 'number' ? bound.time : 0;
}
