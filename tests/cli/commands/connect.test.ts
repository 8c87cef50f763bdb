import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../../e2e/harness.ts';
import { home } from '../run.ts';

const place = home();
/** It knows nothing of MCP. */
const plain = createServer((_, response) => response.writeHead(404).end());
/** It begins an answer and ends it without one. */
const cutting = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(': begun\n\n'));
let port: number;
beforeAll(async () => {
  for (const server of [plain, cutting]) await once(server.listen(0, '127.0.0.1'), 'listening');
  port = (plain.address() as AddressInfo).port;
});
afterAll(() => {
  plain.close();
  cutting.close();
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
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: {} };
  expect(await answerOf(address(), 'initialize', params)).toMatchObject({ id: 7, error: { message: expect.stringContaining(words) } });
});

it.each([
  ['a call', 'tools/call', 'It is unknown whether the call was executed.'],
  ['a stream of changes', 'subscriptions/listen', 'ended. Subscribe again to hear of later ones.'],
])('%s that the server cuts says what that means', async (_, method, words) => {
  const params = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } };
  const address = `http://127.0.0.1:${(cutting.address() as AddressInfo).port}`;
  expect(await answerOf(address, method, params)).toMatchObject({ id: 7, error: { message: expect.stringContaining(words) } });
});

/** What a client hears of its request with the id 7. */
async function answerOf(address: string, method: string, params: object): Promise<unknown> {
  // Its input stays open until it has answered.
  const child = place.start(['connect', address], { PROXMOX_MCP_TOKEN: 'x' });
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 7, method, params })}\n`);
  const [answer] = (await once(child.stdout, 'data')) as [Buffer];
  child.stdin.end();
  await once(child, 'close');
  return JSON.parse(String(answer));
}
