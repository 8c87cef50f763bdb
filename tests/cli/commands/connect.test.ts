import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../../e2e/harness.ts';
import { home } from '../run.ts';

const place = home();
/** It knows nothing of MCP. */
const plain = createServer((_, response) => response.writeHead(404).end());
let port: number;
beforeAll(async () => {
  await once(plain.listen(0, '127.0.0.1'), 'listening');
  port = (plain.address() as AddressInfo).port;
});
afterAll(() => {
  plain.close();
  place.remove();
});

const env = { PATH: process.env.PATH ?? '', PROXMOX_MCP_TOKEN: 'x' };

it.each<[args: string[], env: Record<string, string>, message: string]>([
  [['http://mcp.example.org'], env, 'must begin with https://'],
  [['nonsense'], env, 'must be an https:// URL'],
  [['https://mcp.example.org'], { PATH: env.PATH }, 'access token for the server is missing'],
  [['https://mcp.example.org', '--token-file', '/nowhere'], env, 'ENOENT'],
])('connect %j does not start, and says why', async (args, given, message) => {
  const { code, stderr } = await run({ env: given }, ['connect', ...args]);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});

it.each([
  ['a plain port', () => `https://127.0.0.1:${port}`, 'does not speak HTTPS on this port. Nothing was sent.'],
  ['a port that fetch blocks', () => 'http://127.0.0.1:6000', 'the port belongs to another protocol. Nothing was sent.'],
  ['another path', () => `http://127.0.0.1:${port}/api`, 'has no MCP endpoint at /api (404). Nothing was done.'],
])('a call to %s learns that nothing happened, and why', async (_, address, words) => {
  const call = { jsonrpc: '2.0', id: 7, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: {} } };
  // Its input stays open until it has answered.
  const child = place.start(['connect', address()], { PROXMOX_MCP_TOKEN: 'x' });
  child.stdin.write(`${JSON.stringify(call)}\n`);
  const [answer] = (await once(child.stdout, 'data')) as [Buffer];
  child.stdin.end();
  await once(child, 'close');
  expect(JSON.parse(String(answer))).toMatchObject({ id: 7, error: { message: expect.stringContaining(words) } });
});
