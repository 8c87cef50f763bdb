import { afterAll, beforeAll, expect, it } from 'vitest';
import { clientOf, openSimulator, stillClock } from './client.ts';

const clock = stillClock();
let opened: Awaited<ReturnType<typeof openSimulator>>;
beforeAll(async () => {
  opened = await openSimulator({ now: clock.now });
});
afterAll(() => opened.close());

interface Point {
  time: number;
  cpu?: number;
  mem?: number;
  used?: number;
}

it.each([
  ['hour', 60, 60],
  ['day', 60, 1440],
  ['week', 1_800, 336],
  ['month', 1_800, 1440],
  ['year', 21_600, 1440],
])('a %s of a guest is a row every %i s, %i rows, the newest last', async (timeframe, step, count) => {
  const { data } = await opened.api.get(`/nodes/pve/qemu/100/rrddata?timeframe=${timeframe}`);
  const points = data as Point[];
  expect(points).toHaveLength(count);
  expect(points.slice(1).every(({ time }, index) => time - (points[index] as Point).time === step)).toBe(true);
  expect(points.at(-1)?.time).toBe(Math.floor(clock.now() / 1000 / step) * step);
});

it('the same moment reads the same twice, and a maximum is not below its average', async () => {
  const path = '/nodes/pve/qemu/100/rrddata?timeframe=hour';
  const first = (await opened.api.get(path)).data as Point[];
  expect((await opened.api.get(`${path}&cf=AVERAGE`)).data).toEqual(first);
  const peaks = (await opened.api.get(`${path}&cf=MAX`)).data as Point[];
  expect(peaks.every(({ cpu }, index) => (cpu ?? 0) >= (first[index]?.cpu ?? 0))).toBe(true);
});

it('a stopped guest used nothing, and its rows are there', async () => {
  const { data } = await opened.api.get('/nodes/pve/qemu/104/rrddata?timeframe=hour');
  expect((data as Point[]).every(({ cpu, mem }) => cpu === 0 && mem === 0)).toBe(true);
});

it('a node whose status daemon is silent has rows without figures since then', async () => {
  opened.simulator.faults.add({ action: 'silent-status-daemon', node: 'pve2', ms: 600_000 });
  const { data } = await opened.api.get('/nodes/pve2/rrddata?timeframe=hour');
  opened.simulator.faults.clear();
  expect(Object.keys((data as Point[]).at(-1) ?? {})).toEqual(['time']);
  expect(Object.keys((data as Point[])[0] ?? {})).toContain('memused');
});

it('one export tells the figures of every guest, node and storage, and with history those of the rounds before', async () => {
  const { data } = await opened.api.get('/cluster/metrics/export');
  const rows = data.data as { id: string; metric: string; timestamp: number }[];
  expect(new Set(rows.map(({ id }) => id))).toEqual(
    expect.objectContaining(new Set(['qemu/100', 'lxc/200', 'node/pve2', 'storage/pve/nas'])),
  );
  expect(rows.filter(({ id }) => id === 'qemu/104').map(({ metric }) => metric)).toEqual(['uptime', 'cpu_max', 'mem_total', 'disk_total']);
  const since = Math.floor(clock.now() / 1000) - 60;
  const more = (await opened.api.get(`/cluster/metrics/export?history=1&start-time=${since}`)).data.data as typeof rows;
  expect(more.every(({ timestamp }) => timestamp > since)).toBe(true);
  expect(new Set(more.map(({ timestamp }) => timestamp)).size).toBeGreaterThan(3);
});

it('the export is for auditors of the whole cluster', async () => {
  const api = clientOf(opened.simulator, { id: 'mcp@pve!agent', secret: '5eed0000-0000-4000-8000-000000000003' });
  const { status, reason } = await api.get('/cluster/metrics/export');
  api.close();
  expect([status, reason]).toEqual([403, 'Permission check failed (/, Sys.Audit)']);
});
