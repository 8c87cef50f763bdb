import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fail } from '../core/errors/errors.ts';
import { MAX_BODY_BYTES, TooLarge, webRequest } from './incoming.ts';

/** How often (ms) Node looks for connections that took too long; its default of 30 s would double the times below. */
const CHECK_MS = 1_000;
/** How long (ms) a client may take to send its headers, its request, and to come back on an idle connection. */
const HEADERS_MS = 15_000;
const REQUEST_MS = 30_000;
const KEEP_ALIVE_MS = 75_000;
const MAX_CONNECTIONS = 4096;
/** After so long (ms) of silence TCP asks whether the client is still there: a stream to one that vanished would never end. */
const PROBE_MS = 60_000;

const SERVER = { connectionsCheckingInterval: CHECK_MS, keepAlive: true, keepAliveInitialDelay: PROBE_MS };

/** The listener's facts about a connection. */
export interface Connection {
  /** Address of the peer. */
  peer: string;
  /** Aborts when the answer is sent, or the client is gone. */
  gone: AbortSignal;
  /** Cuts the answer, such as a stream whose reader may read no more. */
  cut(): void;
}

/** A web-standard app. */
export interface App {
  fetch(request: Request, connection: Connection): Response | Promise<Response>;
}

interface ListenOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** PEM. Absent: plain HTTP. */
  tls?: { cert: string; key: string };
  onError: (error: Error) => void;
}

export interface Listener {
  port: number;
  /** Takes no new connections, waits at most `graceMs` for requests in progress, then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

/** Serves the app on a socket. @throws invalid_configuration when that is not possible */
export async function listen(app: App, options: ListenOptions): Promise<Listener> {
  const handler = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    answer(app, incoming, outgoing).catch((error: unknown) => {
      // A client that hung up is not an error of this server.
      if (!outgoing.destroyed && error instanceof Error) options.onError(error);
      outgoing.destroy();
    });
  };
  const server: Server = options.tls ? tlsServer(options.tls, handler) : createServer(SERVER, handler);
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxConnections = MAX_CONNECTIONS;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, options.host, resolve);
    });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    fail('invalid_configuration', `${options.host} port ${options.port} cannot be served (${code}).`, {
      hint: code === 'EADDRINUSE' ? 'Choose another port with --port. Another program uses this one.' : 'Choose another --host or --port.',
      cause,
    });
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      // Otherwise this would wait for idle connections for as long as their clients keep them.
      const idle = setInterval(() => server.closeIdleConnections(), 50);
      await closed;
      clearTimeout(timer);
      clearInterval(idle);
    },
  };
}

function tlsServer(tls: NonNullable<ListenOptions['tls']>, handler: RequestListener): Server {
  try {
    return createTlsServer({ ...tls, ...SERVER }, handler);
  } catch (cause) {
    return fail('invalid_configuration', `The certificate and its key cannot be used (${(cause as NodeJS.ErrnoException).code}).`, {
      hint: 'Give two PEM files that belong together, the key without a passphrase.',
      cause,
    });
  }
}

async function answer(app: App, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  // Aborts only what is unfinished: at the end of each request it would take more time than the parsing of the request.
  const cut = signalAt(outgoing, () => !outgoing.writableFinished);
  const ended = signalAt(outgoing, () => true);
  const response = await respond(app, incoming, cut, { ended, cut: () => outgoing.destroy() });
  outgoing.setHeaders(response.headers);
  outgoing.statusCode = response.status;
  // Such an answer is complete, so it is sent in one piece with its length.
  if (response.body && response.headers.get('content-type')?.startsWith('application/json')) {
    outgoing.end(await response.text());
    return;
  }
  // A stream may send nothing for a while, but its client must learn at once that it began.
  outgoing.flushHeaders();
  if (!response.body) outgoing.end();
  else await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), outgoing, { signal: cut() });
}

const GONE = new Error('The connection of this request has ended.');

/**
 * A signal that aborts when an answer is sent or its client is gone, if `counts` is true then. It is made at the first call, because most
 * requests need none.
 */
function signalAt(outgoing: ServerResponse, counts: () => boolean): () => AbortSignal {
  let made: AbortController | undefined;
  return () => {
    if (made) return made.signal;
    const controller = new AbortController();
    made = controller;
    const end = () => {
      if (counts()) controller.abort(GONE);
    };
    if (outgoing.closed) end();
    else outgoing.once('close', end);
    return controller.signal;
  };
}

async function respond(
  app: App,
  incoming: IncomingMessage,
  signal: () => AbortSignal,
  { ended, cut }: { ended: () => AbortSignal; cut: () => void },
): Promise<Response> {
  const connection: Connection = {
    peer: incoming.socket.remoteAddress ?? '',
    get gone() {
      return ended();
    },
    cut,
  };
  let request: Request;
  try {
    request = await webRequest(incoming, signal);
  } catch (error) {
    const [status, message] =
      error instanceof TooLarge ? [413, `A request may have at most ${MAX_BODY_BYTES} bytes.`] : [400, 'The request cannot be read.'];
    return Response.json({ jsonrpc: '2.0', id: null, error: { code: -32600, message } }, { status, headers: { Connection: 'close' } });
  }
  return app.fetch(request, connection);
}
