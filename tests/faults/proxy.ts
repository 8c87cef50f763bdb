import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fastClock } from './pace.ts';

/** One request on its way from the product to the simulator. */
export interface Passing {
  method: string;
  /** Below /api2/json, without the query. */
  path: string;
  query: string;
  /** Sends the request to the simulator, also after the product has gone; resolves with the genuine answer. */
  forward(): Promise<Upstream>;
  /** Answers the product. */
  answer(reply: Upstream): void;
  /** Closes the connection without an answer, or in the middle of one. */
  cut(partOf?: Upstream): void;
  /** Refuses new connections for that many real milliseconds, and closes the present ones. */
  goAway(ms: number): void;
}

export interface Upstream {
  status: number;
  reason: string;
  headers: Record<string, string>;
  body: string;
}

/** What became of a request: `arrived` once the simulator answered it. */
export interface Seen {
  method: string;
  path: string;
  params: string;
  /** 0 while the simulator has not answered. */
  status: number;
}

export type Strike = (passing: Passing) => Promise<void>;

const DATA = join(import.meta.dirname, '../../src/simulator/data');
const pem = (name: string) => readFileSync(join(DATA, name));

/** An HTTPS proxy with the simulator's certificate: every request of the product goes through `strike`. */
export async function openProxy(simulatorPort: number, strike: () => Strike) {
  const upstream = new Agent({ keepAlive: true, rejectUnauthorized: false });
  const seen: Seen[] = [];
  const server = createServer({ cert: pem('demo-cert.pem'), key: pem('demo-key.pem') }, (request, response) => {
    void handle(request, response).catch(() => response.socket?.destroy());
  });
  server.keepAliveTimeout = 5_000;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const [path = '', query = ''] = (request.url ?? '').replace('/api2/json', '').split('?', 2);
    const method = request.method ?? 'GET';
    const forward = () =>
      new Promise<Upstream>((resolve, reject) => {
        const entry: Seen = { method, path: decodeURIComponent(path), params: body.toString() || query, status: 0 };
        if (method !== 'GET') seen.push(entry);
        const out = httpsRequest(
          { host: '127.0.0.1', port: simulatorPort, method, path: request.url, headers: request.headers, agent: upstream },
          (incoming) => {
            let text = '';
            incoming.setEncoding('utf8').on('data', (chunk) => (text += chunk));
            incoming.once('end', () => {
              entry.status = incoming.statusCode ?? 0;
              const headers = Object.fromEntries(
                Object.entries(incoming.headers).filter(([name]) => !['connection', 'keep-alive', 'content-length'].includes(name)),
              ) as Record<string, string>;
              resolve({ status: entry.status, reason: incoming.statusMessage ?? '', headers, body: text });
            });
          },
        );
        out.once('error', reject);
        out.end(body);
      });
    await strike()({
      method,
      path: decodeURIComponent(path),
      query,
      forward,
      answer(reply) {
        if (response.destroyed) return;
        if (reply.status >= 400) response.setHeader('Connection', 'close');
        response.writeHead(reply.status, reply.reason, headersOf(reply));
        response.end(reply.body);
      },
      cut(partOf) {
        if (!partOf) return void response.socket?.destroy();
        response.writeHead(partOf.status, partOf.reason, headersOf(partOf));
        response.write(partOf.body.slice(0, Math.max(1, partOf.body.length >> 1)), () => response.socket?.destroy());
      },
      goAway(ms) {
        const { port } = server.address() as AddressInfo;
        server.close();
        server.closeAllConnections();
        setTimeout(() => server.listen(port, '127.0.0.1'), ms);
      },
    });
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    /** Every change that was passed on, in order. */
    seen,
    close: async () => {
      upstream.destroy();
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The product takes the server's time from the header Date: it is that of the fast clock, as everything else. */
function headersOf({ headers, body }: Upstream): Record<string, string> {
  return { ...headers, date: new Date(fastClock.now()).toUTCString(), 'content-length': String(Buffer.byteLength(body)) };
}
