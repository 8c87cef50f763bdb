import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { expect } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import type { ConnectionSettings } from '../../src/core/settings/settings.ts';
import { createProxmox, type ProxmoxClient, type ProxmoxOptions } from '../../src/proxmox/client.ts';
import { memoryTrustStore } from '../../src/proxmox/trust/store.ts';
import { invalidRequests } from '../helpers/simulator.ts';
import type { Certificate } from './certificates.ts';

export interface Received {
  method: string;
  /** Path and query as they came. */
  url: string;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  /** The connection that it came over, counted from 1. */
  connection: number;
}

/**
 * The reaction to a request: answer `data`, answer with a status line and body, cut the connection, or stay silent.
 */
export type Behaviour =
  | { data: unknown; total?: number; date?: string }
  | { status: number; reason?: string; body?: string; location?: string }
  | { write: (response: ServerResponse) => void }
  | 'cut'
  | 'cut-in-body'
  | 'silence';

export interface ScriptedServer {
  port: number;
  received: Received[];
  /** TLS connections made so far. */
  connections(): number;
  /** Closes all connections, like Proxmox does with idle ones. */
  dropConnections(): void;
  close(): Promise<void>;
}

/**
 * A server of which a test decides every byte: cut connections and odd status lines are the point. What arrives is still held against the
 * contract of Proxmox VE 9.2 when it closes.
 */
export async function startScripted(
  certificate: Certificate,
  script: (request: Received) => Behaviour,
  port = 0,
  host = '127.0.0.1',
): Promise<ScriptedServer> {
  const received: Received[] = [];
  const sockets = new Set<Duplex>();
  const connectionOf = new WeakMap<Duplex, number>();
  let connections = 0;
  const server: Server = createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers, socket } = request;
      const one: Received = {
        method,
        url: url.replace(/^\/api2\/json/, ''),
        headers,
        body: Buffer.concat(chunks).toString(),
        connection: connectionOf.get(socket) ?? 0,
      };
      received.push(one);
      const behaviour = script(one);
      if (behaviour === 'silence') return;
      if (behaviour === 'cut') return socket.destroy();
      if (behaviour === 'cut-in-body') {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"data":', () => socket.destroy());
        return;
      }
      if ('write' in behaviour) return behaviour.write(response);
      if ('status' in behaviour) {
        response.writeHead(behaviour.status, behaviour.reason ?? 'x', {
          'content-type': 'application/json',
          ...(behaviour.location === undefined ? {} : { location: behaviour.location }),
        });
        response.end(behaviour.body ?? '');
        return;
      }
      const { data, total, date } = behaviour;
      response.writeHead(200, 'OK', { 'content-type': 'application/json', ...(date === undefined ? {} : { date }) });
      response.end(JSON.stringify({ data, ...(total === undefined ? {} : { total }) }));
    });
  });
  server.on('secureConnection', (socket) => connectionOf.set(socket, ++connections));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const dropConnections = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    received,
    connections: () => connections,
    dropConnections,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      dropConnections();
      await closed;
      expect(invalidRequests(received.map(asSent))).toEqual([]);
    },
  };
}

/** Parameters are in the query or, form-encoded, in the body. */
function asSent({ method, url, body }: Received): Parameters<typeof invalidRequests>[0][number] {
  const { pathname, searchParams } = new URL(url, 'https://x');
  const params: Record<string, string | string[]> = {};
  for (const [name, value] of [...searchParams, ...new URLSearchParams(body)]) {
    params[name] = name in params ? [params[name] ?? [], value].flat() : value;
  }
  return { method, path: pathname, params };
}

export const TOKEN_ID = 'mcp@pve!agent';
export const TOKEN_SECRET = '11111111-2222-3333-4444-555555555555';

/** Time that passes only by sleeping, so that no test waits. */
export function fakeClock(start = Date.now()): Clock & { slept: number[] } {
  let now = start;
  const slept: number[] = [];
  return {
    slept,
    now: () => now,
    elapsed: () => now,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      slept.push(ms);
      now += ms;
    },
  };
}

export function connectionTo(endpoints: { port: number; host?: string }[], more: Partial<ConnectionSettings> = {}): ConnectionSettings {
  return {
    endpoints: endpoints.map(({ host = '127.0.0.1', port }) => ({ host, port })),
    tokenId: TOKEN_ID,
    tokenSecret: TOKEN_SECRET,
    verifySsl: false,
    fingerprints: [],
    ...more,
  };
}

/** A client whose log is kept, on a clock of its own. */
export function openClient(connection: ConnectionSettings, more: Partial<ProxmoxOptions> = {}): ProxmoxClient & { warnings: string[] } {
  const warnings: string[] = [];
  const log = { debug: () => {}, info: () => {}, warn: (_: object, text: string) => void warnings.push(text), error: () => {} };
  const client = createProxmox({ connection, cluster: 'test', trust: memoryTrustStore(), clock: fakeClock(), log, ...more });
  return Object.assign(client, { warnings });
}

/** Lets every request through: for tests that are not about the gate. */
export const openedGate = { pass: () => {}, reopen: () => {} };
