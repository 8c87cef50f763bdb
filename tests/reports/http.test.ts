import { request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { type HttpServer, startHttp, startIssuer } from '../http/http-server.ts';

let server: HttpServer | undefined;
afterEach(() => server?.close());
const start = async (...[change]: [Parameters<typeof startHttp>[1]?]) => {
  server = await startHttp(() => ({ kind: 'done', output: { vms: [], total: 0 } }), { open: true, ...change });
  return server;
};
const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
/** As a client of 2025-11-25 begins. */
const begin = (url: string, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
  });

describe('modelcontextprotocol/python-sdk#1004, DAWNCR0W/affine-mcp-server#301, rekog-labs/MCP-Nest#106, neotoma#1923: a session that is not known', () => {
  test.each(['POST', 'GET', 'DELETE'])('%s: 404, so that the client begins again', async (method) => {
    const { url } = await start();
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-session-id': 'deadbeef',
      'mcp-protocol-version': '2025-11-25',
    };
    const body = method === 'POST' ? { body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }) } : {};
    expect((await fetch(url, { method, headers, ...body })).status).toBe(404);
  });
});

test('diegosouzapw/OmniRoute#5957, anthropics/claude-code#55970: initialize with the id of an old session begins a new one', async () => {
  const { url } = await start();
  const { status, headers } = await begin(url, { 'mcp-session-id': 'deadbeef' });
  expect(status).toBe(200);
  expect(headers.get('mcp-session-id')).toMatch(/./);
  expect(headers.get('mcp-session-id')).not.toBe('deadbeef');
});

test('a Content-Type with a charset is JSON too, and a stream asks proxies not to hold it back', async () => {
  const { url } = await start();
  const { status, headers } = await begin(url, { 'content-type': 'application/json; charset=utf-8' });
  expect(status).toBe(200);
  expect(headers.get('content-type')).toContain('text/event-stream');
  expect(headers.get('x-accel-buffering')).toBe('no');
});

describe('IBM/mcp-context-forge#2152, hauptsacheNet/typo3-mcp-server#115, envoyproxy/ai-gateway#2307, Kuadrant/mcp-gateway#605: clients in a browser', () => {
  const preflight = (url: string, origin: string) =>
    fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,mcp-protocol-version',
      },
    });
  test('the preflight of an allowed origin is answered without a token', async () => {
    const { url } = await start({ open: false });
    const { status, headers } = await preflight(url, 'http://localhost:6274');
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe('http://localhost:6274');
    for (const method of ['GET', 'POST', 'DELETE']) expect(headers.get('access-control-allow-methods')).toContain(method);
    expect(headers.get('access-control-allow-headers')?.toLowerCase()).toContain('authorization');
  });
  test('its answers can be read, with the session and the challenge', async () => {
    const { url } = await start();
    const { headers } = await begin(url, { origin: 'http://localhost:6274' });
    expect(headers.get('access-control-allow-origin')).toBe('http://localhost:6274');
    for (const name of ['Mcp-Session-Id', 'WWW-Authenticate']) expect(headers.get('access-control-expose-headers')).toContain(name);
  });
  test('another origin gets nothing', async () => {
    const { url } = await start();
    const { status, headers } = await preflight(url, 'https://evil.example.org');
    expect(status).toBe(403);
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('jlowin/fastmcp#4468, smart-mcp-proxy/mcpproxy-go#898, RekklesNA/ProxmoxMCP-Plus#92, nickclyde/duckduckgo-mcp-server#52, modelcontextprotocol/python-sdk#1798: the Host behind a proxy', () => {
  const PROBE = '/.well-known/none';
  const ask = (url: string, headers: Record<string, string>) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      request(new URL(PROBE, url), { headers }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      })
        .on('error', reject)
        .end();
    });
  const publicUrls = ['https://mcp.example.org', 'https://second.example.org'];
  test.each(['mcp.example.org', 'MCP.example.org:443', 'second.example.org', 'localhost:8808', '127.0.0.1'])(
    '%s is known',
    async (host) => {
      const { url } = await start({ publicUrls });
      expect((await ask(url, { host })).status).toBe(404);
    },
  );
  test('every other name is refused with the setting that makes it known', async () => {
    const { url } = await start({ publicUrls });
    const { status, text } = await ask(url, { host: 'proxmox-mcp:8808' });
    expect(status).toBe(403);
    expect(text).toContain('PROXMOX_HTTP_PUBLIC_URL');
  });
  test('X-Forwarded-Host counts from a trusted proxy alone', async () => {
    const headers = { host: 'container:8808', 'x-forwarded-host': 'mcp.example.org' };
    const trusting = await start({ publicUrls, trustedProxies: ['127.0.0.1'] });
    expect((await ask(trusting.url, headers)).status).toBe(404);
    await trusting.close();
    expect((await ask((await start({ publicUrls })).url, headers)).status).toBe(403);
  });
});

describe('hoeloe15/imagine#36, cloudflare/mcp-server-cloudflare#257, jimprosser/obsidian-web-mcp#18, exa-labs/exa-mcp-server#387: the metadata of the protected resource', () => {
  test('both paths answer without a token, to browsers too, and the 401 leads there', async () => {
    const issuer = await startIssuer();
    try {
      const oauth = { issuer: issuer.issuer, audiences: ['https://mcp.example.org/mcp'] };
      const { url } = await start({ open: false, publicUrls: ['https://mcp.example.org'], oauth } as never);
      for (const path of ['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/mcp']) {
        const response = await fetch(new URL(path, url));
        expect(response.status, path).toBe(200);
        expect(response.headers.get('access-control-allow-origin')).toBe('*');
        expect(await response.json()).toMatchObject({ resource: 'https://mcp.example.org/mcp' });
      }
      // The SDK in a browser asks with a header of the protocol.
      const preflight = await fetch(new URL('/.well-known/oauth-protected-resource/mcp', url), {
        method: 'OPTIONS',
        headers: {
          Origin: 'https://inspector.example.org',
          'Access-Control-Request-Method': 'GET',
          'Access-Control-Request-Headers': 'mcp-protocol-version',
        },
      });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
      expect(preflight.headers.get('access-control-allow-headers')?.toLowerCase()).toContain('mcp-protocol-version');
      const { status, headers } = await begin(url);
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toContain('resource_metadata=');
    } finally {
      await issuer.close();
    }
  });
});

test('punkpeye/mcp-remote#192, modelcontextprotocol/example-remote-server#48: a client that looks for an authorization server here reads what to send', async () => {
  const { url } = await start({ open: false });
  const response = await fetch(new URL('/.well-known/oauth-authorization-server', url));
  expect(response.status).toBe(404);
  expect(await response.text()).toContain('access token');
});
