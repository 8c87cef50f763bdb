import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import type { ConnectionSettings } from '../../../src/core/settings/settings.ts';
import { sameFingerprint } from '../../../src/proxmox/trust/certificate.ts';
import { inspectTls } from '../../../src/proxmox/trust/inspect.ts';
import { memoryTrustStore, openTrustStore, type TrustStore } from '../../../src/proxmox/trust/store.ts';
import { learnPin } from '../../../src/proxmox/trust/trust.ts';
import { type Authority, type Certificate, openAuthorities } from '../certificates.ts';
import { type Behaviour, connectionTo, openClient, openedGate, type ScriptedServer, startScripted } from '../server.ts';

const authorities = openAuthorities();
let cluster: Authority;
let stranger: Authority;
let leaf: Certificate;
let foreign: Certificate;
let folder: string;
let trust: TrustStore;
const closing: (() => Promise<void>)[] = [];

beforeAll(() => {
  cluster = authorities.create('cluster');
  stranger = authorities.create('stranger');
  leaf = cluster.issue();
  foreign = stranger.issue();
});
afterAll(() => authorities.remove());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pmcp-trust-'));
  trust = openTrustStore(folder);
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  rmSync(folder, { recursive: true });
});

/** A node that shows this certificate and names this authority. */
async function node(
  certificate: Certificate,
  ca: Authority = cluster,
  port = 0,
  answer?: (url: string) => Behaviour | undefined,
): Promise<ScriptedServer> {
  const server = await startScripted(
    certificate,
    ({ url }) => {
      const special = answer?.(url);
      if (special) return special;
      if (url === '/nodes') return { data: [{ node: 'pve', status: 'online' }] };
      if (url !== '/nodes/pve/certificates/info') return { data: 'content' };
      return {
        data: [
          { filename: 'pve-root-ca.pem', pem: ca.pem, fingerprint: ca.fingerprint },
          { filename: 'pve-ssl.pem', pem: certificate.cert, fingerprint: certificate.fingerprint },
        ],
      };
    },
    port,
  );
  closing.push(() => server.close());
  return server;
}
function open(endpoints: { port: number; host?: string }[], settings: Partial<ConnectionSettings> = {}) {
  const client = openClient(connectionTo(endpoints, settings), { trust });
  closing.push(() => client.close());
  return client;
}

/** Refused before a byte was written: the server saw no request. */
async function refused(server: ScriptedServer, client: ReturnType<typeof open>, code: string) {
  await expect(client.get('/version')).rejects.toMatchObject({ code });
  await expect(
    client.send(openedGate, { stepId: 's', method: 'POST', path: '/nodes/pve/qemu/105/status/start', params: {} }),
  ).rejects.toMatchObject({ code });
  expect(server.received).toEqual([]);
}

describe('fingerprint', () => {
  it('accepts the named certificate, also on the connections after the first', async () => {
    const server = await node(leaf);
    const client = open([server], { fingerprints: [foreign.fingerprint, leaf.fingerprint.toLowerCase()] });
    for (let i = 1; i <= 4; i++) {
      expect(await client.get('/version')).toBe('content');
      server.dropConnections();
      await expect.poll(() => server.connections()).toBe(i);
    }
    expect(client.notices).toEqual([]);
    expect(trust.get('test')).toBeUndefined();
  });

  it('refuses every other one, signed by any authority, and sends nothing', async () => {
    const server = await node(leaf);
    await refused(server, open([server], { fingerprints: [foreign.fingerprint] }), 'certificate_untrusted');
  });

  it('refuses another certificate that appears on the same port later', async () => {
    const first = await node(leaf);
    const client = open([first], { fingerprints: [leaf.fingerprint] });
    await client.get('/version');
    await first.close();
    const second = await node(cluster.issue(), cluster, first.port);
    await refused(second, client, 'certificate_untrusted');
  });

  it('compares whole fingerprints only', () => {
    expect(sameFingerprint(leaf.fingerprint, leaf.fingerprint.replaceAll(':', ''))).toBe(true);
    expect(sameFingerprint(leaf.fingerprint, foreign.fingerprint)).toBe(false);
    expect(sameFingerprint('', '')).toBe(false);
    expect(sameFingerprint('AA', 'AA')).toBe(false);
  });
});

describe('CA file', () => {
  it('accepts a certificate that it signed for this host', async () => {
    const server = await node(leaf);
    for (const verifySsl of [true, false])
      expect(await open([server], { caFile: cluster.file, verifySsl }).get('/version')).toBe('content');
  });

  it('refuses a certificate that it did not sign', async () => {
    const server = await node(foreign);
    await refused(server, open([server], { caFile: cluster.file }), 'certificate_untrusted');
  });

  it('refuses a certificate that it signed for another host', async () => {
    const server = await node(cluster.issue({ san: 'IP:192.0.2.7,DNS:other' }));
    await refused(server, open([server], { caFile: cluster.file }), 'certificate_untrusted');
  });

  it('must be there and hold a certificate', () => {
    writeFileSync(join(folder, 'x.pem'), 'nothing');
    for (const caFile of [join(folder, 'x.pem'), join(folder, 'missing.pem')]) {
      expect(() => open([{ port: 1 }], { caFile })).toThrow(expect.objectContaining({ code: 'invalid_configuration' }));
    }
  });
});

it('PROXMOX_VERIFY_SSL pins nothing and refuses what no authority of the system signed', async () => {
  const server = await node(leaf);
  await refused(server, open([server], { verifySsl: true }), 'certificate_untrusted');
  expect(trust.get('test')).toBeUndefined();
});

describe('first use', () => {
  it('pins the authority of the cluster, reports it once, and does not ask again', async () => {
    const server = await node(leaf);
    const client = open([server]);
    expect(await Promise.all([client.get('/version'), client.get('/version')])).toEqual(['content', 'content']);
    expect(trust.get('test')).toMatchObject({ kind: 'ca', fingerprint: cluster.fingerprint, pem: cluster.pem });
    expect(client.notices).toEqual([expect.stringContaining(cluster.fingerprint)]);
    expect(client.warnings).toEqual(client.notices);
    expect(statSync(join(folder, 'trust.json')).mode & 0o777).toBe(0o600);

    server.received.length = 0;
    const later = open([server]);
    await later.get('/version');
    expect(server.received.map((one) => one.url)).toEqual(['/version']);
    expect(later.notices).toEqual([]);
  });

  it('also happens before a change', async () => {
    const server = await node(leaf);
    expect(
      await open([server]).send(openedGate, { stepId: 's', method: 'POST', path: '/nodes/pve/qemu/105/status/start', params: {} }),
    ).toEqual({
      kind: 'done',
      data: 'content',
    });
    expect(trust.get('test')?.kind).toBe('ca');
  });

  it('accepts a renewed certificate and other nodes of the same authority', async () => {
    const server = await node(leaf);
    const client = open([server]);
    await client.get('/version');
    await server.close();
    const renewed = await node(cluster.issue(), cluster, server.port);
    expect(await client.get('/version')).toBe('content');
    expect(renewed.received.map((one) => one.url)).toEqual(['/version']);
    expect(await open([await node(cluster.issue())]).get('/version')).toBe('content');
  });

  it.each([
    ['of another authority', () => foreign],
    ['of an authority with the same name', () => imposter().issue()],
    ['for another host', () => cluster.issue({ san: 'IP:192.0.2.7' })],
    ['that is out of date', () => cluster.issue({ days: -1 })],
  ])('refuses a certificate %s afterwards, in this process and the next', async (_, certificate) => {
    const server = await node(leaf);
    const client = open([server]);
    await client.get('/version');
    await server.close();
    const changed = await node(certificate(), stranger, server.port);
    await refused(changed, client, 'certificate_changed');
    await refused(changed, open([changed]), 'certificate_changed');
  });

  it('pins the certificate itself where the authority did not sign it or the host is not named in it', async () => {
    const custom = stranger.issue();
    const server = await node(custom, cluster);
    const client = open([server]);
    expect(await client.get('/version')).toBe('content');
    expect(trust.get('test')).toMatchObject({ kind: 'leaf', fingerprints: [custom.fingerprint] });
    server.dropConnections();
    expect(await client.get('/version')).toBe('content');
    await server.close();
    await refused(await node(stranger.issue(), cluster, server.port), client, 'certificate_changed');
  });

  it('pins nothing when the token is refused', async () => {
    const server = await node(leaf, cluster, 0, () => ({ status: 401, reason: 'Authentication failed!' }));
    const client = open([server]);
    await expect(client.get('/version')).rejects.toMatchObject({ code: 'authentication_failed' });
    expect(trust.get('test')).toBeUndefined();
  });

  it('uses the first endpoint that answers', async () => {
    const gone = await node(leaf);
    await gone.close();
    expect(await open([gone, await node(leaf)]).get('/version')).toBe('content');
  });

  it('keeps what another process pinned meanwhile', async () => {
    const server = await node(leaf, cluster, 0, (url) => {
      if (url === '/nodes') trust.set('test', { kind: 'leaf', fingerprints: [foreign.fingerprint], since: 'x' });
      return undefined;
    });
    const client = open([server]);
    await client.get('/version').catch(() => undefined);
    expect(trust.get('test')).toMatchObject({ kind: 'leaf', fingerprints: [foreign.fingerprint] });
    server.dropConnections();
    await expect(client.get('/version')).rejects.toMatchObject({ code: 'certificate_changed' });
  });
});

describe('learning a pin', () => {
  it('takes the certificates of all nodes when there is no common authority to pin', async () => {
    const other = stranger.issue();
    const get = async <T>(path: string) => {
      if (path === '/nodes') return [{ node: 'a' }, { node: 'b' }, { node: 'c', status: 'offline' }] as T;
      return [
        { filename: 'pve-root-ca.pem', pem: cluster.pem },
        { filename: 'pve-ssl.pem', fingerprint: leaf.fingerprint },
        { filename: 'pveproxy-ssl.pem', fingerprint: path.includes('/a/') ? foreign.fingerprint : other.fingerprint },
      ] as T;
    };
    expect(await learnPin(get, foreign.cert, '127.0.0.1', 0)).toEqual({
      kind: 'leaf',
      fingerprints: [foreign.fingerprint, other.fingerprint],
      since: '1970-01-01T00:00:00.000Z',
    });
  });
});

describe('trust store', () => {
  it('keeps the pins of several clusters and sees what another process pinned', () => {
    const pin = { kind: 'leaf' as const, fingerprints: ['AA'], since: 'now' };
    const other = openTrustStore(folder);
    trust.set('a', pin);
    other.set('b', pin);
    expect([trust.get('a'), trust.get('b'), trust.get('c')]).toEqual([pin, pin, undefined]);
  });

  it.each(['{', '[]x', '', '[]', 'null', '{"a":{}}', '{"a":null}', '{"a":{"kind":"leaf"}}', '{"a":{"kind":"ca","fingerprint":"A"}}'])(
    'is not a first use when it is damaged: %s',
    async (text) => {
      writeFileSync(join(folder, 'trust.json'), text);
      const server = await node(leaf);
      await expect(open([server]).get('/version')).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(server.received).toEqual([]);
    },
  );

  it('in memory is empty at first', () => {
    const memory = memoryTrustStore();
    expect(memory.get('a')).toBeUndefined();
  });
});

describe('looking at a certificate', () => {
  it('shows it and sends nothing', async () => {
    const server = await node(leaf);
    const shown = await inspectTls({ host: '127.0.0.1', port: server.port });
    expect(shown).toMatchObject({
      fingerprint: leaf.fingerprint,
      authorized: false,
      address: '127.0.0.1',
      san: ['IP Address:127.0.0.1', 'DNS:localhost'],
    });
    expect(shown.issuer).toContain('CN=cluster');
    expect(shown.subject).toContain('CN=pve');
    expect(Date.parse(shown.validTo)).toBeGreaterThan(systemClock.now());
    expect(shown.chainPem).toEqual([leaf.cert]);
    expect(server.received).toEqual([]);
  });

  it('names a server that does not speak HTTPS, in words of ours', async () => {
    const plain = createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n')).listen(0, '127.0.0.1');
    closing.push(async () => void plain.close());
    await once(plain, 'listening');
    const endpoint = { host: '127.0.0.1', port: (plain.address() as AddressInfo).port };
    const message = `127.0.0.1:${endpoint.port} cannot be reached: it does not speak HTTPS on this port.`;
    await expect(inspectTls(endpoint)).rejects.toMatchObject({ code: 'unreachable', message });
    await expect(open([endpoint]).get('/version')).rejects.toMatchObject({ code: 'unreachable', message });
  });

  it('fails when no server is there', async () => {
    const server = await node(leaf);
    await server.close();
    await expect(inspectTls({ host: '127.0.0.1', port: server.port })).rejects.toMatchObject({ code: 'unreachable' });
  });
});

function imposter(): Authority {
  const other = openAuthorities();
  closing.push(async () => other.remove());
  return other.create('cluster');
}
