import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fail } from '../core/errors.ts';

interface App {
  fetch(request: Request): Response | Promise<Response>;
}

/**
 * Serves a web-standard app on a loopback port. `close` ends open streams too.
 * @param port 0: any free one
 * @throws invalid_configuration when the port cannot be served
 */
export async function listenOnLoopback(app: App, port: number): Promise<{ port: number; close: () => Promise<void> }> {
  const server: Server = createServer((incoming, outgoing) => {
    answer(app, incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  }).catch((cause: NodeJS.ErrnoException) =>
    fail('invalid_configuration', `Port ${port} of 127.0.0.1 cannot be served (${cause.code}).`, {
      hint: 'Choose another port with --port.',
      cause,
    }),
  );
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(app: App, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  const response = await app.fetch(toRequest(incoming, gone.signal));
  const cookies = response.headers.getSetCookie();
  outgoing.writeHead(response.status, {
    ...Object.fromEntries(response.headers),
    ...(cookies.length > 0 ? { 'set-cookie': cookies } : {}),
  });
  // Headers leave at once: a live stream may have nothing to say for a while.
  outgoing.flushHeaders();
  if (!response.body) outgoing.end();
  else await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), outgoing, { signal: gone.signal });
}

function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) headers.append(name, one);
  }
  const method = incoming.method ?? 'GET';
  // The path alone matters here; which host was meant is judged by the Host header.
  const url = new URL(incoming.url?.startsWith('/') ? incoming.url : '/', 'http://loopback');
  const body = method === 'GET' || method === 'HEAD' ? {} : { body: Readable.toWeb(incoming) as unknown as ReadableStream, duplex: 'half' };
  return new Request(url, { method, headers, signal, ...body } as RequestInit);
}
