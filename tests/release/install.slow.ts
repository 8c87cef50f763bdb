import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bareMachine, node, ROOT } from './programs.ts';

// What `npm run release:dry` built, on machines without compiler, make and Python.

const NODE = { 20: '20.20.2', 22: '22.23.3', 24: '24.21.0' } as const;
const NPM = { 11: '11.19.1', 12: '12.2.1' } as const;
const release = join(ROOT, 'release');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const folders: string[] = [];
const machine = (major: keyof typeof NODE) => {
  const made = bareMachine(node(NODE[major]));
  folders.push(made.home);
  return made;
};
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe('npm install --global of the tarball', () => {
  test.each([
    [24, 11],
    [24, 12],
    [22, 11],
    [22, 12],
  ] as const)('on Node %i with npm %i compiles nothing, warns of nothing, and the command works', async (major, npmMajor) => {
    const { home, npm, run } = machine(major);
    const prefix = join(home, 'prefix');
    const installed = await npm(NPM[npmMajor], ['install', '--global', '--prefix', prefix, join(release, `proxmox-mcp-${version}.tgz`)]);
    expect(installed.output.trim()).toMatch(/^added \d+ packages in \S+$/);
    expect(installed.code).toBe(0);
    expect(readdirSync(join(prefix, 'lib/node_modules/proxmox-mcp/node_modules')).filter((name) => name.includes('sqlite'))).toEqual([
      'better-sqlite3',
    ]);
    const called = await run(join(prefix, 'bin/proxmox-mcp'), ['call', 'list_vms', '--demo']);
    expect(called.code).toBe(0);
    expect(JSON.parse(called.stdout).vms.length).toBeGreaterThan(5);
  });
});

describe('the bundle for all platforms', () => {
  let folder: string;
  let manifest: { server: { mcp_config: { args: string[]; env: Record<string, string> } }; tools: { name: string }[] };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mcpb-'));
    folders.push(folder);
    for (const [path, bytes] of Object.entries(unzipSync(readFileSync(join(release, `proxmox-mcp-${version}.mcpb`))))) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), bytes);
    }
    manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
  });

  test('has the binaries of eight platforms', () => {
    const oses = ['darwin', 'linux', 'linuxmusl', 'win32'];
    const binaries = oses.flatMap((os) => ['arm64', 'x64'].map((processor) => `${os}-${processor}.node`));
    expect(readdirSync(join(folder, 'node_modules/better-sqlite3/prebuilds')).sort()).toEqual(binaries);
  });

  /** Starts it as its manifest says, and calls one tool. A client fills what the user left empty with nothing. */
  async function started(major: keyof typeof NODE, more: string[] = []) {
    const { env } = machine(major);
    const { args, env: settings } = manifest.server.mcp_config;
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(
      new StdioClientTransport({
        command: node(NODE[major]),
        // biome-ignore lint/suspicious/noTemplateCurlyInString: as the manifest has it
        args: [...args.map((arg) => arg.replace('${__dirname}', folder)), ...more],
        env: { ...env, ...Object.fromEntries(Object.keys(settings).map((name) => [name, ''])) },
        stderr: 'ignore',
      }),
    );
    try {
      const tools = (await client.listTools()).tools.map(({ name }) => name);
      const { structuredContent } = await client.callTool({ name: 'list_vms', arguments: {} });
      return { tools, answer: structuredContent as { error?: { message: string } } };
    } finally {
      await client.close();
    }
  }

  test.each([22, 24] as const)('starts on Node %i, offers the tools of its manifest, and a call works', async (major) => {
    const { tools, answer } = await started(major, ['--demo']);
    expect(tools.sort()).toEqual(manifest.tools.map(({ name }) => name).sort());
    expect(answer).toMatchObject({ simulator: true, total: expect.any(Number) });
  });

  test('starts on Node 20 and lists its tools; a call answers in one line what is missing', async () => {
    const { tools, answer } = await started(20);
    expect(tools.sort()).toEqual(manifest.tools.map(({ name }) => name).sort());
    expect(answer.error?.message).toBe(`SQLite's library for Node ${NODE[20]} on ${process.platform}-${process.arch} is not installed.`);
  });
});

describe('the clone', () => {
  /** What `npm ci` needs of the clone. */
  function cloned(home: string): void {
    for (const name of ['package.json', 'package-lock.json', '.npmrc']) writeFileSync(join(home, name), readFileSync(join(ROOT, name)));
    for (const folder of ['packages/sqlite-node20', 'scripts']) mkdirSync(join(home, folder), { recursive: true });
    for (const name of ['packages/sqlite-node20/package.json', 'packages/sqlite-node20/index.cjs', 'scripts/prepare.mjs'])
      writeFileSync(join(home, name), readFileSync(join(ROOT, name)));
  }

  test('npm ci --omit=dev works on Node 24 with npm 12', async () => {
    const { home, npm } = machine(24);
    cloned(home);
    const installed = await npm(NPM[12], ['ci', '--omit=dev']);
    expect([installed.code, installed.output.trim()]).toEqual([0, expect.stringMatching(/^added \d+ packages in \S+$/)]);
    expect(readdirSync(join(home, 'node_modules')).filter((name) => name.includes('sqlite'))).toEqual(['better-sqlite3']);
  });

  test('npm ci on Node 20 without compiler says what to install', async () => {
    const { home, env, npm } = machine(20);
    cloned(home);
    // As on a machine that cannot reach the prebuilt binary.
    env.npm_config_build_from_source = 'true';
    const { code, output } = await npm(NPM[11], ['ci', '--omit=dev']);
    expect(code).toBe(1);
    expect(output).toContain(
      'SQLite could not be compiled for Node 20. Install Python 3, make and a C++ compiler, or use Node 22 or newer',
    );
  });

  test('npm install --global . makes the command', async () => {
    const { home, run, npm } = bareMachine(process.execPath);
    folders.push(home);
    expect((await npm(NPM[11], ['install', '--global', '--prefix', home, '.'], ROOT)).code).toBe(0);
    expect((await run(join(home, 'bin/proxmox-mcp'), ['--version'])).stdout).toBe(`${version}\n`);
  });
});
