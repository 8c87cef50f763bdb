import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Certificate, openAuthorities } from '../certificates.ts';
import { type Behaviour, connectionTo, openClient, openedGate, type Received, startScripted } from '../server.ts';

const authorities = openAuthorities();
const closing: (() => Promise<void>)[] = [];
const MIB = 2 ** 20;
let certificate: Certificate;
beforeAll(() => {
  certificate = authorities.create('cluster').issue();
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});
afterAll(() => authorities.remove());

async function open(script: (request: Received) => Behaviour, timeoutMs?: number) {
  const server = await startScripted(certificate, script);
  const client = openClient(
    connectionTo([server], { fingerprints: [certificate.fingerprint] }),
    timeoutMs === undefined ? {} : { timeoutMs },
  );
  closing.push(
    () => client.close(),
    () => server.close(),
  );
  return { server, client };
}

/** Headers at once, then a byte every few milliseconds, without end. */
const drip = (response: ServerResponse) => {
  response.writeHead(200, 'OK', { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(' '), 20);
  response.once('close', () => clearInterval(timer));
};
const POST = { stepId: 'one', method: 'POST' as const, path: '/nodes/pve/qemu/105/status/start', params: {} };

it('reads no more than 32 MiB of an answer, packed or not', async () => {
  const big = `{"data":"${'x'.repeat(33 * MIB)}"}`;
  const packed = gzipSync(big);
  const { client } = await open(({ url }) => ({
    write: (response) => {
      const gzip = url.startsWith('/cluster/resources');
      response.writeHead(200, 'OK', { 'content-type': 'application/json', ...(gzip ? { 'content-encoding': 'gzip' } : {}) });
      response.end(gzip ? packed : big);
    },
  }));
  for (const path of ['/nodes', '/cluster/resources']) {
    await expect(client.get(path)).rejects.toMatchObject({
      code: 'proxmox_refused',
      message: `GET ${path}: the answer is larger than 32 MiB.`,
    });
  }
  // The server received the change, and its answer cannot be read.
  expect(await client.send(openedGate, POST)).toMatchObject({ kind: 'unknown', reason: 'the answer is larger than 32 MiB' });
}, 60_000);

it.each(['/nodes/..', '/nodes/../version', '/nodes/%2e%2e/version', '/version?x=1', '/version#x', '/nodes/./version', '/no des'])(
  'sends nothing to %s, which would arrive as another path, also where the address is known',
  async (path) => {
    const { client, server } = await open(() => ({ data: 'here' }));
    const sent = async () => {
      await expect(client.get(path)).rejects.toMatchObject({ code: 'internal', message: 'A Proxmox address is not in normal form.' });
      return server.received.length;
    };
    expect(await sent()).toBe(0);
    await client.get('/version');
    expect(await sent()).toBe(1);
  },
);

it('asks for packed answers and unpacks them', async () => {
  const { client, server } = await open(() => ({
    write: (response) => {
      response.writeHead(200, 'OK', { 'content-encoding': 'gzip' });
      response.end(gzipSync('{"data":"unpacked"}'));
    },
  }));
  expect(await client.get('/version')).toBe('unpacked');
  expect(server.received[0]?.headers['accept-encoding']).toBe('gzip');
});

it.each(['{"data":"plain"}', '{"data":"grün €😀"}'])('reads %s, wherever its bytes are cut', async (text) => {
  const bytes = Buffer.from(text);
  const { client } = await open(({ url }) => ({
    write: (response) => {
      const at = Number(/\d+/.exec(url)?.[0]);
      response.writeHead(200, 'OK', { 'content-type': 'application/json' });
      response.write(bytes.subarray(0, at), () => response.end(bytes.subarray(at)));
    },
  }));
  const said = await Promise.all(Array.from(bytes, (_, at) => client.get(`/pools/p${at}`)));
  expect(new Set(said)).toEqual(new Set([JSON.parse(text).data]));
});

it('reads the words of a status as UTF-8, as Proxmox writes them', async () => {
  const reason = Buffer.from("storage 'Gerät' does not exist").toString('latin1');
  const { client } = await open(() => ({ status: 500, reason }));
  await expect(client.get('/nodes')).rejects.toMatchObject({ details: { proxmox: { message: "storage 'Gerät' does not exist" } } });
});

it('sends a change with the length of its body, an empty one too, and a DELETE without', async () => {
  const { client, server } = await open(() => ({ data: null }));
  await client.send(openedGate, POST);
  await client.send(openedGate, { stepId: 'two', method: 'PUT', path: '/nodes/pve/qemu/105/config', params: { cores: 2 } });
  await client.send(openedGate, { stepId: 'three', method: 'DELETE', path: '/nodes/pve/qemu/105', params: {} });
  expect(server.received.map(({ headers, body }) => [headers['content-length'], headers['transfer-encoding'], body])).toEqual([
    ['0', undefined, ''],
    ['7', undefined, 'cores=2'],
    [undefined, undefined, ''],
  ]);
});

it('does not take unrequested bytes on an idle connection for an answer', async () => {
  let times = 0;
  let closed = () => {};
  const ended = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const { client } = await open(() => ({
    write: (response) => {
      times++;
      const stray = times === 1 ? 'HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{"data":"stray"}' : ' ';
      response.writeHead(200, 'OK', { 'content-length': 16 });
      const { socket } = response;
      // The client ends the connection once the bytes have arrived.
      socket?.once('close', () => closed());
      response.end(`{"data":"own ${times}"}`, () => setTimeout(() => socket?.write(stray), 20));
    },
  }));
  expect(await client.get('/version')).toBe('own 1');
  await ended;
  expect(await client.get('/version')).toBe('own 2');
});

it('ends exchanges under way when it is closed, and sends nothing afterwards', async () => {
  const { client, server } = await open(() => 'silence');
  const hanging = client.get('/nodes').catch((error: unknown) => error);
  await expect.poll(() => server.received.length).toBe(1);
  await client.close();
  expect(await hanging).toMatchObject({ code: 'unreachable', message: expect.stringContaining('the client was closed') });
  await expect(client.get('/nodes')).rejects.toMatchObject({ code: 'unreachable' });
  expect(server.received).toHaveLength(1);
});

it.each([
  [
    '101, with its headers',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    'switches protocols (101)',
  ],
  ['101, bare', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'breaks the rules of HTTP/1.1'],
  ['100 to a request without a body', 'HTTP/1.1 100 Continue\r\n\r\n', 'asks for a body (100)'],
  ['another version of HTTP', 'HTTP/2 200 OK\r\n\r\n', 'breaks the rules of HTTP/1.1'],
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', 'breaks the rules of HTTP/1.1'],
  ['an impossible status', 'HTTP/1.1 000 x\r\n\r\n', 'breaks the rules of HTTP/1.1'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}', 'breaks the rules of HTTP/1.1'],
  [
    'a body that is not packed as it says',
    'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc',
    'cannot be unpacked',
  ],
])('refuses an answer that is not HTTP at once and asks no second time: %s', async (_what, bytes, words) => {
  const { client, server } = await open(() => ({ write: (response) => void response.socket?.write(bytes) }));
  const error = await client.get('/nodes').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'proxmox_refused', message: expect.stringMatching(/^GET \/nodes: the [^\n]+\.$/) });
  expect((error as Error).message).toContain(words);
  expect(server.received).toHaveLength(1);
  // The server received the change, and its answer cannot be read.
  expect(await client.send(openedGate, POST)).toMatchObject({ kind: 'unknown', reason: expect.stringContaining(words) });
  expect(server.received).toHaveLength(2);
});

it('ends an exchange whose body never ends, a read as well as a change', async () => {
  const { client } = await open(() => ({ write: drip }), 400);
  await expect(client.get('/nodes')).rejects.toMatchObject({ code: 'unreachable', message: expect.stringContaining('timeout') });
  expect(await client.send(openedGate, POST)).toMatchObject({ kind: 'unknown' });
});

it('keeps connections for polls while eight reads hang', async () => {
  const upid = 'UPID:pve:00004311:0007012A:6B036F7E:qmstart:105:mcp@pve!agent:';
  const { client, server } = await open(({ url }) => (url.includes('/tasks/') ? { data: { status: 'running' } } : 'silence'));
  // Equal reads share a request.
  const hanging = Array.from({ length: 8 }, (_, n) => client.get(`/nodes/pve/qemu/${100 + n}/status/current`).catch(() => undefined));
  await expect.poll(() => server.received.length).toBe(6);
  expect(await client.task(upid)).toMatchObject({ running: true });
  expect(server.received.length).toBe(7);
  server.dropConnections();
  await client.close();
  await Promise.all(hanging);
});

it('has eight reads under way at most with one endpoint, polls included, and changes beside them', async () => {
  const { client, server } = await open(({ method }) => (method === 'GET' ? 'silence' : { data: null }));
  const upid = (start: number) => `UPID:pve:00004311:0007012A:6B036F${start}:qmstart:105:mcp@pve!agent:`;
  const hanging = [
    ...Array.from({ length: 8 }, (_, n) => client.get(`/nodes/pve/qemu/${100 + n}/status/current`)),
    ...Array.from({ length: 4 }, (_, n) => client.task(upid(10 + n))),
  ].map((reading) => reading.catch(() => undefined));
  await expect.poll(() => server.received.length).toBe(8);
  await client.send(openedGate, POST);
  expect(server.received.map(({ method }) => method)).toEqual([...Array(8).fill('GET'), 'POST']);
  await client.close();
  await Promise.all(hanging);
});

it('keeps as many lines of a task log as were requested, also where the server ignores the limit', async () => {
  const upid = 'UPID:pve:00004311:0007012A:6B036F7E:qmstart:105:mcp@pve!agent:';
  const lines = Array.from({ length: 1000 }, (_, n) => ({ n, t: `line ${n}` }));
  const { client } = await open(() => ({ data: lines, total: lines.length }));
  expect(await client.taskLog(upid, 3)).toEqual(['line 997', 'line 998', 'line 999']);
});

it('reaches an IPv6 address through the interface that it names', async () => {
  const server = await startScripted(certificate, () => ({ data: 'here' }), 0, '::1');
  const client = openClient(connectionTo([{ host: '::1%lo', port: server.port }], { fingerprints: [certificate.fingerprint] }));
  expect(await client.get('/version')).toBe('here');
  await client.close();
  await server.close();
});
