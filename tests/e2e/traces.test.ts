import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Collector, type ReceivedSpan, startCollector } from '../helpers/collector.ts';
import { call, callBinary, connectAgent, openPlace, type Place, run, until } from './harness.ts';
import { startHttp } from './http-server.ts';
import { connectPeer } from './peers.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const TRACEPARENT = `00-${TRACE}-${SPAN}-01`;
/** A running guest of the embedded cluster. */
const GUEST = { vmid: 103, name: 'legacy-erp' };

let place: Place;
let collector: Collector;
let env: Record<string, string>;
beforeEach(async () => {
  place = await openPlace();
  collector = await startCollector();
  env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '50' };
});
afterEach(async () => {
  await collector.close();
  await place.close();
});

const audit = (): Record<string, unknown>[] =>
  readFileSync(join(place.dataDir, 'audit.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const named = (name: string) => collector.spans.filter((span) => span.name === name);
const only = (name: string): ReceivedSpan => {
  const [span, ...more] = named(name);
  if (span === undefined || more.length > 0) throw new Error(`${more.length + (span ? 1 : 0)} spans ${name}`);
  return span;
};
/** A command that ends gives its collector 0.9 s, and drops its spans then: on a machine so busy that one was dropped it is called again. */
async function delivered(name: string, act: () => Promise<unknown>): Promise<void> {
  await until(`a span ${name}`, async () => {
    await act();
    return named(name).length > 0;
  });
}
const isBelow = (span: ReceivedSpan, above: ReceivedSpan): boolean => {
  if (span.parentSpanId === above.spanId) return true;
  const parent = collector.spans.find(({ spanId }) => spanId === span.parentSpanId);
  return parent !== undefined && isBelow(parent, above);
};

it('sends nothing and writes no trace id where no collector is set, or the SDK is disabled', async () => {
  await call(place, 'list_vms', {});
  await call(place, 'list_vms', {}, [], { ...env, OTEL_SDK_DISABLED: 'true' });
  expect(collector.requests).toEqual([]);
  for (const line of audit()) expect(line).not.toHaveProperty('traceId');
});

it('sends a span for a command, for its call, and for each request, and the audit names the trace', async () => {
  const before = place.requests.length;
  const { code } = await callBinary(place, 'get_vm', { vmid: GUEST.vmid }, [], { ...env, TRACEPARENT, OTEL_SERVICE_NAME: 'lab' });
  expect(code).toBe(0);
  const [command, performed] = [only('call get_vm'), only('perform get_vm')];
  expect(command).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, kind: 2 });
  expect(performed).toMatchObject({ parentSpanId: command.spanId, attributes: { 'proxmox.operation': 'get_vm', 'proxmox.vmid': 103 } });
  const sent = collector.spans.filter(({ kind }) => kind === 3);
  expect(sent).toHaveLength(place.requests.length - before);
  for (const span of sent) expect(isBelow(span, command), span.name).toBe(true);
  expect(only('GET /nodes/{node}/qemu/{vmid}/status/current').attributes).toMatchObject({
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'proxmox.node': 'pve',
    'proxmox.vmid': 103,
  });
  expect(collector.resource()).toMatchObject({ 'service.name': 'lab' });
  expect(audit().find(({ kind }) => kind === 'read')).toMatchObject({ traceId: TRACE });
  expect((await run(place, ['audit', 'verify'])).code).toBe(0);
});

it('shows errors by their code, a wait for a human as a span, and no name, secret or word of the caller', async () => {
  const hostile = 'zz-not-a-guest-name';
  await delivered('perform unknown', () => call(place, 'no_such_operation_of_mine', {}, [], env));
  await call(place, 'stop_vm', { vmid: hostile }, [], env);
  await call(place, 'list_vms', { node: 'say: I am a node' }, [], env);
  const asked = await call(place, 'stop_vm', { vmid: GUEST.vmid }, ['--reason', 'because-i-say-so'], {
    ...env,
    PROXMOX_APPROVAL: 'human',
  });
  const id = String(asked.json.approval_id);
  const patient = { ...env, PROXMOX_APPROVAL: 'human' };
  await delivered('approval wait', () => call(place, 'stop_vm', { vmid: GUEST.vmid }, ['--approve', id, '--wait', '1'], patient));
  expect(only('perform unknown')).toMatchObject({ status: { code: 2, message: 'unknown_operation' } });
  const wait = only('approval wait');
  expect(wait.attributes).toMatchObject({ 'proxmox.approval': id, 'proxmox.approval.method': 'human' });
  expect(BigInt(wait.endTimeUnixNano) - BigInt(wait.startTimeUnixNano)).toBeGreaterThan(900_000_000n);
  const told = collector.requests.map(({ body }) => body).join('\n');
  const secret = place.env.PROXMOX_TOKEN_SECRET ?? '';
  for (const text of [hostile, 'no_such_operation', 'because-i-say-so', 'I am a node', GUEST.name, secret])
    expect(told).not.toContain(text);
});

it('shows how long the form of a client was open, inside of its call', async () => {
  const peer = await connectPeer('v2', { ...place.env, ...env, PROXMOX_APPROVAL: 'auto' }, () => ({ action: 'cancel' }));
  const { structured } = await peer.call('stop_vm', { vmid: GUEST.vmid });
  await peer.call('approve', { approval_id: structured.approval_id });
  await peer.close();
  expect(only('approval wait').attributes).toMatchObject({ 'proxmox.approval': structured.approval_id, 'proxmox.effect': 'disrupt' });
  expect(isBelow(only('approval wait'), only('tools/call approve'))).toBe(true);
});

it('continues the trace that an MCP client names in a call over stdio', async () => {
  const agent = await connectAgent(place, env);
  await agent.client.callTool({ name: 'list_vms', arguments: {}, _meta: { traceparent: TRACEPARENT, tracestate: 'vendor=1' } });
  await agent.close();
  await until('the span arrives', () => named('tools/call list_vms').length === 1);
  expect(only('tools/call list_vms')).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, traceState: 'vendor=1', kind: 2 });
  expect(isBelow(only('perform list_vms'), only('tools/call list_vms'))).toBe(true);
});

it('continues the trace of the HTTP header, of which what the call itself says goes first', async () => {
  const server = await startHttp(place, env);
  const client = new Client({ name: 'traced', version: '1' });
  const other = `00-${'c'.repeat(32)}-${SPAN}-01`;
  await client.connect(
    new StreamableHTTPClientTransport(new URL(server.url), {
      requestInit: { headers: { authorization: `Bearer ${server.token}`, traceparent: TRACEPARENT } },
    }),
  );
  await client.callTool({ name: 'list_vms', arguments: {} });
  await client.callTool({ name: 'get_vm', arguments: { vmid: GUEST.vmid }, _meta: { traceparent: other } });
  await client.close();
  await server.close();
  expect(only('tools/call list_vms').traceId).toBe(TRACE);
  expect(only('tools/call get_vm').traceId).toBe('c'.repeat(32));
});

it('answers as ever where the collector is away', async () => {
  const url = collector.url;
  await collector.close();
  const { code, json } = await call(place, 'list_vms', {}, [], { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: url });
  collector = await startCollector();
  expect({ code, total: typeof json.total }).toEqual({ code: 0, total: 'number' });
});
