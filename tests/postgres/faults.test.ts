import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { agent, openWorld, type World } from '../helpers/world.ts';

const postgres = await startPostgres();
afterAll(() => postgres.stop());
let world: World;
afterEach(() => world.close());

const until = async (what: () => boolean | Promise<boolean>) => {
  while (!(await what())) await systemClock.sleep(20);
};

/** How each operation begins, and which request it sends. */
const CASES = {
  create_vm: { match: { method: 'POST', path: '/qemu$' }, args: () => ({ name: 'made', disk_gb: 1 }), asks: false },
  set_resources: { match: { method: 'POST', path: '/config$' }, args: (vmid: unknown) => ({ vmid, memory: 1024 }), asks: false },
  stop_vm: { match: { method: 'POST', path: '/status/stop$' }, args: (vmid: unknown) => ({ vmid, force: true }), asks: true },
  delete_vm: { match: { method: 'DELETE' }, args: (vmid: unknown) => ({ vmid }), asks: true },
};

describe.each(Object.entries(CASES))('%s, while PostgreSQL is away longer than it is waited for', (name, { match, args, asks }) => {
  it('is of unknown outcome, and the same process records how it ended once the database is back', async () => {
    world = await openWorld();
    const { vmid } = await world.done('create_vm', { name: 'there', disk_gb: 1, start_on_create: name === 'stop_vm' });
    const shared: Store = await openStore({ dataDir: '', databaseUrl: postgres.url });
    const engine = world.another({}, { store: () => shared });
    let begin = () => engine.perform(name, args(vmid), agent, { wait: 'end' });
    if (asks) {
      const asked = await begin();
      const id = asked.kind === 'approval_required' ? asked.approval.id : '';
      begin = () => engine.perform('approve', { approval_id: id }, agent, { wait: 'end' });
    }
    world.cluster.simulator.faults.add({ match, action: 'hold', times: 1 });
    const before = world.cluster.mutations().length;
    const answer = world.refused(begin());
    await world.cluster.simulator.faults.untilHeld();
    await postgres.down();
    world.cluster.simulator.faults.release();
    // The store is asked again until its patience of 30 s is over, by a clock that is moved on here.
    const now = performance.now.bind(performance);
    let ahead = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + ahead);
    const ticking = setInterval(() => {
      ahead += 10_000;
    }, 100);
    const refused = await answer.finally(() => {
      clearInterval(ticking);
      clock.mockRestore();
    });
    expect(refused).toMatchObject({ code: 'outcome_unknown', details: { upid: expect.stringMatching(/^UPID:/) } });
    const id = refused.details?.run_id as string;
    await postgres.up();
    await engine.perform('list_approvals', {}, agent);
    await until(async () => (await shared.runs.get(id))?.status !== 'executing');
    const run = await shared.runs.get(id);
    expect(run?.status).toBe('succeeded');
    expect((await shared.approvals.get(run?.approvalId ?? ''))?.status).toBe(asks ? 'succeeded' : undefined);
    await until(() => world.audit().some((r) => r.kind === 'reconciled' && r.runId === id));
    expect(world.audit().filter((r) => r.kind === 'outcome' && r.runId === id)).toMatchObject([{ status: 'succeeded' }]);
    expect(world.cluster.mutations().length - before).toBe(run?.plan.steps.filter((s) => s.kind === 'request').length);
  }, 120_000);
});
