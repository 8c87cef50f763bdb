import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ProxmoxMcpError } from '../../src/core/errors/errors.ts';
import type { MutatingMethod } from '../../src/core/plan/plan.ts';
import type { ResolvedRequest } from '../../src/core/proxmox.ts';
import type { ConnectionSettings } from '../../src/core/settings/settings.ts';
import type { ProxmoxOptions } from '../../src/proxmox/client.ts';
import { openGate } from '../../src/proxmox/gate.ts';
import { type Certificate, openAuthorities } from './certificates.ts';
import {
  type Behaviour,
  connectionTo,
  fakeClock,
  openClient,
  openedGate,
  type Received,
  type ScriptedServer,
  startScripted,
  TOKEN_ID,
  TOKEN_SECRET,
} from './server.ts';

const authorities = openAuthorities();
let certificate: Certificate;
const closing: (() => Promise<void>)[] = [];
const UPID = 'UPID:pve:00004311:0007012A:6B036F7E:qmstart:105:mcp@pve!agent:';

beforeAll(() => {
  certificate = authorities.create('cluster').issue();
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});
afterAll(() => authorities.remove());

async function serve(script: (request: Received) => Behaviour): Promise<ScriptedServer> {
  const server = await startScripted(certificate, script);
  closing.push(() => server.close());
  return server;
}
function open(endpoints: { port: number }[], settings: Partial<ConnectionSettings> = {}, options: Partial<ProxmoxOptions> = {}) {
  const client = openClient(connectionTo(endpoints, { fingerprints: [certificate.fingerprint], ...settings }), options);
  closing.push(() => client.close());
  return client;
}
const REQUESTS: Record<MutatingMethod, Pick<ResolvedRequest, 'path' | 'params'>> = {
  POST: { path: '/nodes/pve/qemu/105/status/start', params: { timeout: 5 } },
  PUT: { path: '/nodes/pve/qemu/105/config', params: { cores: 5 } },
  DELETE: { path: '/nodes/pve/qemu/105', params: { purge: true } },
};
const request = (method: MutatingMethod): ResolvedRequest => ({ stepId: 'one', method, ...REQUESTS[method] });
const unused = async () => {
  const server = await startScripted(certificate, () => ({ data: null }));
  await server.close();
  return server.port;
};
const refusal = (message: string, status = 500): Behaviour => ({
  status,
  reason: message,
  body: JSON.stringify({ data: null, message: `${message}\n` }),
});

describe('a request that leaves', () => {
  it('sends the token, and a form whose length is known', async () => {
    const server = await serve(() => ({ data: UPID }));
    const api = open([server]);
    const create = { path: '/nodes/pve/qemu', params: { vmid: 105, onboot: true, protection: false, description: 'a&b c' } };
    expect(await api.send(openedGate, { ...request('POST'), ...create })).toEqual({ kind: 'task', upid: UPID });
    const exec = { path: '/nodes/pve/qemu/105/agent/exec', params: { command: ['a b', 'c&d'] } };
    await api.send(openedGate, { ...request('POST'), ...exec });
    const [one, other] = server.received;
    expect(other?.body).toBe('command=a+b&command=c%26d');
    expect(one?.headers.authorization).toBe(`PVEAPIToken=${TOKEN_ID}=${TOKEN_SECRET}`);
    expect(one?.body).toBe('vmid=105&onboot=1&protection=0&description=a%26b+c');
    expect(one?.headers['content-length']).toBe(String(one?.body.length));
    expect(one?.headers['transfer-encoding']).toBeUndefined();
    expect(one?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(one?.headers.cookie).toBeUndefined();
  });

  it('puts the parameters of GET and DELETE into the query, with no body', async () => {
    const server = await serve(({ method }) => ({ data: method === 'GET' ? [] : null }));
    const api = open([server]);
    await api.get('/cluster/resources', { type: 'vm' });
    expect(await api.send(openedGate, { stepId: 'd', method: 'DELETE', path: '/nodes/pve/qemu/105', params: { purge: true } })).toEqual({
      kind: 'done',
      data: null,
    });
    expect(server.received.map(({ method, url, body }) => [method, url, body])).toEqual([
      ['GET', '/cluster/resources?type=vm', ''],
      ['DELETE', '/nodes/pve/qemu/105?purge=1', ''],
    ]);
    expect(server.received[1]?.headers['transfer-encoding']).toBeUndefined();
  });

  it('sends the length of an empty body', async () => {
    const server = await serve(() => ({ data: null }));
    await open([server]).send(openedGate, { ...request('POST'), params: {} });
    expect(server.received[0]?.headers['content-length']).toBe('0');
  });

  it('refuses an address that would arrive as another one', async () => {
    const server = await serve(() => ({ data: null }));
    for (const path of ['/nodes/pve/../x', '/nodes/%2e%2e/x', '/version?x=1', '/version#a']) {
      await expect(open([server]).get(path), path).rejects.toMatchObject({ code: 'internal' });
    }
    expect(server.received).toEqual([]);
  });

  it('sends nothing that the gate does not let through', async () => {
    const server = await serve(() => ({ data: UPID }));
    const api = open([server]);
    const gate = openGate([{ kind: 'request', id: 'one', method: 'POST', path: request('POST').path, params: {}, purpose: 'start' }], () =>
      request('POST'),
    );
    await expect(api.send(gate, { ...request('POST'), params: { timeout: 6 } })).rejects.toMatchObject({ code: 'internal' });
    await expect(api.send(gate, request('POST'))).rejects.toMatchObject({ code: 'internal' });
    expect(server.received).toEqual([]);
  });

  it('reports each request to its observer', async () => {
    const server = await serve(({ method }) => ({ data: method === 'GET' ? [] : null }));
    const seen: unknown[] = [];
    const api = open([server], {}, { onRequest: (...one) => seen.push(one) });
    await api.get('/cluster/resources', { type: 'vm' });
    await api.send(openedGate, request('PUT'));
    expect(seen).toEqual([
      ['GET', '/cluster/resources', { type: 'vm' }],
      ['PUT', request('PUT').path, { cores: 5 }],
    ]);
  });
});

it('a change waits a minute for its answer, because good ones came after 37 s, and a read 35 s', async () => {
  const server = await serve(({ method }) => ({ data: method === 'GET' ? [] : null }));
  const api = open([server]);
  const timers = vi.spyOn(globalThis, 'setTimeout');
  const waits = async (work: () => Promise<unknown>) => {
    timers.mockClear();
    await work();
    return timers.mock.calls.map(([, ms]) => ms).filter((ms) => ms === 35_000 || ms === 60_000);
  };
  expect(await waits(() => api.get('/nodes'))).toEqual([35_000]);
  for (const method of ['POST', 'PUT', 'DELETE'] as const)
    expect(await waits(() => api.send(openedGate, request(method)))).toEqual([60_000]);
  timers.mockRestore();
});

describe('a mutating request is sent once', () => {
  const unknown: [string, Behaviour][] = [
    ['cut before an answer', 'cut'],
    ['cut within the answer', 'cut-in-body'],
    ['596', { status: 596, reason: 'Connection timed out' }],
    ['597', { status: 597, reason: 'x' }],
    ['598', { status: 598, reason: 'x' }],
    ['599', { status: 599, reason: 'Too many redirections' }],
    ['no answer in time', 'silence'],
    ['502 of a proxy in between', { status: 502, reason: 'Bad Gateway', body: '<html>' }],
    ['503 of a proxy in between', { status: 503, reason: 'Service Unavailable', body: '<html>' }],
    ['200 in other words', { status: 200, reason: 'OK', body: '<html>' }],
    ['a worker that may not have started', refusal('got no worker upid - start worker failed')],
  ];
  const refused: [string, Behaviour, string][] = [
    ['500', refusal('storage full of bees'), 'proxmox_refused'],
    ['503 of Proxmox', refusal('not now', 503), 'proxmox_refused'],
    [
      '400',
      { status: 400, reason: 'Parameter verification failed.', body: '{"data":null,"errors":{"x":"type check (\'integer\') failed"}}' },
      'invalid_arguments',
    ],
    ['401', { status: 401, reason: 'Authentication failed!' }, 'authentication_failed'],
    ['403', refusal('Permission check failed (/vms/105, VM.PowerMgmt)', 403), 'permission_denied'],
    ['595', { status: 595, reason: 'No route to host' }, 'unreachable'],
  ];
  const methods = ['POST', 'PUT', 'DELETE'] as const;

  for (const method of methods) {
    it.each(unknown)(`${method}: %s leaves the outcome unknown`, async (_, behaviour) => {
      const [server, other] = [await serve(() => behaviour), await serve(() => ({ data: UPID }))];
      const dispatch = await open([server, other], {}, { timeoutMs: 300 }).send(openedGate, request(method));
      expect(dispatch.kind).toBe('unknown');
      expect([server.received.length, other.received.length]).toEqual([1, 0]);
    });

    it.each(refused)(`${method}: %s is a refusal`, async (_, behaviour, code) => {
      const [server, other] = [await serve(() => behaviour), await serve(() => ({ data: UPID }))];
      await expect(open([server, other]).send(openedGate, request(method))).rejects.toMatchObject({ code });
      expect([server.received.length, other.received.length]).toEqual([1, 0]);
    });

    it(`${method}: goes over a fresh connection, never over one that lay idle and may be closing`, async () => {
      const server = await serve(() => ({ data: UPID }));
      const api = open([server]);
      await api.get('/version');
      expect((await api.send(openedGate, request(method))).kind).toBe('task');
      expect((await api.send(openedGate, request(method))).kind).toBe('task');
      await api.get('/version');
      expect(server.received.map((one) => [one.method, one.connection])).toEqual([
        ['GET', 1],
        [method, 2],
        [method, 3],
        ['GET', 1],
      ]);
    });

    it(`${method}: also after the pause for a lock`, async () => {
      const lock = refusal("can't lock file '/var/lock/qemu-server/lock-105.conf' - got timeout");
      let times = 0;
      const server = await serve(() => (++times < 2 ? lock : { data: UPID }));
      expect((await open([server], {}, { clock: fakeClock() }).send(openedGate, request(method))).kind).toBe('task');
      expect(server.received.map((one) => one.connection)).toEqual([1, 2]);
    });

    it(`${method}: goes to the next endpoint when it cannot connect`, async () => {
      const server = await serve(() => ({ data: UPID }));
      const api = open([{ port: await unused() }, server]);
      expect(await api.send(openedGate, request(method))).toEqual({ kind: 'task', upid: UPID });
      expect(server.received.length).toBe(1);
    });

    it(`${method}: is sent again after a synchronous lock timeout, a few times`, async () => {
      const lock = refusal("can't lock file '/var/lock/qemu-server/lock-105.conf' - got timeout");
      let times = 0;
      const server = await serve(() => (++times < 3 ? lock : { data: UPID }));
      // The lock is on the node of the guest, to which every endpoint passes the request.
      const other = await serve(() => ({ data: UPID }));
      const clock = fakeClock();
      expect(await open([server, other], {}, { clock }).send(openedGate, request(method))).toEqual({ kind: 'task', upid: UPID });
      expect(clock.slept).toEqual([5000, 10_000]);
      expect(other.received).toEqual([]);
      times = -10;
      await expect(open([server]).send(openedGate, request(method))).rejects.toMatchObject({ code: 'locked' });
      expect(server.received.length).toBe(6);
    });
  }

  it('follows no redirect, which would send a change twice and the token to another server', async () => {
    const other = await serve(() => ({ data: UPID }));
    const location = `https://127.0.0.1:${other.port}/api2/json/x`;
    const server = await serve(() => ({ status: 307, reason: 'Temporary Redirect', location }));
    // A proxy answered, which does not tell whether the change went on.
    expect((await open([server]).send(openedGate, request('POST'))).kind).toBe('unknown');
    await expect(open([server]).get('/version')).rejects.toMatchObject({ code: 'proxmox_refused' });
    expect([server.received.length, other.received.length]).toEqual([2, 0]);
  });

  it('passes the gate once for all attempts', async () => {
    const server = await serve(() => ({ data: UPID }));
    let passed = 0;
    await open([{ port: await unused() }, server]).send({ pass: () => void passed++, reopen: () => {} }, request('POST'));
    expect(passed).toBe(1);
  });

  it('says that nothing was executed when no endpoint answers', async () => {
    const api = open([{ port: await unused() }]);
    await expect(api.send(openedGate, request('POST'))).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('not executed'),
    });
  });

  it('keeps at most three changes of one node in flight, and reads beside them', async () => {
    const waiting: string[] = [];
    const server = await serve(({ method, url }) => {
      if (method === 'GET') return { data: 'read' };
      waiting.push(url);
      return 'silence';
    });
    const api = open([server]);
    const send = (node: string) => api.send(openedGate, { ...request('POST'), path: `/nodes/${node}/qemu/105/status/start` });
    const all = [send('a'), send('a'), send('a'), send('a'), send('b')];
    await expect.poll(() => waiting.length).toBe(4);
    expect(await api.get('/version')).toBe('read');
    expect(waiting.filter((url) => url.startsWith('/nodes/a/')).length).toBe(3);
    server.dropConnections();
    await expect.poll(() => waiting.length).toBe(5);
    server.dropConnections();
    expect((await Promise.all(all)).map((one) => one.kind)).toEqual(Array(5).fill('unknown'));
  });
});

describe('a read', () => {
  it('of a guest agent waits while two others of its node are under way, and other reads pass', async () => {
    const asked: string[] = [];
    const server = await serve(({ url }) => {
      if (!url.includes('/agent/')) return { data: 'read' };
      asked.push(url);
      return 'silence';
    });
    const api = open([server]);
    const ask = (node: string, vmid: number) =>
      api.get(`/nodes/${node}/qemu/${vmid}/agent/network-get-interfaces`).catch(() => 'no answer');
    const all = [ask('a', 101), ask('a', 102), ask('a', 103), ask('b', 104)];
    await expect.poll(() => asked.length).toBe(3);
    expect(await api.get('/version')).toBe('read');
    expect(asked.filter((url) => url.startsWith('/nodes/a/')).map((url) => url.split('/')[4])).toEqual(['101', '102']);
    await api.close();
    expect(await Promise.all(all)).toEqual(Array(4).fill('no answer'));
  });

  it.each([
    ['a cut connection', 'cut' as Behaviour],
    ['595', { status: 595, reason: 'No route to host' } as Behaviour],
  ])('continues to another endpoint after %s', async (_, behaviour) => {
    const [server, other] = [await serve(() => behaviour), await serve(() => ({ data: 'there' }))];
    const api = open([server, other]);
    expect(await api.get('/version')).toBe('there');
    expect(await api.get('/version')).toBe('there');
    expect([server.received.length, other.received.length]).toEqual([1, 2]);
  });

  it('is repeated a few times, then gives up and names the endpoint', async () => {
    const server = await serve(() => 'cut');
    await expect(open([server]).get('/version')).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(`127.0.0.1:${server.port}`),
    });
    expect(server.received.length).toBe(4);
  });

  it('reaches the last of six endpoints when no other one can be reached', async () => {
    const server = await serve(() => ({ data: [] }));
    const away = [];
    for (let n = 0; n < 5; n++) away.push({ port: await unused() });
    expect(await open([...away, server]).get('/nodes')).toEqual([]);
  });

  it('is sent four times at most, however many kinds of failure it meets', async () => {
    let times = 0;
    const server = await serve(() => (++times % 2 ? 'cut' : { status: 595, reason: 'No route to host' }));
    await expect(open([server]).get('/version')).rejects.toMatchObject({ code: 'unreachable' });
    expect(server.received.length).toBe(4);
  });

  it.each([
    ['a refusal', refusal('no'), 'proxmox_refused'],
    ['596', { status: 596, reason: 'Connection timed out' } as Behaviour, 'unreachable'],
    ['no answer in time', 'silence' as Behaviour, 'unreachable'],
  ])('is not repeated after %s', async (_, behaviour, code) => {
    const server = await serve(() => behaviour);
    await expect(open([server], {}, { timeoutMs: 300 }).get('/version')).rejects.toMatchObject({ code });
    expect(server.received.length).toBe(1);
  });

  it('ends with the reason of its signal', async () => {
    const server = await serve(() => 'silence');
    const controller = new AbortController();
    const reading = open([server]).get('/version', {}, { signal: controller.signal });
    await expect.poll(() => server.received.length).toBe(1);
    controller.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
  });

  it('fails when the server is not Proxmox', async () => {
    const server = await serve(() => ({ status: 200, reason: 'OK', body: '<html>' }));
    await expect(open([server]).get('/version')).rejects.toMatchObject({ code: 'proxmox_refused' });
  });
});

it('requests the version once, and again after a failure', async () => {
  let times = 0;
  const server = await serve(() => (++times === 1 ? refusal('no') : { data: { version: '9.2.11' } }));
  const api = open([server]);
  await expect(api.version()).rejects.toMatchObject({ code: 'proxmox_refused' });
  const [one, two] = await Promise.all([api.version(), api.version()]);
  expect([one, two]).toEqual(Array(2).fill({ version: '9.2.11', major: 9, minor: 2 }));
  expect(server.received.length).toBe(2);
});

it("knows the server's time from its answers", async () => {
  const server = await serve(() => ({ data: null, date: 'Tue, 01 Jan 2030 00:00:00 GMT' }));
  const clock = fakeClock(1_000_000);
  const api = open([server], {}, { clock });
  expect(api.serverTime()).toBe(1000);
  await api.get('/version');
  expect(api.serverTime()).toBe(Date.UTC(2030, 0, 1) / 1000);
  await clock.sleep(60_000);
  expect(api.serverTime()).toBe(Date.UTC(2030, 0, 1) / 1000 + 60);
});

it('never shows the token secret, nor a password that Proxmox repeats', async () => {
  const server = await serve(() => refusal('cannot use hunter2hunter2'));
  const sending = open([server]).send(openedGate, { ...request('PUT'), params: { cipassword: 'hunter2hunter2' } });
  const error = (await sending.catch((thrown: unknown) => thrown)) as ProxmoxMcpError;
  const shown = JSON.stringify(error) + error.stack;
  expect(shown).toContain('***');
  expect(shown).not.toMatch(/hunter2|11111111-2222/);
});

it('passes on the list of networks without the difference of the host’s whole network file', async () => {
  // Measured on Proxmox VE 9.2: `changes` goes to every token, with bridges that it may not see.
  const body = JSON.stringify({ data: [{ iface: 'vmbr0', type: 'bridge' }], changes: '+iface vmbr1 inet static\n+address 10.1.2.3/24' });
  const { port } = await serve(() => ({ status: 200, body }));
  const networks = await open([{ port }]).get('/nodes/pve/network', { type: 'any_bridge' });
  expect(networks).toEqual([{ iface: 'vmbr0', type: 'bridge' }]);
});
