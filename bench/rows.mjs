// A store with many approvals and runs beside one with one of each.
import { join } from 'node:path';
import { load } from '../scripts/bundled.mjs';
import { connect, vmidsOf } from './clients.mjs';
import { interleave, perCall } from './measure.mjs';

const ROWS = 10_000;
const ROUNDS = 5;
const CALLS = 20;

/** Rows of [what, values with few rows, values with many]. */
export async function fullStore(folder, cluster) {
  const envs = ['few', 'full'].map((name) => ({ ...cluster.env, PROXMOX_DATA_DIR: join(folder, `${name}-rows`) }));
  const first = await connect(envs[0]);
  const [running] = await vmidsOf(first, 'running', 1);
  const stopped = await vmidsOf(first, 'stopped', 2 * ROUNDS + 2);
  await first.client.close();
  for (const env of envs) {
    const { client, call } = await connect(env);
    await call('stop_vm', { vmid: running });
    await call('start_vm', { vmid: stopped.pop() });
    await client.close();
  }
  const { default: SqliteDatabase } = await load('src/sqlite.ts', folder);
  fill(new SqliteDatabase(join(envs[1].PROXMOX_DATA_DIR, 'store.sqlite')));
  const [few, full] = await Promise.all(envs.map((env) => connect(env)));
  const calls = {
    list_vms: [CALLS, ({ call }) => call('list_vms', { limit: 10 })],
    get_vm: [CALLS, ({ call }) => call('get_vm', { vmid: running })],
    start_vm: [1, ({ call }) => call('start_vm', { vmid: stopped.pop(), wait_seconds: 0 })],
  };
  const rows = [];
  for (const [what, [times, work]] of Object.entries(calls)) {
    if (times > 1) for (const side of [few, full]) await perCall(5 * times, side.pid, () => work(side));
    const side = (one) => () => perCall(times, one.pid, () => work(one));
    const values = await interleave(ROUNDS, { few: side(few), full: side(full) });
    rows.push([what, values.few, values.full]);
  }
  await Promise.all([few, full].map(({ client }) => client.close()));
  return rows;
}

/** Copies of the approval and of the run that the product wrote, all ended, within the last month. */
function fill(db) {
  const at = (n) => new Date(Date.now() - n * 200_000).toISOString();
  const id = (row, n) => ({ id: `${row.id.slice(0, -6)}${n.toString(16).padStart(6, '0')}` });
  const copy = (table, change) => {
    const row = db.prepare(`select * from ${table} limit 1`).get();
    const names = Object.keys(row);
    const insert = db.prepare(`insert into ${table} (${names.join(',')}) values (${names.map((name) => `@${name}`).join(',')})`);
    db.transaction(() => {
      for (let n = 1; n <= ROWS; n++) insert.run({ ...row, ...change(row, n) });
    })();
  };
  copy('approvals', (row, n) => ({ ...id(row, n), status: 'denied', created_at: at(n), expires_at: at(n - 1), decided_at: at(n) }));
  copy('runs', (row, n) => ({ ...id(row, n), started_at: at(n), ended_at: at(n) }));
  copy('run_upids', (row, n) => ({ upid: `${row.upid}${n}`, run_id: `${row.run_id.slice(0, -6)}${n.toString(16).padStart(6, '0')}` }));
  db.close();
}
