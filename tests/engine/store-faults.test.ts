import { afterEach, describe, expect, it } from 'vitest';
import type { Audit } from '../../src/audit/writer.ts';
import { systemClock } from '../../src/core/clock.ts';
import { fail } from '../../src/core/errors/errors.ts';
import type { Engine } from '../../src/engine/types.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { agent, openWorld, type World } from '../helpers/world.ts';

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
    standing: part('standing', store.standing),
  });
}

const until = async (what: () => boolean | Promise<boolean>) => {
  while (!(await what())) await systemClock.sleep(10);
};
const outcomes = () => world.audit().filter((r) => r.kind === 'outcome');

interface Case {
  name: string;
  /** The request that Proxmox gets. */
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
      done: async () => (await world.done('list_vms', { name: 'made' })).total === 1,
    },
    {
      name: 'set_resources',
      match: { method: 'POST', path: '/config$' },
      begin: (engine) => engine.perform('set_resources', { vmid: off, memory: 1536 }, agent, { wait: 'end' }),
      done: async () => ((await world.done('get_vm', { vmid: off })).config as { memory_mb?: number }).memory_mb === 1536,
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

/** An audit that has no room for lines of these kinds. */
const full = (kinds: Set<string>) => (audit: Audit) => ({
  ...audit,
  append: async (...[record, options]: Parameters<Audit['append']>) => {
    if (kinds.has(record.kind)) fail('audit_unavailable', 'The audit trail cannot be written: the disk is full.');
    return audit.append(record, options);
  },
});

describe.each(OPERATIONS)('%s, whose outcome the audit has no room for', (name) => {
  it('is never reported as undone, and its line follows once there is room', async () => {
    world = await openWorld();
    const one = (await cases()).find((c) => c.name === name) as Case;
    const kinds = new Set(['outcome']);
    const engine = world.another({}, { audit: full(kinds) });
    const store = await openStore({ dataDir: world.dataDir });
    const answer = await world.refused(one.begin(engine));
    expect(answer).toMatchObject({ code: 'outcome_unknown', details: { upid: expect.stringMatching(/^UPID:/) } });
    expect(answer.message).toContain('the disk is full');
    expect(answer.message).not.toContain('Nothing');
    const id = answer.details?.run_id as string;
    expect(await store.runs.get(id)).toMatchObject({ status: 'executing' });
    kinds.clear();
    await engine.perform('list_approvals', {}, agent);
    await until(async () => (await store.runs.get(id))?.status !== 'executing');
    expect(await store.runs.get(id)).toMatchObject({ status: 'succeeded' });
    await until(() => world.audit().some((r) => r.kind === 'reconciled' && r.runId === id));
    expect(outcomes().filter((r) => r.runId === id)).toMatchObject([{ status: 'succeeded' }]);
    expect((await store.reservations.all('simulator')).filter((r) => r.state === 'held')).toEqual([]);
    await store.close();
  });
});

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
    const asks = ['stop_vm', 'delete_vm'].includes(name);
    expect((await store.approvals.get(run?.approvalId ?? ''))?.status).toBe(asks ? 'succeeded' : undefined);
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

it('an answer about a guest does not deny open requests while the store cannot be read', async () => {
  world = await openWorld();
  const broken = new Set<string>();
  const engine = world.another({}, { store: fragile(broken) });
  const look = async () => engine.perform('get_vm', { vmid: 104 }, agent);
  expect(await look()).not.toHaveProperty('output.open_outcomes');
  broken.add('all');
  expect(await look()).toMatchObject({
    output: { vmid: 104, open_outcomes: [expect.stringContaining('unknown whether Proxmox may still execute')] },
  });
});

describe('before anything was sent', () => {
  it('an intent that cannot be written ends the call and the run, and says that nothing was sent', async () => {
    world = await openWorld();
    const kinds = new Set(['intent']);
    const engine = world.another({}, { audit: full(kinds) });
    const answer = await world.refused(engine.perform('create_vm', { name: 'never', disk_gb: 1 }, agent, { wait: 'end' }));
    expect(answer).toMatchObject({ code: 'audit_unavailable', message: expect.stringMatching(/Nothing was sent\.$/) });
    expect(outcomes()).toMatchObject([{ status: 'failed' }]);
    expect(world.cluster.mutations()).toEqual([]);
    kinds.clear();
    expect(await engine.perform('create_vm', { name: 'never', disk_gb: 1 }, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
  });

  it('a refusal that cannot be recorded never hides the first error', async () => {
    world = await openWorld();
    const engine = world.another({}, { audit: full(new Set(['refused'])) });
    const refusal = (operation: string, args: object) => world.refused(engine.perform(operation, args, agent, { wait: 'end' }));
    expect(await refusal('create_vm', { name: 'big', memory: 99_999, disk_gb: 1 })).toMatchObject({ code: 'quota_exceeded' });
    expect(await refusal('get_vm', { vmid: 9999 })).toMatchObject({ code: 'guest_not_found' });
    expect(await refusal('create_vm', { name: 'a', cores: 'many' })).toMatchObject({ code: 'invalid_arguments' });
  });

  it('a reservation that cannot be released is released later, and blocks no call of this process', async () => {
    world = await openWorld();
    const broken = new Set<string>();
    const engine = world.another({}, { store: fragile(broken) });
    const create = (memory: number) => engine.perform('create_vm', { name: 'again', memory, disk_gb: 1 }, agent, { wait: 20 });
    broken.add('reservations.release');
    expect(await world.refused(create(99_999))).toMatchObject({ code: 'quota_exceeded' });
    expect(await create(64)).toMatchObject({ kind: 'done', output: { created: true } });
    const store = await openStore({ dataDir: world.dataDir });
    await until(async () => (await store.reservations.all('simulator')).every((r) => r.state === 'made'));
    await store.close();
  });
});

describe('a guest that another client deleted', () => {
  const withRoom = (guests: number) => ({
    limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: guests, scope: { kind: 'visible' as const } },
  });

  it('does not count any more, although it was made a moment ago', async () => {
    world = await openWorld();
    const guests = (await world.other().get('/cluster/resources?type=vm')).data.filter((g: { template?: number }) => !g.template).length;
    const engine = world.another(withRoom(guests + 1));
    const create = (name: string) => engine.perform('create_vm', { name, disk_gb: 1 }, agent, { wait: 'end' });
    const first = await create('short');
    const vmid = first.kind === 'done' ? first.output.vmid : undefined;
    expect(await world.refused(create('more'))).toMatchObject({ code: 'quota_exceeded' });
    await world.other().task('DELETE', `/nodes/pve/qemu/${vmid}`);
    expect(await create('more')).toMatchObject({ kind: 'done', output: { created: true } });
  });

  it('while the last step of its creation failed leaves no reservation', async () => {
    world = await openWorld();
    world.cluster.simulator.faults.add({ match: { method: 'POST', path: '/status/start$' }, action: 'hold-before', times: 1 });
    const answer = world.refused(world.call('create_vm', { name: 'brief', disk_gb: 1, start_on_create: true }));
    await world.cluster.simulator.faults.untilHeld();
    const vmid = world.cluster.mutations().find((r) => r.path.endsWith('/qemu'))?.params.vmid as string;
    await world.other().task('DELETE', `/nodes/pve/qemu/${vmid}`);
    world.cluster.simulator.faults.release();
    await answer;
    const store = await openStore({ dataDir: world.dataDir });
    expect((await store.reservations.all('simulator')).filter((r) => r.vmid === Number(vmid))).toEqual([]);
    await store.close();
  });
});
