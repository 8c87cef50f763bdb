import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type Certificate, openAuthorities } from '../certificates.ts';
import { type Behaviour, connectionTo, openClient, openedGate, type Received, startScripted } from '../server.ts';

const authorities = openAuthorities();
const closing: (() => Promise<void>)[] = [];
let certificate: Certificate;
beforeAll(() => {
  certificate = authorities.create('cluster').issue();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(closing.splice(0).map((close) => close()));
});
afterAll(() => authorities.remove());

async function open(script: (request: Received) => Behaviour = () => ({ data: null })) {
  const server = await startScripted(certificate, script);
  const client = openClient(connectionTo([server], { fingerprints: [certificate.fingerprint] }));
  closing.push(
    () => client.close(),
    () => server.close(),
  );
  return { server, client };
}

/** The time of connections stands still at so many milliseconds. */
function at(ms: number): void {
  vi.spyOn(performance, 'now').mockReturnValue(1_000_000 + ms);
}

const stating = (keepAlive: string): Behaviour => ({
  write: (response) => response.writeHead(200, { 'keep-alive': keepAlive, 'content-length': 13 }).end('{"data":null}'),
});
const POST = { stepId: 'one', method: 'POST' as const, path: '/nodes/pve/qemu/105/status/start', params: {} };

it('reads that follow each other share a connection, and reads side by side have one each', async () => {
  const { server, client } = await open();
  for (let n = 0; n < 3; n++) await client.get('/version');
  expect(server.connections()).toBe(1);
  for (let n = 0; n < 3; n++) await Promise.all(['a', 'b', 'c'].map((pool) => client.get(`/pools/${pool}`)));
  expect(server.connections()).toBe(3);
  expect(server.received.map(({ headers }) => headers.connection)).toEqual(Array(12).fill('keep-alive'));
});

it('a read after four idle seconds makes a new connection', async () => {
  const { server, client } = await open();
  at(0);
  await client.get('/version');
  at(3_999);
  await client.get('/version');
  expect(server.connections()).toBe(1);
  at(8_000);
  await client.get('/version');
  expect(server.connections()).toBe(2);
});

it('a connection that a proxy closes sooner is used a second less than it states', async () => {
  const { server, client } = await open(() => stating('timeout=3, max=100'));
  at(0);
  await client.get('/version');
  at(1_999);
  await client.get('/version');
  expect(server.connections()).toBe(1);
  at(4_000);
  await client.get('/version');
  expect(server.connections()).toBe(2);
});

it.each(['timeout=1', 'timeout=0'])('a connection that a proxy keeps for "%s" is used once', async (keepAlive) => {
  const { server, client } = await open(() => stating(keepAlive));
  for (let n = 0; n < 3; n++) await client.get('/version');
  expect(server.connections()).toBe(3);
});

it('an answer without a length ends with its connection', async () => {
  const { server, client } = await open(() => ({ write: ({ socket }) => socket?.end('HTTP/1.1 200 OK\r\n\r\n{"data":"whole"}') }));
  for (let n = 0; n < 2; n++) expect(await client.get('/version')).toBe('whole');
  expect(server.connections()).toBe(2);
  expect(server.received.length).toBe(2);
});

it('a change has a connection of its own, which ends with it', async () => {
  const { server, client } = await open();
  await client.get('/version');
  for (let n = 0; n < 2; n++) await client.send(openedGate, POST);
  await client.get('/version');
  expect(server.connections()).toBe(3);
  expect(server.received.map(({ headers }) => headers.connection)).toEqual(['keep-alive', 'close', 'close', 'keep-alive']);
});

it('an answer that ends the connection, as each error of Proxmox does, leaves none behind', async () => {
  const failure: Behaviour = { write: (response) => response.writeHead(500, 'no', { connection: 'close' }).end() };
  const { server, client } = await open(({ url }) => (url.endsWith('/version') ? { data: null } : failure));
  await client.get('/version');
  await expect(client.get('/pools/a')).rejects.toMatchObject({ code: 'proxmox_refused' });
  await client.get('/version');
  expect(server.connections()).toBe(2);
});
