import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { fail } from '../../src/core/errors.ts';
import type { Engine } from '../../src/engine/types.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { agent, openWorld, type World } from './world.ts';

let world: World;
afterEach(() => world.close());

/** A store whose methods fail while they are named in `broken`, before or after they did their work. */
function fragile(broken: Set<string>) {
  const part = <T extends object>(name: string, methods: T): T =>
    Object.fromEntries(
      Object.entries(methods).map(([method, work]) => [
        method,
        async (...args: unknown[]) => {
          if (broken.has(`${name}.${method}`) || broken.has('all')) {
            broken.delete(`${name}.${method}`);
            throw Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' });
          }
          return work(...args);
        },
      ]),
    ) as T;
  return (store: Store): Store => ({
    ...store,
    runs: part('runs', store.runs),
    reservations: part('reservations', store.reservations),
    approvals: part('approvals', store.approvals),
    secrets: part('secrets', store.secrets),
    leases: part('leases', store.leases),
  });
}

const until = async (what: () => boolean | Promise<boolean>) => {
  while (!(await what())) await systemClock.sleep(10);
};
const outcomes = () => world.audit().filter((r) => r.kind === 'outcome');

interface Case {
  name: string;
  /** What is sent to Proxmox. */
  match: { method: string; path?: string };
  begin(engine: Engine): Promise<unknown>;
  /** Whether Proxmox shows that it took effect. */
  done(): Promise<boolean>;
}

/** A running guest and how each operation changes it. */
async function cases(): Promise<Case[]> {
  const { vmid } = await world.done('create_vm', { name: 'there', disk_gb: 1, start_on_create: true });
  const off = (await world.done('create_vm', { name: 'off', disk_gb: 1 })).vmid;
  const stop = await world.asks('stop_vm', { vmid, force: true });
  const remove = await world.asks('delete_vm', { vmid: off });
  const status = async (id: unknown) => (await world.done('get_vm', { vmid: id })).status;
  const approve = (id: string) => (engine: Engine) => engine.perform('approve', { approval_id: id }, agent, { wait: 'end' });
  const missing = async (id: unknown) => (await world.refused(world.call('get_vm', { vmid: id }))).code === 'guest_not_found';
  return [
    {
      name: 'create_vm',
      match: { method: 'POST', path: '/qemu$' },
      begin: (engine) => engine.perform('create_vm', { name: 'made', disk_gb: 1 }, agent, { wait: 'end' }),
      done: async () => ((await world.done('list_vms', { name: 'made' })).vms as { rows?: unknown[] } & unknown[]).length !== 0,
    },
    {
      name: 'set_resources',
      match: { method: 'POST', path: '/config$' },
      begin: (engine) => engine.perform('set_resources', { vmid: off, memory: 1024 }, agent, { wait: 'end' }),
      done: async () => true,
    },
    {
      name: 'stop_vm',
      match: { method: 'POST', path: '/status/stop$' },
      begin: approve(stop),
      done: async () => (await status(vmid)) === 'stopped',
    },
    { name: 'delete_vm', match: { method: 'DELETE' }, begin: approve(remove), done: () => missing(off) },
  ];
}

const OPERATIONS = ['create_vm', 'set_resources', 'stop_vm', 'delete_vm'];

describe.each(OPERATIONS)('%s, whose request left and whose journal cannot be written then', (name) => {
  const begun = async () => {
    world = await openWorld();
    const one = (await cases()).find((c) => c.name === name) as Case;
    const broken = new Set<string>();
    const store = await openStore({ dataDir: world.dataDir });
    const engine = world.another({}, { store: fragile(broken) });
    world.cluster.simulator.faults.add({ match: one.match, action: 'hold', times: 1 });
    const before = world.cluster.mutations().length;
    const answer = world.refused(one.begin(engine));
    await world.cluster.simulator.faults.untilHeld();
    const [running] = await store.runs.executing('simulator');
    const id = running?.run.id ?? fail('internal', 'no run');
    return { one, broken, store, engine, answer, id, sent: () => world.cluster.mutations().slice(before) };
  };

  it('once: the answer says that it was sent, and the same process records how it ended', async () => {
    const { broken, store, answer, id, sent } = await begun();
    broken.add('runs.journal');
    world.cluster.simulator.faults.release();
    expect(await answer).toMatchObject({ code: 'outcome_unknown', details: { run_id: id, upid: expect.stringMatching(/^UPID:/) } });
    expect((await answer).message).toContain('was sent');
    await until(async () => (await store.runs.get(id))?.status !== 'executing');
    const run = await store.runs.get(id);
    expect(run?.status).toBe('succeeded');
    if (run?.approvalId) expect((await store.approvals.get(run.approvalId))?.status).toBe('succeeded');
    expect(outcomes().filter((r) => r.runId === id)).toMatchObject([{ status: 'succeeded', upids: [expect.stringMatching(/^UPID:/)] }]);
    expect(world.audit().filter((r) => r.kind === 'refused' && r.operation === name)).toEqual([]);
    expect(sent().length).toBe(run?.plan.steps.filter((s) => s.kind === 'request').length);
    await store.close();
  });

  it('for long: the run stays executing, and the next call of this process ends it once the store works', async () => {
    const { one, broken, store, engine, answer, id } = await begun();
    broken.add('all');
    world.cluster.simulator.faults.release();
    expect(await answer).toMatchObject({ code: 'outcome_unknown', details: { run_id: id } });
    expect(await store.runs.get(id)).toMatchObject({ status: 'executing' });
    broken.clear();
    await engine.perform('list_approvals', {}, agent);
    await until(async () => (await store.runs.get(id))?.status !== 'executing');
    expect(await store.runs.get(id)).toMatchObject({ status: 'succeeded' });
    expect(await one.done()).toBe(true);
    expect((await store.reservations.all('simulator')).filter((r) => r.state === 'held')).toEqual([]);
    await store.close();
  });
});
