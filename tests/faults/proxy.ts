import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fastClock, sleep } from './pace.ts';

/** One request on its way from the product to the simulator. */
export interface Passing {
  method: string;
  /** Below /api2/json, without the query. */
  path: string;
  query: string;
  body: string;
  /** Sends the request to the simulator, also after the product has gone; resolves with the genuine answer. Another body is another client's. */
  forward(body?: string): Promise<Upstream>;
  /** The answer to this read as it was before the last change. */
  stale?: Upstream;
  /** Answers the product. */
  answer(reply: Upstream): void;
  /** Closes the connection without an answer, or in the middle of one. */
  cut(partOf?: Upstream): void;
  /** Closes the present connections and refuses new ones for so many seconds of the fast clock. */
  goAway(seconds: number): void;
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

interface Sent {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer | string;
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
  // The product's own reads reuse connections: a busy machine must not make them meet the end of an idle one.
  server.keepAliveTimeout = 60_000;

  /** Sends a request to the simulator. A change never uses a connection that lay idle, and a read that met the end of one is sent again. */
  async function pass(sent: Sent): Promise<Upstream> {
    try {
      return await passOnce(sent, sent.method === 'GET' ? upstream : false);
    } catch (error) {
      if (sent.method !== 'GET') throw error;
      return passOnce(sent, false);
    }
  }

  function passOnce({ method, url, headers, body }: Sent, agent: Agent | false) {
    return new Promise<Upstream>((resolve, reject) => {
      const length = method === 'GET' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const options = { host: '127.0.0.1', port: simulatorPort, method, path: url, headers: { ...headers, ...length }, agent };
      const out = httpsRequest({ ...options, rejectUnauthorized: false }, (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        incoming.once('error', reject);
        incoming.once('end', () => {
          const kept = Object.entries(incoming.headers).filter(([name]) => !['connection', 'keep-alive', 'content-length'].includes(name));
          const status = incoming.statusCode ?? 0;
          resolve({
            status,
            reason: incoming.statusMessage ?? '',
            headers: Object.fromEntries(kept) as Record<string, string>,
            body: text,
          });
        });
      });
      out.once('error', reject);
      out.end(body);
    });
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const [path = '', query = ''] = (request.url ?? '').replace('/api2/json', '').split('?', 2);
    const method = request.method ?? 'GET';
    const forward = async (others?: string) => {
      const entry: Seen = { method, path: decodeURIComponent(path), params: body.toString() || query, status: 0 };
      if (method !== 'GET' && others === undefined) seen.push(entry);
      const answer = await pass({ method, url: request.url ?? '', headers: request.headers, body: others ?? body });
      entry.status = answer.status;
      return answer;
    };
    await strike()({
      method,
      path: decodeURIComponent(path),
      query,
      body: body.toString(),
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
      goAway(seconds) {
        const { port } = server.address() as AddressInfo;
        server.close();
        server.closeAllConnections();
        void sleep(seconds).then(() => server.listen(port, '127.0.0.1'));
      },
    });
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    /** Every change that was passed on, in order. */
    seen,
    /** What the simulator answers to a read now. */
    peek: (path: string, headers: IncomingHttpHeaders) => pass({ method: 'GET', url: `/api2/json${path}`, headers, body: '' }),
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
