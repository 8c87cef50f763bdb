import { afterEach, describe, expect, it } from 'vitest';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

async function make(name: string): Promise<number> {
  return (await world.done('create_vm', { name, disk_gb: 1, start_on_create: true })).vmid as number;
}

describe('a full queue', () => {
  it('names the pending approvals of the caller with their expiry, and none of others', async () => {
    world = await openWorld({ approval: { mode: 'relay', ttlSeconds: 900, maxPendingPerPrincipal: 1 } });
    const [one, two] = [await make('one'), await make('two')];
    const id = await world.asks('stop_vm', { vmid: one });
    const mine = await world.refused(world.call('stop_vm', { vmid: two }));
    expect(mine).toMatchObject({
      code: 'too_many_pending',
      message: expect.stringContaining(`1 approvals of yours are already pending. Yours: ${id} (expires 2`),
    });
    expect(mine.details).toEqual({
      pending: [{ approval_id: id, summary: expect.stringContaining(`one (${one})`), expires_at: expect.stringMatching(/^\d{4}-/) }],
    });
    const other = await world.refused(
      world.call('stop_vm', { vmid: one }, {}, { ...agent, principal: 'local:other', owner: 'local:other' }),
    );
    expect(other.message).toBe('1 approvals about this guest are already pending.');
    expect(JSON.stringify(other)).not.toContain(id);
  });
});

describe('a second approve of the requester', () => {
  it('answers the outcome of the one run, and sends nothing', async () => {
    world = await openWorld();
    const id = await world.asks('stop_vm', { vmid: await make('again'), force: true });
    const first = await world.done('approve', { approval_id: id });
    const sent = world.cluster.mutations().length;
    expect(await world.done('approve', { approval_id: id })).toEqual(first);
    expect(await world.another().perform('approve', { approval_id: id }, agent)).toEqual({ kind: 'done', output: first });
    expect(world.cluster.mutations()).toHaveLength(sent);
  });

  it('answers that the run continues while it does', async () => {
    world = await openWorld();
    const id = await world.asks('stop_vm', { vmid: await make('slow'), force: true });
    world.cluster.simulator.faults.add({ match: { method: 'GET', path: '/tasks/' }, action: 'hold' });
    const begun = await world.call('approve', { approval_id: id }, { wait: 0 });
    const again = await world.call('approve', { approval_id: id }, { wait: 0 });
    expect(begun).toMatchObject({ kind: 'running', run: { status: 'executing' } });
    expect(again).toMatchObject({ kind: 'running', run: { id: begun.kind === 'running' ? begun.run.id : '' } });
    world.cluster.simulator.faults.clear();
    world.cluster.simulator.faults.release();
    expect(await world.done('approve', { approval_id: id })).toMatchObject({ status: 'succeeded', result: { status: 'stopped' } });
  });

  it('answers the failure of the run in the same words', async () => {
    world = await openWorld();
    const id = await world.asks('stop_vm', { vmid: await make('failing'), force: true });
    world.cluster.simulator.faults.add({ match: { method: 'POST', path: '/status/stop' }, action: 'status', status: 500, reason: 'no' });
    const first = await world.refused(world.call('approve', { approval_id: id }));
    expect((await world.refused(world.call('approve', { approval_id: id }))).toJSON()).toEqual(first.toJSON());
  });

  it('is refused to every other caller', async () => {
    world = await openWorld();
    const id = await world.asks('stop_vm', { vmid: await make('mine'), force: true });
    await world.done('approve', { approval_id: id });
    const boss = { ...agent, principal: 'local:boss', owner: 'local:boss', isOperator: true };
    expect((await world.refused(world.call('approve', { approval_id: id }, {}, boss))).code).toBe('approval_used');
  });

  it('is refused after a denial', async () => {
    world = await openWorld();
    const id = await world.asks('stop_vm', { vmid: await make('denied'), force: true });
    await world.done('deny', { approval_id: id });
    expect((await world.refused(world.call('approve', { approval_id: id }))).code).toBe('approval_denied');
  });
});

describe('get_task', () => {
  it('answers the task of the requested UPID, with its run', async () => {
    world = await openWorld();
    const made = await world.done('create_vm', { name: 'steps', disk_gb: 1, start_on_create: true });
    // A model pays for every UPID: the answer has the run alone, which has them all.
    expect(JSON.stringify(made)).not.toContain('UPID');
    const run = await world.done('get_task', { run_id: made.run_id });
    const upids = (run.steps as { upid: string }[]).map(({ upid }) => upid);
    expect(upids).toHaveLength(2);
    for (const upid of upids) {
      const told = await world.done('get_task', { upid, log_lines: 5 });
      expect(told).toMatchObject({ upid, status: 'stopped', exit: 'OK', run_id: expect.stringMatching(/^run_/), run_status: 'succeeded' });
      expect(told.log).toEqual(expect.arrayContaining([expect.any(String)]));
    }
    const steps = await Promise.all(upids.map(async (upid) => (await world.done('get_task', { upid })).step));
    expect(steps).toEqual(['create', 'start']);
  });

  it('knows how a stop ended although its guest is gone', async () => {
    world = await openWorld();
    const vmid = await make('gone');
    const yes = async (operation: string, args: object) => {
      const done = await world.done('approve', { approval_id: await world.asks(operation, args) });
      return done.result as { status: string };
    };
    expect(await yes('stop_vm', { vmid, force: true })).toMatchObject({ status: 'stopped' });
    const { runs } = (await world.done('get_task', {})) as { runs: { run_id: string; operation: string }[] };
    await yes('delete_vm', { vmid });
    const run_id = runs.find(({ operation }) => operation === 'stop_vm')?.run_id;
    expect(await world.done('get_task', { run_id })).toMatchObject({ status: 'succeeded', result: { vmid, status: 'stopped' } });
  });
});
