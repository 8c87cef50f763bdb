import { X509Certificate } from 'node:crypto';
import { Agent, request } from 'node:https';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SEED_TOKENS } from '../../src/simulator/index.ts';
import { authorization, openSimulator, send } from './client.ts';

let place: Awaited<ReturnType<typeof openSimulator>>;
beforeAll(async () => {
  place = await openSimulator();
});
afterAll(() => place.close());

const header = authorization(SEED_TOKENS.full);

it('shows a certificate that its authority signed, for the address it serves', () => {
  const { ca, fingerprint } = place.simulator;
  return new Promise<void>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: place.simulator.port, ca }, () => {
      expect(socket.authorized).toBe(true);
      expect(socket.getPeerX509Certificate()?.fingerprint256).toBe(fingerprint);
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
});

it('shows the certificate of another authority when asked to', async () => {
  const other = await openSimulator({ certificate: 'second' });
  try {
    expect(other.simulator.fingerprint).not.toBe(place.simulator.fingerprint);
    await expect(
      send({ url: other.simulator.url, ca: place.simulator.ca }, { method: 'GET', path: '/api2/json/version' }),
    ).rejects.toThrow();
    expect((await other.api.get('/version')).status).toBe(200);
  } finally {
    await other.close();
  }
});

it('lists its certificates as the nodes do', async () => {
  const { data } = await place.api.get('/nodes/pve/certificates/info');
  expect(data.map((row: { filename: string }) => row.filename)).toEqual(['pve-root-ca.pem', 'pve-ssl.pem']);
  expect(data[0].pem).toBe(place.simulator.ca);
  expect(new X509Certificate(data[1].pem).fingerprint256).toBe(place.simulator.fingerprint);
});

it.each([
  ['no credentials', {}, 'No ticket'],
  ['a bearer header', { Authorization: 'Bearer x' }, 'No ticket'],
  ['a wrong secret', authorization({ ...SEED_TOKENS.full, secret: 'x' }), 'Authentication failed!'],
])('answers %s with an empty 401, late', async (_what, headers: Record<string, string>, reason) => {
  const before = performance.now();
  const reply = await send(place.simulator, { method: 'GET', path: '/api2/json/version', headers });
  expect(reply).toMatchObject({ status: 401, reason, text: '' });
  expect(performance.now() - before).toBeGreaterThan(25);
});

it.each<[string, Parameters<typeof send>[1], number, string]>([
  [
    'a body on DELETE',
    { method: 'DELETE', path: '/api2/json/nodes/pve/qemu/105', body: 'a=1' },
    501,
    "Unexpected content for method 'DELETE'",
  ],
  [
    'a chunked body',
    { method: 'POST', path: '/api2/json/pools', headers: { 'Transfer-Encoding': 'chunked' } },
    501,
    'chunked transfer encoding not supported',
  ],
  [
    'XML',
    { method: 'POST', path: '/api2/json/pools', body: '<a/>', headers: { 'Content-Type': 'text/xml' } },
    506,
    "upload 'Content-Type 'text/xml' not implemented",
  ],
  ['more than 512 KiB', { method: 'POST', path: '/api2/json/pools', body: `comment=${'x'.repeat(600_000)}` }, 501, 'for data too large'],
  ['a path outside the API', { method: 'GET', path: '/elsewhere' }, 404, 'Not Found'],
])('refuses %s', async (_what, sent, status, reason) => {
  const reply = await send(place.simulator, { ...sent, headers: { ...header, ...sent.headers } });
  expect(reply).toMatchObject({ status, reason });
});

it('takes JSON bodies, lists included', async () => {
  const body = JSON.stringify({ vmid: 105, bogus: true });
  const reply = await send(place.simulator, {
    method: 'POST',
    path: '/api2/json/nodes/pve/qemu',
    body,
    headers: { ...header, 'Content-Type': 'application/json' },
  });
  expect(reply.errors).toEqual({ bogus: 'property is not defined in schema and the schema does not allow additional properties' });
});

it('loses what follows a second = and splits on semicolons, as the original does', async () => {
  const headers = { ...header, 'Content-Type': 'application/x-www-form-urlencoded' };
  await send(place.simulator, { method: 'PUT', path: '/api2/json/nodes/pve/qemu/105/config', body: 'description=a=b;cores=2', headers });
  expect((await place.api.get('/nodes/pve/qemu/105/config')).data).toMatchObject({ description: 'a', cores: 2 });
});

it('closes the connection after an error and after a hundred requests', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: place.simulator.ca });
  const ports: number[] = [];
  const get = (path: string) =>
    new Promise<number>((resolve, reject) => {
      const outgoing = request(`${place.simulator.url}/api2/json${path}`, { agent, headers: header }, (response) => {
        ports.push(response.socket.localPort ?? 0);
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  expect(await get('/version')).toBe(200);
  expect(await get('/bogus')).toBe(501);
  expect(await get('/version')).toBe(200);
  expect(ports[0]).toBe(ports[1]);
  expect(ports[2]).not.toBe(ports[1]);
  for (let sent = 0; sent < 100; sent += 1) await get('/version');
  expect(new Set(ports.slice(2)).size).toBe(2);
  agent.destroy();
});

it('serves the extjs formatter: always 200, the outcome inside', async () => {
  const refused = await send(place.simulator, { method: 'GET', path: '/api2/extjs/nodes/pve/qemu/999/config', headers: header });
  expect(refused.status).toBe(200);
  expect(JSON.parse(refused.text)).toMatchObject({ success: 0, status: 500, data: null });
});

it('reports every request in order to a client that asks', async () => {
  const seen: string[] = [];
  const other = await openSimulator({ onRequest: ({ method, path, token }) => seen.push(`${method} ${path} ${token}`) });
  await other.api.get('/version');
  await other.api.post('/nodes/pve/qemu/105/status/start');
  await other.close();
  expect(seen).toEqual(['GET /version root@pam!demo', 'POST /nodes/pve/qemu/105/status/start root@pam!demo']);
});
