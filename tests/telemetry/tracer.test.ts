import { expect, it } from 'vitest';
import { ProxmoxMcpError } from '../../src/core/errors/errors.ts';
import { createTracer, type EndedSpan } from '../../src/telemetry/tracer.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const start = (name: string, traceparent?: string, tracestate?: string) => ({
  name,
  kind: 'internal' as const,
  ...(traceparent === undefined ? {} : { parent: { traceparent, ...(tracestate === undefined ? {} : { tracestate }) } }),
});

function tracer(sampler = { followsParent: true, ratio: 1 }) {
  const ended: EndedSpan[] = [];
  return { ...createTracer(sampler, (span) => ended.push(span)), ended };
}

it('nests spans by the code that runs in them, and keeps calls at the same time apart', async () => {
  const { run, ended } = tracer();
  const one = (name: string) => run(start(name), () => run(start(`${name} inner`), async () => {}));
  await Promise.all([one('a'), one('b')]);
  const named = (name: string) => ended.find((span) => span.name === name);
  for (const name of ['a', 'b']) {
    expect(named(`${name} inner`)?.parentId).toBe(named(name)?.spanId);
    expect(named(`${name} inner`)?.traceId).toBe(named(name)?.traceId);
  }
  expect(named('a')?.traceId).not.toBe(named('b')?.traceId);
});

it('continues the trace of its caller', async () => {
  const { run, ended, traceId } = tracer();
  expect(await run(start('call', `00-${TRACE}-${SPAN}-01`, 'vendor=1'), async () => traceId())).toBe(TRACE);
  expect(ended).toMatchObject([{ traceId: TRACE, parentId: SPAN, traceState: 'vendor=1' }]);
});

it.each([
  `00-${TRACE}-${SPAN}`,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-01-more`,
  'stop_vm 105',
])('begins a trace of its own for the malformed parent %s', async (traceparent) => {
  const { run, ended } = tracer();
  await run(start('call', traceparent), async () => {});
  expect(ended[0]?.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(ended[0]?.traceId).not.toBe(TRACE);
  expect(ended[0]).not.toHaveProperty('parentId');
});

it('keeps no span of a trace that its caller does not keep, nor those of its children', async () => {
  const { run, ended } = tracer();
  await run(start('call', `00-${TRACE}-${SPAN}-00`), () => run(start('inner'), async () => {}));
  expect(ended).toEqual([]);
});

it('keeps the share of traces that is asked for, whatever the caller keeps, without parentbased', async () => {
  const { run, ended } = tracer({ followsParent: false, ratio: 0.5 });
  await run(start('low', `00-${'1'.repeat(18)}${'0'.repeat(13)}1-${SPAN}-00`), async () => {});
  await run(start('high', `00-${'1'.repeat(18)}${'f'.repeat(14)}-${SPAN}-01`), async () => {});
  expect(ended.map(({ name }) => name)).toEqual(['low']);
});

it('marks a span with the code of its error and never with its text', async () => {
  const { run, ended } = tracer();
  await expect(
    run(start('call'), async () => {
      throw new ProxmoxMcpError('guest_not_found', 'There is no guest "hostile".');
    }),
  ).rejects.toThrow('hostile');
  expect(ended).toMatchObject([{ error: 'guest_not_found', attributes: { 'error.type': 'guest_not_found' } }]);
  expect(JSON.stringify(ended)).not.toContain('hostile');
});

it('leaves work that belongs to no call without a trace', async () => {
  const { run, outside, traceId } = tracer();
  expect(await run(start('call'), async () => outside(() => traceId()))).toBeUndefined();
});
