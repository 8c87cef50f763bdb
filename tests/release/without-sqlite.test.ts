import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { home } from '../cli/run.ts';
import { binary } from '../helpers/binary.ts';

// An installation without SQLite's library for this Node, as Node 20 finds it in the bundle for every platform. The library for the other
// Node is there: opening it must not even be tried, because better-sqlite3 13 ends a process of Node 20.

const modern = Number.parseInt(process.versions.node, 10) >= 22;
const folder = mkdtempSync(join(tmpdir(), 'without-sqlite-'));
const cli = join(folder, 'dist/cli.js');
const opened = join(folder, 'opened');
const place = home();
const missing = `SQLite's library for Node ${process.versions.node} on ${process.platform}-${process.arch} is not installed.`;
const next = modern
  ? 'Install proxmox-mcp again with this Node, with optional dependencies.'
  : 'Use Node 22 or newer. To stay on Node 20, install Python 3 and a C++ toolchain, then install proxmox-mcp again.';

beforeAll(() => {
  cpSync(dirname(binary()), join(folder, 'dist'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const other = join(folder, 'node_modules', modern ? 'proxmox-mcp-sqlite-node20' : 'better-sqlite3');
  mkdirSync(other, { recursive: true });
  writeFileSync(join(other, 'index.js'), `require('node:fs').writeFileSync(${JSON.stringify(opened)}, ''); process.exit(139);`);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  place.remove();
});

test('a server without SQLite starts and lists its tools, and a call answers in one line what is missing', async () => {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [cli, 'stdio'], env: place.env, stderr: 'ignore' }));
  try {
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('list_vms');
    for (const _time of ['first', 'second']) {
      const { isError, structuredContent } = await client.callTool({ name: 'list_vms', arguments: {} });
      expect(isError).toBe(true);
      expect(structuredContent).toEqual({ error: { code: 'store_unavailable', who: 'operator', message: missing, hint: next } });
    }
  } finally {
    await client.close();
  }
  expect(existsSync(opened)).toBe(false);
});

test('proxmox-mcp call answers the same', async () => {
  const { code, json } = await place.runBinary(['call', 'list_vms', '--demo'], {}, '', cli);
  expect([code, json]).toEqual([1, { error: { code: 'store_unavailable', who: 'operator', message: missing, hint: next } }]);
});

test.each([[['demo', '--serve', '0']], [['http', '--port', '0']], [['tokens', 'list']]])(
  'proxmox-mcp %s says in one line what is missing',
  async (args) => {
    const { code, stderr } = await place.runBinary(args, {}, '', cli);
    expect([code, stderr]).toEqual([1, `error (store_unavailable): ${missing}\nnext: ${next}\n`]);
    expect(existsSync(opened)).toBe(false);
  },
);
