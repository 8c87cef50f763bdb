import { expect, it } from 'vitest';
import { run } from '../../e2e/harness.ts';

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
