// Throughput over HTTP: 64 callers at once, against 64 at once at the bare API.
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { Agent, request } from 'undici';
import { cpuOf, interleave } from './measure.mjs';

const CALLERS = 64;
const CALLS_EACH = 15;
/** Reads are limited per principal; that many of them stay below the limit. */
const TOKENS = 8;
const ROUNDS = 9;

/** The shipped server on any free port, with its tokens. */
export async function serve(cli, env) {
  const more = { ...env, PROXMOX_HTTP_RATE: '1000000' };
  const run = promisify(execFile);
  const tokens = [];
  for (let n = 0; n < TOKENS; n++) {
    const { stdout } = await run(process.execPath, [cli, 'tokens', 'add', '--name', `bench-${n}`, '--role', 'viewer'], { env: more });
    tokens.push(JSON.parse(stdout).token);
  }
  return { tokens, ...(await start([cli, 'http', '--port', '0'], more)) };
}

/** Starts a server that says on stderr where it is reached. */
async function start(args, env) {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const url = await new Promise((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
      const found = /http:\/\/127\.0\.0\.1:\d+\/mcp/.exec(said)?.[0];
      if (found) resolve(found);
    });
    child.once('exit', () => reject(new Error(`the server ended: ${said}`)));
  });
  return { url, pid: child.pid, end: () => child.kill() };
}

/** One tools/call of protocol 2026-07-28, by hand: what is measured is the server, not a client library. */
export async function call(dispatcher, url, token, name, args) {
  const { statusCode, body } = await request(url, {
    dispatcher,
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': name,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name,
        arguments: args,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
          'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '0' },
        },
      },
    }),
  });
  const text = await body.text();
  if (statusCode !== 200 || !text.includes('"structuredContent"') || text.includes('"isError":true'))
    throw new Error(`${name}: ${statusCode} ${text}`);
}

/** All callers at work at once: wall time (ms), CPU time (ms) of the process `pid`, and requests to Proxmox, each call's share. */
async function together(pid, sent, work) {
  const [began, before, asked] = [performance.now(), cpuOf(pid), sent.length];
  await Promise.all(
    Array.from({ length: CALLERS }, async (_, caller) => {
      for (let turn = 0; turn < CALLS_EACH; turn++) await work(caller);
    }),
  );
  const calls = CALLERS * CALLS_EACH;
  const [wall, cpu, requests] = [performance.now() - began, cpuOf(pid) - before, sent.length - asked].map((value) => value / calls);
  return { wall, cpu, requests };
}

/** Rows of [what, values]: the product beside servers that do less. Those make the same GET, but for the echo. */
export async function throughput(cli, bare, byHand, cluster) {
  const server = await serve(cli, cluster.env);
  const sdk = await start([bare], cluster.env);
  const hand = await start([byHand], cluster.env);
  const dispatcher = new Agent({ connections: CALLERS });
  try {
    const { vmid } = (await cluster.get('/cluster/resources?type=vm')).find((row) => row.type === 'qemu' && row.status === 'stopped');
    const ours = (name, args) => () =>
      together(server.pid, cluster.requests, (caller) => call(dispatcher, server.url, server.tokens[caller % TOKENS], name, args(caller)));
    const theirs =
      ({ url, pid }, name, args) =>
      () =>
        together(pid, cluster.requests, () => call(dispatcher, url, 'none', name, args));
    const values = await interleave(ROUNDS, {
      'list_vms, product, all ask the same': ours('list_vms', () => ({ limit: 10 })),
      'list_vms, product, all ask different things': ours('list_vms', (caller) => ({ limit: 10 + caller })),
      'get_vm, product, all ask the same': ours('get_vm', () => ({ vmid })),
      'list_vms, bare SDK v2 server': theirs(sdk, 'list_vms', {}),
      'echo, bare SDK v2 server': theirs(sdk, 'echo', { text: 'hello' }),
      'list_vms, JSON-RPC by hand on node:http': theirs(hand, 'list_vms', {}),
      'echo, JSON-RPC by hand on node:http': theirs(hand, 'echo', { text: 'hello' }),
    });
    return Object.entries(values);
  } finally {
    await dispatcher.close();
    for (const one of [server, sdk, hand]) one.end();
  }
}
