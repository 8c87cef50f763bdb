import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSimulator, stillClock } from './client.ts';

let clock: ReturnType<typeof stillClock>;
let place: Awaited<ReturnType<typeof openSimulator>>;
beforeEach(async () => {
  clock = stillClock();
  place = await openSimulator({ now: clock.now, timeScale: 1 });
});
afterEach(() => place.close());

const rows = async (): Promise<Record<string, unknown>[]> => (await place.api.get('/cluster/resources')).data;
const rowOf = async (id: string) => (await rows()).find((row) => row.id === id);

describe('a node whose status daemon is silent', () => {
  it('has unknown guests, storages and itself without name and figures, while the other node is as before', async () => {
    place.simulator.faults.add({ action: 'silent-status-daemon', node: 'pve' });
    const found = (await rows()).filter(({ type }) => type === 'qemu' || type === 'lxc' || type === 'node' || type === 'storage');
    const silent = found.filter(({ node }) => node === 'pve');
    expect(silent.map(({ status }) => status)).toEqual(silent.map(() => 'unknown'));
    expect(
      silent.flatMap((row) => ['name', 'cpu', 'mem', 'maxmem', 'maxcpu', 'disk', 'maxdisk', 'uptime'].filter((key) => key in row)),
    ).toEqual([]);
    expect(found.filter(({ node, status }) => node === 'pve2' && status === 'unknown')).toEqual([]);
    expect((await place.api.get('/nodes')).data.map(({ node, status }: Record<string, string>) => [node, status])).toEqual([
      ['pve', 'unknown'],
      ['pve2', 'online'],
    ]);
  });

  it('answers everything else itself, and its tasks run', async () => {
    place.simulator.faults.add({ action: 'silent-status-daemon', node: 'pve' });
    expect((await place.api.get('/nodes/pve/status')).data).toMatchObject({ memory: { total: expect.any(Number) } });
    const own = (await place.api.get('/nodes/pve/qemu')).data as { vmid: number; name: string; status: string }[];
    expect(own.find(({ vmid }) => vmid === 105)).toMatchObject({ name: expect.any(String), status: 'stopped' });
    const { data: upid } = await place.api.post('/nodes/pve/qemu/105/status/start');
    clock.pass(60_000);
    expect((await place.api.get(`/nodes/pve/tasks/${upid}/status`)).data.exitstatus).toBe('OK');
  });

  it('is shown for five minutes as it was last seen, and again as it is once the daemon is back', async () => {
    place.simulator.faults.add({ action: 'silent-status-daemon', node: 'pve', ms: 0 });
    await place.api.post('/nodes/pve/qemu/105/status/start');
    clock.pass(60_000);
    expect(await rowOf('qemu/105')).toMatchObject({ status: 'stopped' });
    clock.pass(240_000);
    const forgotten = await rowOf('qemu/105');
    expect(forgotten).toMatchObject({ status: 'unknown', vmid: 105, node: 'pve', pool: expect.any(String) });
    expect(forgotten).not.toHaveProperty('name');
    place.simulator.faults.clear();
    expect(await rowOf('qemu/105')).toMatchObject({ status: 'running' });
  });
});

it('answers every token a pool that it names, members included, though the pool itself and the list stay hidden', async () => {
  const stranger = place.as('noAcl');
  const [pool] = (await stranger.get('/pools?poolid=prod')).data;
  expect(pool.members.length).toBeGreaterThan(0);
  expect(pool.members[0]).toMatchObject({ name: expect.any(String), status: expect.any(String) });
  expect((await stranger.get('/pools')).data).toEqual([]);
  expect((await stranger.get('/pools/prod')).reason).toBe('Permission check failed (/pool/prod, Pool.Audit)');
});
