import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import { curveOf, growthPerDay, statisticsOf } from '../../../src/operations/cluster/lib/statistics.ts';
import type { Point } from '../../../src/proxmox/metrics.ts';
import { renderResult } from '../../../src/render/result.ts';
import { container, openWorld, readIn, refusalOf, useWorlds, type World, webServer } from '../../helpers/described/index.ts';
import { operationNamed } from '../../helpers/operations.ts';

useWorlds();

async function look(world: World, args: object = {}) {
  const { ctx, requests } = await openWorld(world);
  return { answer: await readIn(ctx, 'get_metrics', args), requests };
}
const hot = { ...webServer, cpu: 0.97, usedMib: 1000, uptime: 90_000 };
const idle = { ...webServer, vmid: 106, cpu: 0.02, usedMib: 300, uptime: 90_000, config: { ...webServer.config, name: 'lazy' } };
type Row = { metric: string; avg: number; p95: number; max: number; max_at: string; now: number };
const row = (answer: { metrics: Row[] }, metric: string) => answer.metrics.find((one) => one.metric === metric);

describe('get_metrics', () => {
  test('of a guest: average, p95, the peak with its time, and now, in two requests beside the place', async () => {
    const { answer, requests } = await look({ guests: [hot] }, { vmid: 105, period: 'hour' });
    expect(answer).toMatchObject({ of: 'VM web1 (105) on pve', period: 'hour', to: '2026-11-26T12:00Z' });
    expect(row(answer, 'cpu_percent')).toMatchObject({ avg: 97, p95: 97, max: 100, now: 97 });
    expect(row(answer, 'cpu_percent')?.max_at).toMatch(/^2026-11-26T1[12]:\d\dZ$/);
    expect(row(answer, 'memory_used_mb')?.now).toBe(1000);
    expect(answer.findings).toEqual(['CPU is at its limit: cpu_percent p95 is 97.', expect.stringMatching(/^processes wait for a CPU: /)]);
    expect(requests()).toEqual([
      '/cluster/resources?type=vm',
      '/nodes/pve/qemu/105/rrddata?timeframe=hour&cf=AVERAGE',
      '/nodes/pve/qemu/105/rrddata?timeframe=hour&cf=MAX',
    ]);
  });
  test('with values: the curve of each figure in that many stretches, with gaps where nothing was measured', async () => {
    const { answer } = await look({ guests: [hot] }, { vmid: 105, period: 'hour', values: 6 });
    expect(answer.metrics.find(({ metric }: Row) => metric === 'memory_used_mb').values).toEqual([1000, 1000, 1000, 1000, 1000, 1000]);
    expect(answer.metrics.every(({ values }: { values: number[] }) => values.length === 6)).toBe(true);
    const points: Point[] = [{ time: 1, cpu: 0.1 }, { time: 2, cpu: 0.3 }, { time: 3 }, { time: 4 }, { time: 5, cpu: 1 }];
    const figure = { metric: 'cpu', of: ({ cpu }: Point) => cpu };
    expect(curveOf(figure, points, 3)).toEqual([0.1, 0.3, 1]);
    expect(curveOf(figure, points, 5)).toEqual([0.1, 0.3, null, null, 1]);
    expect(curveOf(figure, points, 96)).toHaveLength(5);
    expect(curveOf(figure, [], 3)).toEqual([]);
  });
  test('costs less than 600 tokens as a model gets it', async () => {
    const { answer } = await look({ guests: [hot] }, { vmid: 105 });
    const { forModel } = renderResult({ kind: 'done', output: answer }, { tables: operationNamed('get_metrics') });
    expect(forModel.metrics).toMatchObject({ columns: ['metric', 'avg', 'p95', 'max', 'max_at', 'now'] });
    expect(encode(JSON.stringify(forModel)).length).toBeLessThan(600);
  });
  test('says that a guest is idle, but not one that is stopped', async () => {
    expect((await look({ guests: [idle] }, { vmid: 106, period: 'hour' })).answer.findings).toEqual(['idle: CPU never exceeded 2.6 %.']);
    const { answer } = await look({ guests: [{ ...idle, running: false }] }, { vmid: 106, period: 'hour' });
    expect(answer.findings).toEqual(['It is stopped now.']);
    expect(row(answer, 'cpu_percent')).toMatchObject({ avg: 0, max: 0 });
  });
  test('of a node: its waits and pressure; what is always zero is left out', async () => {
    const { answer } = await look({ guests: [hot] }, { node: 'pve', period: 'day' });
    expect(answer.of).toBe('node pve');
    const names = answer.metrics.map(({ metric }: Row) => metric);
    expect(names).toEqual(expect.arrayContaining(['cpu_percent', 'memory_used_percent', 'io_wait_percent', 'load', 'root_used_gb']));
    expect(names).not.toContain('swap_used_mb');
  });
  test('of a storage: the trend, and when it is full', async () => {
    const series = (step: number) =>
      Array.from({ length: 60 }, (_, i) => ({ time: 1_795_000_000 + 3600 * i, total: 100 * 2 ** 30, used: (40 + step * i) * 2 ** 30 }));
    const world = (step: number): World => ({ guests: [], answers: { '/nodes/pve/storage/local-lvm/rrddata': series(step) } });
    const { answer } = await look(world(0.5), { storage: 'local-lvm', period: 'week' });
    expect(answer).toMatchObject({ of: 'storage local-lvm on pve', growth_gb_per_day: 12, full_in_days: 3 });
    expect(answer.findings).toEqual(['It is full in 3 days if it grows as in this week.']);
    for (const step of [0, -0.1, 0.0001]) {
      const calm = (await look(world(step), { storage: 'local-lvm', node: 'pve' })).answer;
      expect(calm).not.toHaveProperty('full_in_days');
      expect(calm).not.toHaveProperty('findings');
    }
  });
  test('a storage that each node has for itself needs its node', async () => {
    const { ctx } = await openWorld({ nodes: [{ node: 'pve' }, { node: 'pve2' }] });
    const error = await refusalOf(readIn(ctx, 'get_metrics', { storage: 'local' }));
    expect(error).toMatchObject({ code: 'ambiguous', details: { candidates: ['pve', 'pve2'] } });
    expect((await refusalOf(readIn(ctx, 'get_metrics', { storage: 'nope' }))).message).toContain('is not visible on any node');
  });
  test('says that no figures are known, not that they are zero', async () => {
    const empty = Array.from({ length: 3 }, (_, i) => ({ time: 1_795_000_000 + 60 * i }));
    const { answer } = await look({ guests: [hot], answers: { '/nodes/pve/qemu/105/rrddata': empty } }, { vmid: 105 });
    expect(answer).toMatchObject({ metrics: [], measured_percent: 0, notice: expect.stringContaining('Proxmox has no figures') });
    expect(answer).not.toHaveProperty('findings');
  });
  test('without a target: the busiest guests over the last half hour, in one request beside the list', async () => {
    const guests = [idle, hot, { ...container, cpu: 0.5 }];
    const { answer, requests } = await look({ guests });
    expect(answer).toMatchObject({ of: 'the busiest guests', over: 'the last half hour', total: 3 });
    expect(answer.guests.map(({ vmid }: { vmid: number }) => vmid)).toEqual([105, 201, 106]);
    expect(answer.guests[0]).toMatchObject({ name: 'web1', cpu_percent_avg: 97, cpus_used: 1.94 });
    expect(requests()).toEqual(['/cluster/resources?type=vm', '/cluster/metrics/export?history=1']);
  });
  test.each<[string, Partial<World>]>([
    ['a release without the export', { version: '8.1.4' }],
    ['a token without Sys.Audit on /', { permissions: { '/vms': ['VM.Audit'] } }],
  ])('%s: the busiest guests now', async (_what, more) => {
    const { answer } = await look({ guests: [idle, hot], ...more });
    expect(answer).toMatchObject({ over: 'now', guests: [{ vmid: 105 }, { vmid: 106 }] });
  });
  test('a guest and a node together are refused', async () => {
    const { ctx } = await openWorld({ guests: [hot] });
    expect((await refusalOf(readIn(ctx, 'get_metrics', { vmid: 105, node: 'pve' }))).code).toBe('invalid_arguments');
  });
});

describe('the statistics of a figure', () => {
  const points = [1, 5, 3, undefined, 2].map((cpu, i) => ({ time: 60 * i, cpu }) as Point);
  const cpu = { metric: 'cpu', of: (p: Point) => p.cpu };
  test('leave out what was not measured, and take the peak of the maxima', () => {
    expect(statisticsOf(cpu, points, [{ time: 180, cpu: 9 }])).toEqual({
      ...{ metric: 'cpu', avg: 2.75, p95: 5, max: 9, max_at: '1970-01-01T00:03Z', now: 2 },
    });
    expect(statisticsOf(cpu, [{ time: 0 }], [])).toBeUndefined();
  });
  test('grow along a straight line', () => {
    expect(
      growthPerDay(
        [0, 1, 2].map((day) => ({ time: 86_400 * day, cpu: 7 + 3 * day })),
        cpu.of,
      ),
    ).toBeCloseTo(3);
    expect(growthPerDay([{ time: 5, cpu: 1 }], cpu.of)).toBeUndefined();
  });
});
