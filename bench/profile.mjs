// Which part of the process spends the CPU time of a call that was made often before, from V8's own profiles of a bundle that names its modules.
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { bundle, root } from '../scripts/bundled.mjs';
import { sdkSchemas } from '../scripts/sdk-schemas.mjs';
import { connect } from './clients.mjs';
import { call, serve } from './http.mjs';
import { paced } from './measure.mjs';

const WARM_CALLS = 2_000;
const CALLS = 2_000;
const CALLERS = 64;

/** By the module's path, the first that fits. Other modules are small libraries. */
const PARTS = [
  ['MCP SDK', /^node_modules\/@modelcontextprotocol\//],
  ['zod', /^node_modules\/zod\//],
  ['hono', /^node_modules\/(@hono|hono)\//],
  ['SQLite and Kysely', /^node_modules\/(kysely|better-sqlite3)|better-sqlite3/],
  ['audit', /^src\/(audit|core\/file-lock)/],
  ['Proxmox adapter', /^src\/proxmox\//],
  ['operation and rendering', /^src\/(operations|render)\//],
  ['transport of the product', /^src\/(mcp|http|cli)\//],
  ['engine, store, rest of the product', /^src\//],
  ["Node's own modules: HTTP, TLS, streams", /^node:/],
];

/**
 * @returns for each part: name, and its share (%) of the functions' time in list_vms and get_vm over stdio and in list_vms over HTTP. What V8's
 *   runtime and the system do for a function counts as the function's. Compiling and waiting are left out.
 */
export async function profile(cluster, folder) {
  // The comments of a bundle whose spaces are kept tell the module of each line.
  const file = await bundle('src/cli/index.ts', folder, {
    minifyWhitespace: false,
    external: ['pg-native', 'gpt-tokenizer'],
    plugins: [sdkSchemas],
  });
  cpSync(join(root, 'dist/console'), join(folder, 'console'), { recursive: true });
  const moduleOf = modulesOf(file);
  const { vmid } = (await cluster.get('/cluster/resources?type=vm')).find((row) => row.type === 'qemu' && row.status === 'stopped');
  const env = (name) => ({
    ...cluster.env,
    PROXMOX_DATA_DIR: join(folder, `profiled-${name}`),
    PROFILE_FILE: join(folder, `${name}.json`),
    NODE_OPTIONS: `--require ${join(root, 'bench/profiler.cjs')}`,
  });
  const columns = [];
  for (const [name, args] of [
    ['list_vms', { limit: 10 }],
    ['get_vm', { vmid }],
  ]) {
    const of = env(`stdio-${name}`);
    const { client, call: ask, pid } = await connect(of, [file, 'stdio']);
    columns.push(await measured(pid, of.PROFILE_FILE, moduleOf, () => paced(1, () => ask(name, args))));
    await client.close();
  }
  const of = env('http');
  const server = await serve(file, of);
  const dispatcher = new Agent({ connections: CALLERS });
  // Equal ones would share a request.
  let n = 0;
  const ask = () => call(dispatcher, server.url, server.tokens[n++ % server.tokens.length], 'list_vms', { limit: 1 + (n % 400) });
  columns.push(await measured(server.pid, of.PROFILE_FILE, moduleOf, ask, CALLERS));
  await dispatcher.close();
  server.end();
  const parts = [...PARTS.map(([part]) => part), 'other libraries', 'garbage collection'];
  return parts.map((part) => [part, ...columns.map((spent) => (spent.get(part) ?? 0).toFixed(0))]);
}

/** @returns the share (%) of each part */
async function measured(pid, file, moduleOf, work, callers = 1) {
  const calls = async (times) => {
    await Promise.all(
      Array.from({ length: callers }, async () => {
        for (let n = 0; n < times / callers; n++) await work();
      }),
    );
  };
  await calls(WARM_CALLS);
  process.kill(pid, 'SIGUSR2');
  await calls(CALLS);
  process.kill(pid, 'SIGUSR2');
  while (!existsSync(file)) await sleep(100);
  await sleep(1000);
  const spent = partsOf(JSON.parse(readFileSync(file, 'utf8')), moduleOf);
  const all = [...spent.values()].reduce((sum, time) => sum + time, 0);
  return new Map([...spent].map(([part, time]) => [part, (100 * time) / all]));
}

/** Microseconds by part. */
function partsOf({ nodes, samples, timeDeltas }, moduleOf) {
  const parts = new Map(nodes.map(({ id, callFrame }) => [id, partOf(callFrame, moduleOf)]));
  const spent = new Map();
  samples.forEach((id, n) => {
    const part = parts.get(id);
    if (part !== undefined) spent.set(part, (spent.get(part) ?? 0) + timeDeltas[n]);
  });
  return spent;
}

function partOf({ functionName, url, lineNumber }, moduleOf) {
  if (functionName === '(garbage collector)') return 'garbage collection';
  if (url === '') return undefined;
  const module = url.startsWith('node:') ? url : moduleOf(url, lineNumber);
  return PARTS.find(([, pattern]) => pattern.test(module))?.[0] ?? 'other libraries';
}

/** @returns the module of a line of the bundle, and of other files their own path below the root */
function modulesOf(file) {
  let module = '';
  const byLine = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => {
      module = /^(?: {2})?\/\/ ((?:src|node_modules|packages)\/\S+)$/.exec(line)?.[1] ?? module;
      return module;
    });
  return (url, line) => (url.endsWith(file) ? (byLine[line] ?? '') : url.slice(url.indexOf(root) + root.length + 1));
}
