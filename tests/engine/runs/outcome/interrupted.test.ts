import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/core/clock.ts';
import { NO_POLICY } from '../../../../src/core/settings/policy.ts';
import SqliteDatabase from '../../../../src/sqlite.ts';
import { openStore, type Store } from '../../../../src/store/index.ts';
import { agent, hurriedClock, openWorld, type World } from '../../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const approve = (id: string) => world.call('approve', { approval_id: id });
/** For which every lease of the others has run out. */
const later = { clock: { ...systemClock, now: () => Date.now() + 60_000 } };
const outcomes = () => world.audit().filter((r) => r.kind === 'outcome' || r.kind === 'reconciled');
const until = async (what: () => boolean) => {
  while (!what()) await systemClock.sleep(10);
};

describe('an outage after the answer was lost', () => {
  it('is waited for: the outcome of the request is found as soon as an endpoint answers', async () => {
    world = await openWorld();
    world.cluster.simulator.faults.add(
      { match: { method: 'POST', path: '/qemu$' }, action: 'reset-after', times: 1 },
      { match: { method: 'GET', path: '/tasks' }, action: 'reset', times: 6 },
    );
    expect(await world.done('create_vm', { name: 'lucky', disk_gb: 1 })).toMatchObject({ created: true });
    expect(world.cluster.mutations()).toHaveLength(1);
  });

  it('while the task is followed fails nothing', async () => {
    world = await openWorld();
    world.cluster.simulator.faults.add(
      { match: { method: 'GET', path: '/tasks/.*/status' }, action: 'status', status: 500, reason: 'got timeout', times: 2 },
      { match: { method: 'GET', path: '/tasks/.*/status' }, action: 'reset', times: 6 },
    );
    expect(await world.done('create_vm', { name: 'patient', disk_gb: 1 })).toMatchObject({ created: true });
  });

  it('while the task is followed does not hide what the guest shows', async () => {
    world = await openWorld();
    world.cluster.simulator.faults.add({
      match: { method: 'GET', path: '/tasks/.*/status' },
      action: 'status',
      status: 401,
      reason: 'Authentication failed!',
    });
    const hurried = world.another({}, { clock: hurriedClock() });
    expect(await hurried.perform('create_vm', { name: 'hidden', disk_gb: 1 }, agent, { wait: 'end' })).toMatchObject({
      kind: 'done',
      output: { created: true },
    });
  });
});

describe('steps that a process which is gone never sent', () => {
  const dead = JSON.stringify({ host: 'elsewhere', pid: 1, start: '', engine: 'gone' });

  /** A create whose first step is done and whose process is gone. */
  async function left(more: { leaseId?: string; startedAt?: string }) {
    world = await openWorld();
    const shown = await world.call('create_vm', { name: 'left', disk_gb: 1, start_on_create: true }, { dryRun: true });
    if (shown.kind !== 'dry_run') throw new Error('no plan');
    const [first] = shown.plan.steps;
    const startedAt = new Date().toISOString();
    const run = { id: 'run_left', operation: 'create_vm', args: { name: 'left' }, cluster: 'simulator', principal: agent.principal };
    const store = await openStore({ dataDir: world.dataDir });
    const lease = new Date(Date.now() + 60_000).toISOString();
    await store.runs.begin({ ...run, plan: shown.plan, digest: 'd', startedAt, ...more }, dead, lease);
    await store.runs.journal(run.id, dead, [{ id: first?.id ?? '', state: 'done', at: startedAt }], new Date(0).toISOString());
    await world.engine.perform('list_approvals', {}, agent);
    await until(() => outcomes().some((r) => r.kind === 'reconciled'));
    const ended = await store.runs.get(run.id);
    await store.close();
    return { ended, sent: world.cluster.mutations().length };
  }

  it('are sent by another one for a change that needed no approval', async () => {
    expect((await left({})).sent).toBe(1);
  });

  it('are not sent under a standing approval: it was given to the process that is gone', async () => {
    const { ended, sent } = await left({ leaseId: 'lease_1' });
    expect(sent).toBe(0);
    expect(ended).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
  });

  it('are not sent a quarter of an hour later', async () => {
    expect((await left({ startedAt: new Date(Date.now() - 16 * 60_000).toISOString() })).sent).toBe(0);
  });
});

describe('a process that is gone', () => {
  it('in the middle of a deletion that succeeded: its preconditions are not checked on the guest that is gone', async () => {
    world = await openWorld();
    const { vmid } = await world.done('create_vm', { name: 'gone', disk_gb: 1 });
    const id = await world.asks('delete_vm', { vmid });
    world.cluster.simulator.faults.add({ match: { method: 'DELETE' }, action: 'hold', times: 1 });
    const lost = approve(id).catch(() => {});
    await world.cluster.simulator.faults.untilHeld();
    const other = world.another({}, later);
    await other.perform('list_approvals', {}, agent);
    await until(() => outcomes().some((r) => r.kind === 'reconciled'));
    world.cluster.simulator.faults.release();
    await lost;
    expect(outcomes().filter((r) => r.operation === 'delete_vm')).toMatchObject([
      { kind: 'outcome', status: 'succeeded' },
      { kind: 'reconciled', status: 'succeeded' },
    ]);
    expect(world.cluster.mutations().filter((r) => r.method === 'DELETE')).toHaveLength(1);
  });

  it('just before its run began holds no name for ever', async () => {
    world = await openWorld();
    let reached = false;
    const begin = () =>
      new Promise<boolean>(() => {
        reached = true;
      });
    const dying = world.another(
      {},
      {
        store: (store) => ({
          ...store,
          runs: { ...store.runs, begin },
        }),
      },
    );
    void dying.perform('create_vm', { name: 'mine', disk_gb: 1 }, agent, { wait: 'end' }).catch(() => {});
    await until(() => reached);
    const other = world.another({}, later);
    expect(await other.perform('create_vm', { name: 'mine', disk_gb: 1 }, agent, { wait: 20 })).toMatchObject({
      kind: 'done',
      output: { created: true },
    });
  });

  it('just before its run began blocks no approval either', async () => {
    const rule = { match: { operation: ['create_vm'] }, never: false, method: 'relay' as const };
    const asked = { policy: { rules: [rule], perHour: {} } };
    world = await openWorld(asked);
    const id = await world.asks('create_vm', { name: 'mine', disk_gb: 1 });
    let reached = false;
    const begin = () =>
      new Promise<boolean>(() => {
        reached = true;
      });
    const dying = world.another({ policy: NO_POLICY }, { store: (store) => ({ ...store, runs: { ...store.runs, begin } }) });
    void dying.perform('create_vm', { name: 'mine', disk_gb: 1 }, agent, { wait: 'end' }).catch(() => {});
    await until(() => reached);
    const other = world.another(asked, later);
    expect(await other.perform('approve', { approval_id: id }, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
  });

  it('while another call waits for its guest: that call brings the run to an end', async () => {
    world = await openWorld();
    world.cluster.simulator.faults.add({ match: { method: 'POST', path: '/qemu$' }, action: 'hold', times: 1 });
    const lost = world.call('create_vm', { name: 'shared', disk_gb: 1 }).catch(() => {});
    await world.cluster.simulator.faults.untilHeld();
    let ahead = 0;
    const clock = { ...systemClock, now: () => Date.now() + ahead };
    let followed = 0;
    const store = (s: Store): Store => ({
      ...s,
      reservations: {
        ...s.reservations,
        get: (id) => {
          followed += 1;
          return s.reservations.get(id);
        },
      },
    });
    const waiting = world.another({}, { clock, store }).perform('create_vm', { name: 'shared', disk_gb: 1 }, agent, { wait: 'end' });
    await until(() => followed > 0);
    ahead = 60_000;
    expect(await waiting).toMatchObject({ kind: 'done', output: { created: false, existing: true } });
    world.cluster.simulator.faults.release();
    await lost;
    expect(world.cluster.mutations()).toHaveLength(1);
  });

  it('asleep while it waits for a lock sends nothing when it wakes and another process has its run', async () => {
    world = await openWorld();
    const { vmid } = await world.done('create_vm', { name: 'asleep', disk_gb: 1, start_on_create: true });
    const id = await world.asks('stop_vm', { vmid, force: true });
    const stops = () => world.cluster.mutations().filter((r) => r.path.endsWith('/status/stop')).length;
    const reason = `can't lock file '/var/lock/qemu-server/lock-${vmid}.conf' - got timeout`;
    world.cluster.simulator.faults.add({ match: { path: '/status/stop$' }, action: 'status', status: 500, reason, times: 1 });
    const asleep = approve(id);
    await until(() => stops() === 1);
    const store = await openStore({ dataDir: world.dataDir });
    for (const { run, worker } of await store.runs.executing('simulator'))
      expect(await store.runs.adopt(run.id, worker, 'another process', new Date(Date.now() + 60_000).toISOString())).toBe(true);
    await store.close();
    expect(await asleep).toMatchObject({ kind: 'running' });
    expect(stops()).toBe(1);
  });

  it('which waited for a lock is searched for traces since its last attempt, not since its first', async () => {
    world = await openWorld();
    const { vmid } = await world.done('create_vm', { name: 'waited', disk_gb: 1, start_on_create: true });
    const intents: number[] = [];
    const store = (s: Store): Store => {
      const journal: Store['runs']['journal'] = (id, worker, steps, lease) => {
        if (steps[0]?.state === 'intent') intents.push(Date.parse(steps[0].at));
        return s.runs.journal(id, worker, steps, lease);
      };
      return { ...s, runs: { ...s.runs, journal } };
    };
    const reason = `can't lock file '/var/lock/qemu-server/lock-${vmid}.conf' - got timeout`;
    world.cluster.simulator.faults.add(
      { match: { path: '/status/stop$' }, action: 'status', status: 500, reason, times: 1 },
      { match: { path: '/status/stop$' }, action: 'reset-after', times: 1 },
    );
    const id = await world.asks('stop_vm', { vmid, force: true });
    const engine = world.another({}, { store });
    expect(await engine.perform('approve', { approval_id: id }, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
    expect((intents.at(-1) ?? 0) - (intents[0] ?? 0)).toBeGreaterThanOrEqual(4_000);
  });

  it('asleep before its run began creates no second guest of a name that another call took', async () => {
    world = await openWorld();
    let wake: (() => void) | undefined;
    const slept = new Promise<void>((resolve) => {
      wake = resolve;
    });
    let reached = false;
    const store = (s: Store): Store => {
      const begin: Store['runs']['begin'] = async (...run) => {
        reached = true;
        await slept;
        return s.runs.begin(...run);
      };
      return { ...s, runs: { ...s.runs, begin } };
    };
    const asleep = world.another({}, { store }).perform('create_vm', { name: 'only', disk_gb: 1 }, agent, { wait: 'end' });
    const refused = world.refused(asleep);
    await until(() => reached);
    await world.another({}, later).perform('create_vm', { name: 'only', disk_gb: 1 }, agent, { wait: 'end' });
    wake?.();
    expect(await refused).toMatchObject({ code: 'interrupted' });
    expect(world.cluster.mutations()).toHaveLength(1);
  });

  it('before its approval or run was stored leaves no secret behind', async () => {
    const rule = { match: { operation: ['clone_template'] }, never: false, method: 'relay' as const };
    world = await openWorld({ policy: { rules: [rule], perHour: {} } });
    let reached = 0;
    const never = () =>
      new Promise<never>(() => {
        reached += 1;
      });
    const store = (s: Store): Store => ({ ...s, approvals: { ...s.approvals, request: never }, runs: { ...s.runs, begin: never } });
    const dying = world.another({}, { store });
    const cloud_init = { user: 'me', password: 'correct horse' };
    void dying.perform('create_vm', { name: 'secretive', disk_gb: 1, cloud_init }, agent).catch(() => {});
    void dying.perform('clone_template', { source_vmid: 9000, name: 'copy', cloud_init }, agent).catch(() => {});
    await until(() => reached === 2);
    const db = new SqliteDatabase(join(world.dataDir, 'store.sqlite'), { readonly: true });
    expect(db.prepare('select count(*) as n from secrets').get()).toEqual({ n: 0 });
    db.close();
  });

  it('between the end of its run and the line in the audit leaves the line', async () => {
    world = await openWorld();
    let die: ((ended: boolean) => void) | undefined;
    const end = () =>
      new Promise<boolean>((resolve) => {
        die = resolve;
      });
    const dying = world.another({}, { store: (store) => ({ ...store, runs: { ...store.runs, end } }) });
    void dying.perform('create_vm', { name: 'told', disk_gb: 1 }, agent, { wait: 'end' }).catch(() => {});
    await until(() => die !== undefined);
    expect(outcomes()).toMatchObject([{ kind: 'outcome', status: 'succeeded' }]);
    die?.(false);
  });
});

describe('another client that is faster', () => {
  /** An engine that lets others act in the moment before its run begins. */
  const meanwhile = (act: () => Promise<unknown>) =>
    world.another(
      {},
      {
        store: (s) => ({
          ...s,
          runs: {
            ...s.runs,
            begin: async (...run) => {
              await act();
              return s.runs.begin(...run);
            },
          },
        }),
      },
    );

  it.each(['qemu', 'lxc'])('has done the work: a %s that runs already was started', async (type) => {
    world = await openWorld();
    const vmid = type === 'qemu' ? 105 : 201;
    const slow = meanwhile(() => world.done('start_vm', { vmid }));
    expect(await slow.perform('start_vm', { vmid }, agent, { wait: 'end' })).toMatchObject({
      kind: 'done',
      output: { vmid, status: 'running', already: true },
    });
    expect(world.cluster.mutations()).toHaveLength(2);
  });
});
