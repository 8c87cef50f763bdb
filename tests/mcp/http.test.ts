import { request } from 'node:http';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/mcp/metrics.ts';
import { deferred } from './face.ts';
import { bearer, type HttpServer, rpc, startHttp } from './http-server.ts';

let server: HttpServer | undefined;
afterEach(() => server?.close());
const start = async (...args: Parameters<typeof startHttp>) => {
  server = await startHttp(...args);
  return server;
};
const fine = () => ({ kind: 'done' as const, output: { vms: [], total: 0 } });

/** Sends headers that fetch would not. */
function raw(url: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on('error', reject)
      .end();
  });
}

describe('who may knock', () => {
  it('refuses a foreign Host (DNS rebinding) everywhere but on the probes', async () => {
    const { url } = await start(fine, { open: true });
    for (const path of ['/mcp', '/metrics', '/.well-known/oauth-protected-resource'])
      expect((await raw(new URL(path, url).href, { host: 'evil.example.org' })).status, path).toBe(403);
    expect((await raw(new URL('/healthz', url).href, { host: '10.1.2.3:8808' })).status).toBe(200);
  });

  it('refuses browsers of other sites', async () => {
    const { url } = await start(fine, { open: true });
    for (const origin of ['https://evil.example.org', 'null'])
      expect((await rpc(url, 'tools/list', {}, { origin })).status, origin).toBe(403);
    expect((await rpc(url, 'tools/list', {}, { origin: 'http://localhost:3000' })).status).toBe(200);
  });

  it('refuses what is too big, and what is no JSON', async () => {
    const { url } = await start(fine, { open: true });
    const post = (body: string, type = 'application/json') =>
      fetch(url, { method: 'POST', body, headers: { 'content-type': type, accept: 'application/json, text/event-stream' } });
    expect((await post(JSON.stringify({ x: 'a'.repeat(1024 * 1024) }))).status).toBe(413);
    expect((await post('{')).status).toBe(400);
    expect((await post('{}', 'text/plain')).status).toBeGreaterThanOrEqual(400);
  });

  it('limits requests per principal, and says when to come back', async () => {
    const { url, token } = await start(fine, { perMinute: 3 });
    const [busy, calm] = [await token('busy'), await token('calm')];
    const statuses = [];
    for (let n = 0; n < 5; n++) statuses.push((await rpc(url, 'tools/list', {}, bearer(busy))).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    const refused = await rpc(url, 'tools/list', {}, bearer(busy));
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await rpc(url, 'tools/list', {}, bearer(calm))).status).toBe(200);
  });
});

describe('sessions of older clients', () => {
  const connect = async (url: string, token: string) => {
    const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: bearer(token) } });
    const client = new Client({ name: 'old', version: '1' });
    await client.connect(transport);
    return { client, transport };
  };
  const inSession = (url: string, token: string, session: string) =>
    fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-11-25',
        'mcp-session-id': session,
        ...bearer(token),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/list' }),
    });

  it('belong to the principal that opened them', async () => {
    const { url, token } = await start(fine);
    const [mine, other] = [await token('mine'), await token('other')];
    const { client, transport } = await connect(url, mine);
    const id = transport.sessionId ?? '';
    expect(id).toMatch(/^test-/);
    expect((await inSession(url, mine, id)).status).toBe(200);
    expect((await inSession(url, other, id)).status).toBe(404);
    expect((await fetch(url, { method: 'DELETE', headers: { 'mcp-session-id': id, ...bearer(other) } })).status).toBe(404);
    expect((await inSession(url, mine, id)).status).toBe(200);
    await client.close();
  });

  it('do not outlive the token', async () => {
    const { url, token, store } = await start(fine);
    const mine = await token('mine');
    const { client, transport } = await connect(url, mine);
    await store.tokens.revoke((await store.tokens.byName('mine'))?.id ?? '', new Date().toISOString());
    expect((await inSession(url, mine, transport.sessionId ?? '')).status).toBe(401);
    await client.close().catch(() => {});
  });

  it('that this server does not know are answered 404, so that the client begins anew', async () => {
    const { url, token } = await start(fine);
    expect((await inSession(url, await token('mine'), 'a-gone')).status).toBe(404);
  });

  it('are not needed: a request without one is served by itself', async () => {
    const { url, token, calls } = await start(fine);
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...bearer(await token('t')) },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'list_vms', arguments: {} } }),
    });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('"total":0');
    expect(calls.at(-1)?.caller.canAsk.elicitation).toBe(false);
  });
});

describe('running', () => {
  it('says whether it lives, whether it can serve, and when it ends', async () => {
    const { url, app, store } = await start(fine);
    const at = (path: string) => fetch(new URL(path, url));
    expect((await at('/healthz')).status).toBe(200);
    expect((await at('/readyz')).status).toBe(200);
    await store.close();
    expect((await at('/readyz')).status).toBe(503);
    app.drain();
    expect(await (await at('/readyz')).json()).toEqual({ ok: false, reason: 'ending' });
    expect((await at('/healthz')).status).toBe(200);
    const refused = await rpc(url, 'tools/list');
    expect(refused.status).toBe(503);
    expect(await refused.text()).toContain('nothing was done');
  });

  it('finishes what is running when it ends', async () => {
    const held = deferred();
    const running = await start(async () => {
      await held.promise;
      return fine();
    });
    const answer = rpc(running.url, 'tools/call', { name: 'list_vms', arguments: {} }, bearer(await running.token('t')));
    await expect.poll(() => running.calls.length).toBe(1);
    running.app.drain();
    held.resolve();
    const response = await answer;
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('"total":0');
  });

  it('shows metrics to those who may log in', async () => {
    const { url, token } = await start(fine);
    const at = new URL('/metrics', url);
    expect((await fetch(at)).status).toBe(401);
    await rpc(url, 'tools/list', {}, bearer(await token('t')));
    const text = await (await fetch(at, { headers: bearer(await token('prometheus', { role: 'viewer' })) })).text();
    expect(text).toContain('proxmox_mcp_http_requests_total{status="200"} 1');
    expect(text).toContain('proxmox_mcp_auth_refusals_total{reason="missing"} 1');
    expect(text).toContain('proxmox_mcp_quota_limit{resource="guests"} 50');
    expect(text).toContain('proxmox_mcp_sessions 0');
    const scoped = await fetch(at, { headers: bearer(await token('of-a-pool', { scope: { pools: ['a'] } })) });
    expect(scoped.status).toBe(403);
    expect(await scoped.text()).not.toContain('proxmox_mcp');
  });

  it('shows metrics under any name of a replica, to those who may log in and to nobody else', async () => {
    const { url, token } = await start(fine);
    const at = new URL('/metrics', url).href;
    const headers = { host: 'mcp-a:8808' };
    expect((await raw(at, headers)).status).toBe(401);
    expect((await raw(at, { ...headers, ...bearer(await token('prometheus', { role: 'viewer' })) })).status).toBe(200);
    expect((await raw(url, { ...headers, ...bearer(await token('agent')) })).status).toBe(403);
  });

  it('answers unknown paths with an error of its own', async () => {
    const { url } = await start(fine, { open: true });
    expect((await fetch(new URL('/etc/passwd', url))).status).toBe(404);
  });
});

it('counts in the format of Prometheus', () => {
  const metrics = createMetrics();
  metrics.count('proxmox_mcp_calls_total', { operation: 'a"\\\n', outcome: 'done' });
  metrics.count('proxmox_mcp_calls_total', { operation: 'a"\\\n', outcome: 'done' });
  for (const seconds of [0.02, 2, 100]) metrics.observe('proxmox_mcp_call_seconds', seconds, { operation: 'list_vms' });
  const lines = metrics.render([]).split('\n');
  expect(lines).toContain('proxmox_mcp_calls_total{operation="a\\"\\\\\\n",outcome="done"} 2');
  expect(lines).toContain('proxmox_mcp_call_seconds_bucket{operation="list_vms",le="0.01"} 0');
  expect(lines).toContain('proxmox_mcp_call_seconds_bucket{operation="list_vms",le="0.05"} 1');
  expect(lines).toContain('proxmox_mcp_call_seconds_bucket{operation="list_vms",le="5"} 2');
  expect(lines).toContain('proxmox_mcp_call_seconds_bucket{operation="list_vms",le="+Inf"} 3');
  expect(lines).toContain('proxmox_mcp_call_seconds_count{operation="list_vms"} 3');
  for (const line of lines) expect(line).toMatch(/^$|^# (HELP|TYPE) |^[a-z_]+(\{.*\})? [\d.]+$/);
});
