import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build, context, steps } from './dockerfile.ts';
import { bareMachine, node, npm, type Ran, ROOT } from './programs.ts';

// The steps of the Dockerfile, in an empty folder, with the Node that it names and without a toolchain.

const folder = mkdtempSync(join(tmpdir(), 'image-'));
const { env, run, home } = bareMachine(node('24.21.0'));
const app = join(folder, 'final/app');
let ran: Ran[];

beforeAll(async () => {
  const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' }).trimEnd().split('\n');
  // Programs of the image.
  env.PATH = `${env.PATH}:${join(home, 'tools')}`;
  const link = 'mkdir "$0" && for tool; do ln -s "$(command -v "$tool")" "$0"; done';
  execFileSync('sh', ['-c', link, join(home, 'tools'), 'rm', 'install', 'mkdir', 'uname']);
  execFileSync('ln', ['-s', npm('11.19.1'), join(home, 'bin/npm')]);
  ran = await build(folder, context(tracked), (command, cwd) => run('/bin/sh', ['-c', command], cwd));
});
afterAll(() => {
  for (const one of [folder, home]) rmSync(one, { recursive: true, force: true });
});

test('every step succeeds, and the image holds what runs and nothing else', () => {
  expect(ran.map(({ code, output }) => (code === 0 ? 0 : output))).toEqual(ran.map(() => 0));
  expect(readdirSync(app).sort()).toEqual(['dist', 'healthcheck.mjs', 'node_modules', 'package.json']);
  expect(existsSync(join(app, 'node_modules/better-sqlite3/prebuilds'))).toBe(true);
  expect(existsSync(join(app, 'node_modules/better-sqlite3/deps'))).toBe(false);
  expect(existsSync(join(app, 'node_modules/vitest'))).toBe(false);
  expect(statSync(join(folder, 'final/data')).mode & 0o777).toBe(0o700);
});

test('it runs without root, has a health check, and names the server of the registry', () => {
  const value = (instruction: string) =>
    steps()
      .filter((step) => step.instruction === instruction)
      .map(({ rest }) => rest);
  expect(value('USER')).toEqual(['node']);
  expect(value('HEALTHCHECK')[0]).toContain('CMD ["node", "/app/healthcheck.mjs"]');
  expect(value('LABEL')[0]).toContain('io.modelcontextprotocol.server.name="io.github.proxmox-mcp/proxmox-mcp"');
});

test('the command works on the demo', async () => {
  const called = await run(join(home, 'bin/node'), [join(app, 'dist/cli.js'), 'call', 'list_vms', '--demo']);
  expect([called.code, JSON.parse(called.stdout).simulator]).toEqual([0, true]);
});

test('the health check follows the server, and any other command is healthy while it runs', async () => {
  const port = await freePort();
  const start = (...args: string[]) =>
    spawn(join(home, 'bin/node'), [join(app, 'dist/cli.js'), ...args, '--demo'], { env, stdio: ['pipe', 'ignore', 'pipe'] });
  const health = async (pid: number | undefined) => (await run(join(home, 'bin/node'), [join(app, 'healthcheck.mjs'), String(pid)])).code;
  const stdio = start('stdio');
  const http = start('http', '--port', String(port));
  try {
    await once(http.stderr, 'data');
    await expect.poll(() => health(http.pid), { timeout: 60_000 }).toBe(0);
    expect(await health(stdio.pid)).toBe(0);
    http.kill('SIGSTOP');
    expect(await health(http.pid)).toBe(1);
    http.kill('SIGCONT');
  } finally {
    for (const child of [stdio, http]) child.kill('SIGKILL');
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}
