import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createMetrics } from '../../src/http/metrics.ts';
import { deferred } from '../helpers/answering-engine.ts';
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

describe('access', () => {
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

  it('names the setting that adds another host name', async () => {
    const { url } = await start(fine, { open: true });
    const { status, text } = await raw(url, { host: 'mcp.internal:8808' });
    expect(status).toBe(403);
    expect(text).toContain('PROXMOX_HTTP_PUBLIC_URL');
    expect(text).toContain('mcp.internal');
  });

  it('accepts the host that a trusted proxy names, and ignores that header of any other peer', async () => {
    const publicUrls = ['https://mcp.example.org', 'https://second.example.org'];
    const trusting = await start(fine, { publicUrls, trustedProxies: ['127.0.0.1'] });
    const ask = async (headers: Record<string, string>, url = trusting.url) =>
      (await raw(new URL('/.well-known/x', url).href, { host: 'container:8808', ...headers })).status;
    expect(await ask({ 'x-forwarded-host': 'second.example.org' })).toBe(404);
    expect(await ask({ 'x-forwarded-host': 'evil.example.org' })).toBe(403);
    expect(await ask({ 'x-forwarded-host': 'mcp.example.org, evil.example.org' })).toBe(403);
    expect(await ask({})).toBe(403);
    const wary = await startHttp(fine, { publicUrls });
    expect(await ask({ 'x-forwarded-host': 'mcp.example.org' }, wary.url)).toBe(403);
    await wary.close();
  });

  it('lets pages of its own names send requests and read answers, and no others', async () => {
    const { url, token } = await start(fine);
    const origin = 'http://localhost:6274';
    const preflight = await fetch(url, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,mcp-protocol-version' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
    expect(preflight.headers.get('access-control-allow-methods')?.split(',')).toEqual(['GET', 'POST', 'DELETE']);
    for (const name of ['authorization', 'content-type', 'mcp-session-id', 'mcp-protocol-version'])
      expect(preflight.headers.get('access-control-allow-headers')?.toLowerCase()).toContain(name);
    for (const [headers, status] of [
      [{ origin, ...bearer(await token('page')) }, 200],
      [{ origin }, 401],
    ] as const) {
      const answer = await rpc(url, 'tools/list', {}, headers);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
      for (const name of ['mcp-session-id', 'www-authenticate'])
        expect(answer.headers.get('access-control-expose-headers')?.toLowerCase()).toContain(name);
    }
    const foreign = await fetch(url, { method: 'OPTIONS', headers: { origin: 'https://evil.example.org' } });
    expect(foreign.status).toBe(403);
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('passes the answer to an agent, which sends no Origin, on as it is', async () => {
    const { url } = await start(fine, { open: true });
    const made = vi.spyOn(globalThis, 'Response');
    const { status, headers } = await rpc(url, 'tools/call', { name: 'list_vms', arguments: {} });
    const copies = made.mock.calls.length;
    made.mockRestore();
    expect([status, headers.get('access-control-expose-headers'), copies]).toEqual([200, null, 0]);
  });

  it('asks for an access token where a client looks for an authorization server', async () => {
    const { url } = await start(fine);
    const oauth = { issuer: 'https://login.example.org', audiences: ['x'], trustedSubjects: [] };
    const withOAuth = await startHttp(fine, { publicUrls: ['https://mcp.example.org'], oauth });
    for (const path of ['/register', '/.well-known/oauth-authorization-server', '/.well-known/openid-configuration/mcp']) {
      for (const [place, word] of [
        [url, 'tokens add'],
        [withOAuth.url, 'https://login.example.org'],
      ] as const) {
        const answer = await fetch(new URL(path, place), { method: path === '/register' ? 'POST' : 'GET' });
        expect(answer.status).toBe(404);
        const { error } = (await answer.json()) as { error: { message: string } };
        expect(error.message).toMatch(/[Ss]end an access token/);
        expect(error.message).toContain(word);
      }
    }
    await withOAuth.close();
  });

  it('closes a connection whose headers or body do not come within the documented time', async () => {
    const { url } = await start(fine, { open: true });
    const { port } = new URL(url);
    // 15 s for the headers, 30 s for the request; Node's own default looks at them only every 30 s.
    const ended = (text: string) =>
      new Promise<void>((resolve) => {
        const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
        socket.resume().once('close', () => resolve());
      });
    const patience = new AbortController();
    const tooLate = (ms: number) => sleep(ms, 'too late', { signal: patience.signal }).catch(() => undefined);
    expect(await Promise.race([ended('POST /mcp HTTP/1.1\r\nHost: localhost\r\n'), tooLate(28_000)])).toBeUndefined();
    patience.abort();
  }, 60_000);

  it('refuses a body that is too big or not JSON', async () => {
    const { url } = await start(fine, { open: true });
    const post = (body: string, type = 'application/json') =>
      fetch(url, { method: 'POST', body, headers: { 'content-type': type, accept: 'application/json, text/event-stream' } });
    expect((await post(JSON.stringify({ x: 'a'.repeat(1024 * 1024) }))).status).toBe(413);
    expect((await post('{')).status).toBe(400);
    expect((await post('{}', 'text/plain')).status).toBeGreaterThanOrEqual(400);
  });

  it('limits requests per principal, and names the time of the next retry', async () => {
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

it('counts each message of a batch as a request', async () => {
  const { url, token } = await start(fine, { perMinute: 10 });
  const busy = await token('busy');
  const batch = (size: number) =>
    fetch(url, {
      method: 'POST',
      body: JSON.stringify(Array.from({ length: size }, (_, id) => ({ jsonrpc: '2.0', id, method: 'tools/list' }))),
      headers: { ...bearer(busy), 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    }).then(({ status }) => status);
  expect([await batch(6), await batch(4), await batch(1)]).toEqual([200, 200, 429]);
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

  it('and streams of changes end soon after their token is revoked; a stream of another token continues', async () => {
    const { url, token, store } = await start(fine);
    const [mine, other] = [await token('mine'), await token('other')];
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const listen = async (bearing: string) => {
      const headers = { accept: 'application/json, text/event-stream', 'content-type': 'application/json', ...bearer(bearing) };
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'old', version: '1' } };
      const initialize = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
      const session = (await fetch(url, { method: 'POST', headers, body: initialize })).headers.get('mcp-session-id') ?? '';
      const old = await fetch(url, { headers: { ...headers, 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' } });
      const filter = { notifications: { resourceSubscriptions: ['proxmox://approvals'] } };
      const modern = await rpc(url, 'subscriptions/listen', filter, bearer(bearing));
      expect([old.status, modern.status]).toEqual([200, 200]);
      return [old, modern].map((response) => {
        const stream = { isOver: false };
        const over = () => {
          stream.isOver = true;
        };
        void response.text().then(over, over);
        return stream;
      });
    };
    const [revoked, kept] = [await listen(mine), await listen(other)];
    await vi.advanceTimersByTimeAsync(30_000);
    expect([...revoked, ...kept].some(({ isOver }) => isOver)).toBe(false);
    await store.tokens.revoke((await store.tokens.byName('mine'))?.id ?? '', new Date().toISOString());
    await vi.advanceTimersByTimeAsync(30_000);
    vi.useRealTimers();
    await vi.waitFor(() => expect(revoked.every(({ isOver }) => isOver)).toBe(true), 20_000);
    expect(kept.some(({ isOver }) => isOver)).toBe(false);
  });

  it('that this server does not know are answered 404, so that the client begins again', async () => {
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
  it('reports whether it runs, whether it can serve, and that it shuts down', async () => {
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
    expect(await refused.text()).toContain('Nothing was done');
  });

  it('finishes calls in progress when it ends', async () => {
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

  it('shows metrics to authenticated callers', async () => {
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

  it('shows metrics under any name of a replica, only to authenticated callers', async () => {
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
