import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { operations } from '../src/operations/index.ts';
import { binary } from './helpers/binary.ts';

let folder: string;
let cli: string;
/** The list of the first start. */
let told: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'launch-'));
  cpSync(dirname(binary()), folder, { recursive: true, filter: (source) => !source.endsWith('.cache') });
  cli = join(folder, 'cli.js');
  // A call needs SQLite's library, which lies outside of the bundle.
  symlinkSync(join(dirname(binary()), '../node_modules'), join(folder, 'node_modules'));
  told = await tools();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tools = async () => (await promisify(execFile)(process.execPath, [cli, 'tools'], { env: { HOME: folder } })).stdout;
/** The files of the code cache, each with its content. */
function cached(): Map<string, Buffer> {
  const [build = ''] = readdirSync(join(folder, '.cache'));
  const place = join(folder, '.cache', build);
  return new Map(readdirSync(place).map((name) => [join(place, name), readFileSync(join(place, name))]));
}

it('keeps compiled code beside the bundle for the next start, which changes none of it', async () => {
  const before = cached();
  expect([...before.keys()].map((path) => path.split('/').at(-1))).toContain('main.js');
  const times = [...before.keys()].map((path) => statSync(path).mtimeMs);
  expect(await tools()).toBe(told);
  expect([...cached().keys()].map((path) => statSync(path).mtimeMs)).toEqual(times);
});

it.each([
  ['half zeros', (data: Buffer) => Buffer.from(data).fill(0, Math.floor(data.length / 2))],
  ['cut off', (data: Buffer) => data.subarray(0, 100)],
  ['empty', () => Buffer.alloc(0)],
])('compiles every file again whose cache is %s', async (_what, damaged) => {
  const good = cached();
  for (const [path, data] of good) writeFileSync(path, damaged(data));
  expect(await tools()).toBe(told);
  for (const [path, data] of cached()) expect(data.length, path).toBeGreaterThan((good.get(path)?.length ?? 0) / 2);
});

it('works where no cache can be written', async () => {
  rmSync(join(folder, '.cache'), { recursive: true });
  writeFileSync(join(folder, '.cache'), 'not a folder');
  expect(await tools()).toBe(told);
  expect(readFileSync(join(folder, '.cache'), 'utf8')).toBe('not a folder');
});

it('leaves the cache alone in a start with options of Node, which V8 compiles differently', async () => {
  rmSync(join(folder, '.cache'), { recursive: true, force: true });
  await promisify(execFile)(process.execPath, ['--max-lazy', cli, 'tools'], { env: { HOME: folder } });
  expect(() => cached()).toThrow('ENOENT');
});

const launcher = () => join(folder, 'proxmox-mcp.sh');
/** Asks for the tools over stdio, then ends the input. */
async function list(...args: string[]): Promise<string[]> {
  const clientInfo = { name: 'test', version: '0' };
  const messages = [
    { id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } },
    { method: 'notifications/initialized' },
    { id: 2, method: 'tools/list' },
  ];
  const running = promisify(execFile)(launcher(), args, { env: { PATH: process.env.PATH, HOME: folder, PROXMOX_TOOLSETS: 'rare' } });
  running.child.stdin?.end(messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''));
  const [, answer = ''] = (await running).stdout.trim().split('\n');
  return (JSON.parse(answer).result.tools as { name: string }[]).map(({ name }) => name);
}

it('starts from a snapshot with the settings of the start, not of its making; without one as usual', async () => {
  rmSync(join(folder, '.cache'), { recursive: true, force: true });
  const plain = await list('stdio');
  expect(plain).not.toContain('list_vms');
  await promisify(execFile)(launcher(), ['--build-snapshot'], { env: { PATH: process.env.PATH, HOME: folder } });
  expect(readdirSync(join(folder, '.cache')).filter((name) => name.endsWith('.blob'))).toHaveLength(1);
  expect(await list('stdio')).toEqual(plain);
  expect(await list()).toEqual(plain);
});

it('starts other commands from the snapshot, too', async () => {
  const env = { PATH: process.env.PATH, HOME: folder };
  const { stdout } = await promisify(execFile)(launcher(), ['tools'], { env });
  expect(stdout).toBe(await tools());
  await expect(promisify(execFile)(launcher(), ['--no-such-option'], { env })).rejects.toMatchObject({ code: 2 });
});

/** Modules of machine code that the process has loaded; SQLite's is one, and only calls need it. Linux. */
const hasSqlite = (pid: number | undefined) => readFileSync(`/proc/${pid}/maps`, 'utf8').includes('better_sqlite3.node');

it('loads the code of calls once the client is silent, and not before', async () => {
  const child = spawn(process.execPath, [binary(), 'stdio'], { env: { HOME: folder }, stdio: ['pipe', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  const clientInfo = { name: 'test', version: '0' };
  const ask = (id: number, method: string, params = {}) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
  ask(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
  await once(child.stdout, 'data');
  expect(hasSqlite(child.pid)).toBe(false);
  await expect.poll(() => hasSqlite(child.pid), { timeout: 20_000 }).toBe(true);
  expect(readdirSync(folder)).not.toContain('.local');
  child.stdin.end();
  expect((await exited)[0]).toBe(0);
});

it('loads none of it for a client that lists the tools and leaves', async () => {
  rmSync(join(folder, '.cache'), { recursive: true, force: true });
  await list('stdio');
  const sources = [...cached().keys()].map((path) => readFileSync(join(folder, path.split('/').at(-1) ?? ''), 'utf8'));
  expect(sources.length).toBeGreaterThan(0);
  for (const source of sources) expect(source).not.toMatch(/SqliteDialect|effect:"destroy"/);
});

it('makes no schema of the protocol for a client that lists the tools, unless the server uses it', async () => {
  rmSync(join(folder, '.cache'), { recursive: true, force: true });
  await list('stdio');
  const sources = [...cached().keys()].map((path) => readFileSync(join(folder, path.split('/').at(-1) ?? ''), 'utf8')).join('');
  expect(sources).toContain('JSONRPCRequestSchema');
  expect(sources).not.toMatch(/OAuthTokensSchema|IdJagTokenExchangeResponseSchema/);
});

it('loads the code of the operation that is called, and of no other', async () => {
  rmSync(join(folder, '.cache'), { recursive: true, force: true });
  await promisify(execFile)(process.execPath, [cli, 'call', 'list_vms', '--demo'], { env: { HOME: folder } });
  const sources = [...cached().keys()].map((path) => readFileSync(join(folder, path.split('/').at(-1) ?? ''), 'utf8')).join('');
  const loaded = operations.map(({ name }) => name).filter((name) => sources.includes(`name:"${name}"`));
  expect(loaded).toEqual(['list_vms']);
});

it('loads the code of traces for calls that are traced, and for no others', async () => {
  const loaded = async (env: Record<string, string>) => {
    rmSync(join(folder, '.cache'), { recursive: true, force: true });
    await promisify(execFile)(process.execPath, [cli, 'call', 'list_vms', '--demo'], { env: { HOME: folder, ...env } });
    return [...cached().keys()].some((path) => readFileSync(join(folder, path.split('/').at(-1) ?? ''), 'utf8').includes('resourceSpans'));
  };
  expect(await loaded({})).toBe(false);
  // A port at which no collector listens.
  expect(await loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })).toBe(true);
});
