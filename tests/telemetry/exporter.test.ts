import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createExporter } from '../../src/telemetry/exporter.ts';
import type { TraceSettings } from '../../src/telemetry/settings.ts';
import type { EndedSpan } from '../../src/telemetry/tracer.ts';
import { type Collector, startCollector } from '../helpers/collector.ts';

let collector: Collector;
beforeEach(async () => {
  collector = await startCollector();
});
afterEach(() => collector.close());

const GENEROUS_MS = 20_000;
const span = (name: string): EndedSpan => ({
  traceId: '1'.repeat(32),
  spanId: '2'.repeat(16),
  name,
  kind: 'client',
  start: 1_700_000_000_000.5,
  end: 1_700_000_000_001.75,
  attributes: { text: 'a', number: 3 },
});

function exporter(more: Partial<TraceSettings> = {}) {
  const warnings: object[] = [];
  const settings: TraceSettings = {
    ...{ url: `${collector.url}/v1/traces`, headers: { authorization: 'Bearer hidden' }, timeoutMs: GENEROUS_MS, delayMs: GENEROUS_MS },
    ...{ queue: 100, batch: 100, sampler: { followsParent: true, ratio: 1 }, resource: { 'service.name': 'proxmox-mcp' } },
    ...more,
  };
  const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => void warnings.push(fields) };
  return { ...createExporter(settings, '1.2.3', log), warnings };
}

it('sends what is left when it ends, with its headers and times in nanoseconds', async () => {
  const { add, close } = exporter();
  add(span('one'));
  await close(GENEROUS_MS);
  expect(collector.requests).toHaveLength(1);
  expect(collector.requests[0]).toMatchObject({
    url: '/v1/traces',
    headers: { authorization: 'Bearer hidden', 'content-type': 'application/json' },
  });
  expect(collector.resource()).toEqual({ 'service.name': 'proxmox-mcp' });
  expect(collector.spans).toMatchObject([
    {
      ...{ name: 'one', kind: 3, startTimeUnixNano: '1700000000000500000', endTimeUnixNano: '1700000000001750000' },
      ...{ attributes: { text: 'a', number: 3 }, status: {} },
    },
  ]);
});

it('sends the same spans again where the collector is busy, and drops those that it refuses', async () => {
  const { add, close, warnings } = exporter({ delayMs: 20 });
  collector.answers.push(503);
  add(span('kept'));
  await vi.waitFor(() => expect(collector.spans.map(({ name }) => name)).toEqual(['kept']), { timeout: GENEROUS_MS });
  collector.answers.push(400);
  add(span('refused'));
  await vi.waitFor(() => expect(collector.requests).toHaveLength(3), { timeout: GENEROUS_MS });
  await close(GENEROUS_MS);
  expect(collector.spans.map(({ name }) => name)).toEqual(['kept']);
  expect(JSON.stringify(warnings)).toContain('it answered 503');
  expect(JSON.stringify(warnings)).not.toContain('hidden');
});

it('drops the oldest spans where the collector is away, and ends all the same', async () => {
  const { add, close } = exporter({ queue: 2 });
  await collector.close();
  for (const name of ['one', 'two', 'three']) add(span(name));
  await close(GENEROUS_MS);
  collector = await startCollector();
  expect(collector.requests).toEqual([]);
});

it('keeps the newest spans for a collector that returns', async () => {
  const { add, close } = exporter({ queue: 2, batch: 2, delayMs: 20 });
  collector.answers.push(...Array(1000).fill(503));
  for (const name of ['one', 'two', 'three']) add(span(name));
  await vi.waitFor(() => expect(collector.requests.length).toBeGreaterThan(2), { timeout: GENEROUS_MS });
  collector.answers.length = 0;
  await vi.waitFor(() => expect(collector.spans.map(({ name }) => name)).toEqual(['two', 'three']), { timeout: GENEROUS_MS });
  await close(GENEROUS_MS);
});
