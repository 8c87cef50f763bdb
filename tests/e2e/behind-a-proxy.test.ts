import { request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPlace, type Place, until } from './harness.ts';
import { addToken, type HttpServer, setPassphrase, startHttp } from './http-server.ts';

const PUBLIC = 'https://mcp.example.org';
const PASSPHRASE = 'correct horse battery';

let place: Place;
let server: HttpServer;
let approver: string;
beforeAll(async () => {
  place = await openPlace();
  server = await startHttp(place, { PROXMOX_HTTP_PUBLIC_URL: PUBLIC, PROXMOX_HTTP_TRUSTED_PROXIES: '127.0.0.1' });
  approver = await addToken(place.env, { name: 'erin', role: 'approver', owner: 'erin' });
  await setPassphrase(place.env, 'erin', PASSPHRASE);
}, 60_000);
afterAll(async () => {
  await server.close();
  await place.close();
});

/** A POST with headers that fetch would not send. */
function post(path: string, headers: Record<string, string>, body: object): Promise<{ status: number; text: string; cookie: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, server.url), { method: 'POST', headers: { 'content-type': 'application/json', ...headers } });
    sent.once('error', reject).once('response', (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, cookie: String(response.headers['set-cookie']) }));
    });
    sent.end(JSON.stringify(body));
  });
}

it('an approver logs in through a proxy that names the host in X-Forwarded-Host alone', async () => {
  const login = (host: string, origin: string) =>
    post(
      '/console/api/login/token',
      { host: new URL(server.url).host, 'x-forwarded-host': host, origin },
      { token: approver, passphrase: PASSPHRASE },
    );
  const { status, text, cookie } = await login('mcp.example.org', PUBLIC);
  expect([status, text]).toEqual([200, expect.stringContaining('"name":"erin"')]);
  expect(cookie).toMatch(/^__Host-.*Secure/);
  // The page of another site stays another site.
  expect((await login('mcp.example.org', 'https://evil.example.org')).status).toBe(403);
  expect((await login('evil.example.org', 'https://evil.example.org')).status).toBe(403);
});

it('what a caller sends stands in the log as one short line, never as lines or escapes of its own', async () => {
  const name = `a\nhttp: forged \u001b[31m${'x'.repeat(5000)}`;
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
  const { status } = await post(
    '/mcp',
    {
      host: 'mcp.example.org',
      authorization: `Bearer ${server.token}`,
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'list_vms',
    },
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {}, _meta: meta } },
  );
  expect(status).toBe(400);
  await until('the refusal is in the log', () => server.said().includes('forged'));
  const lines = server.said().split('\n');
  expect(lines.filter((line) => line.includes('forged'))).toEqual([expect.stringMatching(/^http: Rejected/)]);
  expect(server.said()).not.toContain('\u001b');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(500);
});
