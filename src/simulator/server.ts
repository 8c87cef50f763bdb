import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { authenticate, claimedToken } from './access/auth.ts';
import { BadRequest, readParams } from './body.ts';
import type { Context } from './context.ts';
import type { Params } from './contract.ts';
import { type Answer, type Call, dispatch, refusal } from './dispatch.ts';
import { LockBusy } from './errors.ts';
import type { Fault, FaultDesk, RecordedRequest } from './faults.ts';
import type { World } from './world.ts';

export interface Serving {
  world: World;
  faults: FaultDesk;
  certificates: Context['certificates'] & { key: string };
  /** Resolves when that many milliseconds of the simulation have passed. */
  sleep: (ms: number) => Promise<void>;
  onRequest: ((request: RecordedRequest) => void) | undefined;
}

const AUTH_DELAY = 3_000;
const PROXY_PATIENCE = 30_000;
const LOCK_WAIT = 10_000;
const LOCK_POLL = 100;

/** By certificate: making one takes longer than all else of a start. */
const contexts = new Map<string, SecureContext>();

function contextOf({ cert, key }: Serving['certificates']): SecureContext {
  const context = contexts.get(cert) ?? createSecureContext({ cert, key });
  contexts.set(cert, context);
  return context;
}

/** The HTTPS server: HTTP/1.1 with the habits of pveproxy (5 s idle, 100 requests a connection, closed after an error). */
export function createHttps(serving: Serving): Server {
  const server = createServer({ keepAlive: true }, (request, response) => {
    void handle(serving, request, response).catch((error: unknown) => {
      if (!response.headersSent) send(response, 500, (error as Error).message, undefined);
    });
  });
  server.keepAliveTimeout = 5_000;
  server.maxRequestsPerSocket = 100;
  // A server of node:https does the same, but with a context of its own.
  const secureContext = contextOf(serving.certificates);
  const accept = server.listeners('connection');
  server.removeAllListeners('connection').on('connection', (socket: Socket) => {
    const secure = new TLSSocket(socket, { isServer: true, secureContext });
    for (const listener of accept) listener.call(server, secure);
  });
  return server;
}

async function handle(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = request.method ?? 'GET';
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  if (path.startsWith('/simulator/')) return handleControl(serving, method, path, request, response);
  const [, formatter, rest = ''] = /^\/api2\/(json|extjs)(\/.*)?$/.exec(path) ?? [];
  if (formatter === undefined) return send(response, 404, 'Not Found', undefined);
  const target = rest === '' ? '/' : rest;
  let params: Params;
  try {
    params = await readParams(request, query);
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error;
    return send(response, error.status, error.message, error.status === 500 ? `${error.message}\n` : error.message);
  }
  const authorization = request.headers.authorization;
  const record = {
    method,
    path: decodePath(target),
    params,
    token: claimedToken(authorization),
    mutating: method !== 'GET',
    at: serving.world.now(),
  };
  serving.faults.record(record);
  serving.onRequest?.(record);
  const fault = serving.faults.strike(method, record.path);
  if (await strikeBefore(serving, fault, target, response)) return;
  const who = authenticate(serving.world, authorization);
  if (typeof who === 'string') {
    await serving.sleep(AUTH_DELAY);
    return send(response, 401, who, undefined);
  }
  const { key: _key, ...certificates } = serving.certificates;
  const answer = await perform(serving, { method, path: target, params, who, fault, certificates });
  if (answer.status === 403 && target.endsWith('/upload')) {
    // Checked where credentials are, before the file is taken: as late as a 401, and as silent.
    await serving.sleep(AUTH_DELAY);
    return send(response, 403, answer.message, undefined);
  }
  if (response.headersSent) return;
  if (answer.after > 0) await serving.sleep(answer.after);
  if (await strikeAfter(serving, fault, response)) return;
  if (formatter === 'extjs') return reply(response, extjs(answer));
  reply(response, answer);
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Answers, waiting for a guest's lock file as long as the implementation does. */
async function perform(serving: Serving, call: Call): Promise<Answer> {
  for (let waited = 0; ; waited += LOCK_POLL) {
    try {
      return dispatch(serving.world, call);
    } catch (error) {
      if (!(error instanceof LockBusy) || waited >= LOCK_WAIT) return refusal(error);
      await serving.sleep(LOCK_POLL);
    }
  }
}

async function strikeBefore(serving: Serving, fault: Fault | undefined, path: string, response: ServerResponse): Promise<boolean> {
  switch (fault?.action) {
    case 'reset':
      response.socket?.destroy();
      return true;
    case 'status':
      send(response, fault.status ?? 500, fault.reason ?? 'injected', fault.body);
      return true;
    case 'node-down':
      if (!/^\/nodes\/[^/]+/.test(path)) return false;
      send(response, 595, 'No route to host', undefined);
      return true;
    case 'hold-before':
      await serving.faults.hold();
      return false;
    case 'late':
      await deliverLate(serving, fault.ms, response);
      return false;
    case 'delay':
      await new Promise((resolve) => setTimeout(resolve, fault.ms ?? 0));
      return false;
    default:
      return false;
  }
}

/** pveproxy gives up after 30 s; the request lies in the queue of pvedaemon, which executes whatever it reads. */
async function deliverLate(serving: Serving, ms: number | undefined, response: ServerResponse): Promise<void> {
  const delivered = ms === undefined ? serving.faults.hold() : serving.sleep(ms);
  const gaveUp = serving.sleep(PROXY_PATIENCE).then(() => true);
  if (await Promise.race([delivered.then(() => false), gaveUp])) send(response, 596, 'Connection timed out', undefined);
  await delivered;
}

async function strikeAfter(serving: Serving, fault: Fault | undefined, response: ServerResponse): Promise<boolean> {
  if (fault?.action === 'hold') await serving.faults.hold();
  if (fault?.action === 'reset-after') response.socket?.destroy();
  else if (fault?.action === '596-after') send(response, 596, 'Connection timed out', undefined);
  else return false;
  return true;
}

/**
 * The control interface for other processes: POST /simulator/faults (JSON list), GET /simulator/requests, POST /simulator/release,
 * POST /simulator/lock ({vmid, lock}), GET /simulator/held.
 */
async function handleControl(
  serving: Serving,
  method: string,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString('utf8');
  const json = (data: unknown) => send(response, 200, 'OK', JSON.stringify(data), 'application/json;charset=UTF-8');
  switch (`${method} ${path}`) {
    case 'POST /simulator/faults':
      serving.faults.add(...(JSON.parse(body) as Fault[]));
      return json(null);
    case 'DELETE /simulator/faults':
      serving.faults.clear();
      return json(null);
    case 'POST /simulator/release':
      serving.faults.release();
      return json(null);
    case 'POST /simulator/lock': {
      const { vmid, lock } = JSON.parse(body) as { vmid: number; lock?: string };
      serving.faults.lock(vmid, lock);
      return json(null);
    }
    case 'GET /simulator/requests':
      return json(serving.faults.requests());
    case 'GET /simulator/held':
      return json(serving.faults.held());
    default:
      return send(response, 404, 'Not Found', undefined);
  }
}

function extjs(answer: Answer): Answer {
  if (answer.status === 200) return { ...answer, body: { ...answer.body, success: 1 } };
  return { ...answer, status: 200, message: 'OK', body: { ...answer.body, success: 0, status: answer.status } };
}

function reply(response: ServerResponse, answer: Answer): void {
  if (answer.status === 595 || answer.status === 596) send(response, answer.status, answer.message, undefined);
  else send(response, answer.status, answer.message, JSON.stringify(answer.body), 'application/json;charset=UTF-8');
}

function send(response: ServerResponse, status: number, reason: string, body: string | undefined, contentType?: string): void {
  const headers: Record<string, string> = { 'Cache-Control': 'max-age=0', Pragma: 'no-cache', Server: 'pve-api-daemon/3.0' };
  if (contentType) headers['Content-Type'] = contentType;
  headers['Content-Length'] = String(Buffer.byteLength(body ?? ''));
  if (status >= 400) headers.Connection = 'close';
  // A status line holds no line breaks and nothing beyond Latin-1.
  response.writeHead(status, reason.replaceAll(/[^\x20-\x7e\xa0-\xff]/g, '?'), headers);
  response.end(body);
}
