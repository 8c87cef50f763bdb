import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SEED_TOKENS } from '../../../../src/simulator/seed/tokens.ts';
import { agent, openWorld, type World } from '../../../helpers/world.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
  const exitstatus = 'no space left on device';
  world.cluster.simulator.faults.add({ match: { method: 'POST', path: '/104/status/start$' }, action: 'fail-task', exitstatus, times: 1 });
  await world.refused(world.call('start_vm', { vmid: 104 }));
  await world.done('start_vm', { vmid: 104 });
});
afterAll(() => world?.close());

interface Task {
  upid: string;
  type: string;
  vmid?: number;
  node: string;
  status: string;
  run_id?: string;
  log?: string[];
}
const tasks = async (args: object): Promise<Task[]> => (await world.done('get_task', args)).tasks as unknown as Task[];

describe('get_task without an id', () => {
  it('lists the runs of the caller, also those of one guest', async () => {
    expect((await world.done('get_task', {})).runs).toMatchObject([
      { operation: 'start_vm', vmid: 104, status: 'succeeded' },
      { operation: 'start_vm', vmid: 104, status: 'failed' },
    ]);
    expect((await world.done('get_task', { mine: true, guest: 'build1' })).runs).toHaveLength(2);
    expect((await world.done('get_task', { mine: true, guest: 105 })).runs).toEqual([]);
    expect((await world.done('get_task', { mine: true, status: 'failed' })).runs).toMatchObject([{ status: 'failed' }]);
  });

  it('suggests near names for a guest that does not exist', async () => {
    const near = { code: 'guest_not_found', hint: expect.stringContaining('build1') };
    expect(await world.refused(world.call('get_task', { guest: 'build' }))).toMatchObject(near);
  });

  it('lists the tasks of all users about a guest, and the run of the caller that began one', async () => {
    const [newest] = await tasks({ guest: 'build1' });
    expect(newest).toMatchObject({ type: 'qmstart', vmid: 104, node: 'pve', status: 'OK', run_id: expect.stringMatching(/^run_/) });
    expect((await tasks({ guest: '104' }))[0]).toEqual(newest);
    expect((await tasks({ node: 'pve2' })).every(({ node }) => node === 'pve2')).toBe(true);
  });

  it('lists the failed ones alone, each with its reason, and the end of its log where lines are requested', async () => {
    const failed = await tasks({ status: 'failed' });
    expect(failed).toContainEqual(expect.objectContaining({ type: 'qmstart', vmid: 104, status: 'no space left on device' }));
    expect(failed.filter(({ status }) => /^OK$|^WARNINGS|^running$/.test(status))).toEqual([]);
    expect(failed.every(({ log }) => log === undefined)).toBe(true);
    const [first] = await tasks({ status: 'failed', log_lines: 2, limit: 1 });
    expect(first?.log?.length).toBeGreaterThan(0);
    // Of one by its id the log comes by itself.
    expect(await world.done('get_task', { upid: first?.upid })).toMatchObject({
      upid: first?.upid,
      status: 'stopped',
      log: expect.any(Array),
    });
    expect(await world.done('get_task', { upid: first?.upid, log_lines: 0 })).not.toHaveProperty('log');
  });

  it('lists the running ones', async () => {
    expect(await tasks({ status: 'running' })).toEqual([]);
  });

  it('says that tasks of others are hidden where the token lacks Sys.Audit', async () => {
    expect(await world.done('get_task', { mine: false })).not.toHaveProperty('cannot_see');
    const { id, secret } = SEED_TOKENS.noAcl;
    const blind = world.another(
      { connection: { ...world.cluster.connection(), tokenId: id, tokenSecret: secret } },
      { token: { id, secret } },
    );
    const result = await blind.perform('get_task', { mine: false }, agent);
    expect(result).toMatchObject({
      kind: 'done',
      output: { tasks: [], cannot_see: ['tasks of others: shown only with Sys.Audit (held nowhere)'] },
    });
  });

  it('shows a caller with a scope no task of other guests', async () => {
    const scoped = { ...agent, scope: { pools: ['prod'] } };
    const result = await world.call('get_task', { mine: false, limit: 60 }, {}, scoped);
    const rows = ((result as unknown as { output: { tasks: Task[] } }).output.tasks ?? []).map(({ vmid }) => vmid);
    const own = ((await world.done('list_vms', { pool: 'prod' })).vms as unknown as { vmid: number }[]).map(({ vmid }) => vmid);
    expect(rows.filter((vmid) => vmid === undefined || !own.includes(vmid))).toEqual([]);
    expect((await world.refused(world.call('get_task', { guest: 'build1' }, {}, scoped))).code).toBe('guest_not_found');
  });
});
