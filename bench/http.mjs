// Throughput over HTTP: 64 callers at once, against 64 at once at the bare API.
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { Agent, request } from 'undici';
import { median } from './measure.mjs';

const CALLERS = 64;
const CALLS_EACH = 15;
/** Reads are limited per principal; that many of them stay below the limit. */
const TOKENS = 8;
const ROUNDS = 3;

/** The shipped server on any free port, with its tokens. */
async function serve(cli, env) {
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
  return { url, end: () => child.kill() };
}

/** One tools/call of protocol 2026-07-28, by hand: what is measured is the server, not a client library. */
async function call(dispatcher, url, token, name, args) {
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

/** Calls per second when all callers work at once. */
async function perSecond(work) {
  const began = performance.now();
  await Promise.all(
    Array.from({ length: CALLERS }, async (_, caller) => {
      for (let turn = 0; turn < CALLS_EACH; turn++) await work(caller);
    }),
  );
  return (CALLERS * CALLS_EACH) / ((performance.now() - began) / 1000);
}

/** Rows of [what, against, product per second, against per second]; `bare` is a server without any product. */
export async function throughput(cli, bare, cluster) {
  const server = await serve(cli, cluster.env);
  const echo = await start([bare], cluster.env);
  const dispatcher = new Agent({ connections: CALLERS });
  try {
    const { vmid, node } = (await cluster.get('/cluster/resources?type=vm')).find((row) => row.type === 'qemu' && row.status === 'stopped');
    const base = `/nodes/${node}/qemu/${vmid}`;
    const cases = [
      ['list_vms', { limit: 10 }, '1 GET', () => cluster.get('/cluster/resources?type=vm')],
      ['get_vm', { vmid }, '2 GETs side by side', () => Promise.all([cluster.get(`${base}/pending`), cluster.get(`${base}/snapshot`)])],
    ];
    const rows = [];
    for (const [name, args, against, raw] of cases) {
      const [ours, theirs, least] = [[], [], []];
      for (let round = 0; round < ROUNDS; round++) {
        ours.push(await perSecond((caller) => call(dispatcher, server.url, server.tokens[caller % TOKENS], name, args)));
        theirs.push(await perSecond(raw));
        least.push(await perSecond(() => call(dispatcher, echo.url, 'none', 'echo', { text: 'hello' })));
      }
      rows.push([`${name}, ${CALLERS} callers`, against, median(ours), median(theirs)]);
      rows.push([`${name}, ${CALLERS} callers`, '`echo` of a bare SDK server, without Proxmox', median(ours), median(least)]);
    }
    return rows;
  } finally {
    await dispatcher.close();
    server.end();
    echo.end();
  }
}
