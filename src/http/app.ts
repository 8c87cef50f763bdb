import {
  type AuthInfo,
  createMcpHandler,
  isLegacyRequest,
  type McpServerFactory,
  PROTOCOL_VERSION_META_KEY,
  type ServerEvent,
} from '@modelcontextprotocol/server';
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import type { ConsoleApp } from '../console/app.ts';
import type { Clock } from '../core/clock.ts';
import { defined } from '../core/defined.ts';
import { asError } from '../core/errors/errors.ts';
import type { Networks } from '../core/network.ts';
import { isObject } from '../core/text/json.ts';
import { createTokenBuckets } from '../core/token-bucket.ts';
import { identityOf } from '../mcp/identity.ts';
import type { ChangeFeed } from '../mcp/resources/changes.ts';
import { clientAddress } from './auth/addresses.ts';
import { resourceMetadata } from './auth/gate.ts';
import { withJson } from './body.ts';
import { askedHosts, createHostCheck, ownOriginOnly } from './hosts.ts';
import { MAX_BODY_BYTES } from './incoming.ts';
import type { App, Connection } from './listen.ts';
import type { Gauge, Metrics } from './metrics.ts';
import { createSessions, refuse } from './sessions.ts';

/** How often (ms) the token of an open stream is checked again. */
const RECHECK_MS = 30_000;

interface HttpOptions {
  factory: McpServerFactory;
  changes: ChangeFeed;
  /** The authenticated caller, or the refusal; undefined where only this machine is served without authentication. */
  gate: (request: Request, address: string) => Promise<AuthInfo | Response | undefined>;
  /** Names, without port, under which this server is reached; everything else is refused (DNS rebinding). */
  hosts: string[];
  /** Proxies whose X-Forwarded-For and X-Forwarded-Host are believed. */
  isTrustedProxy: Networks;
  /** The authorization server that issues tokens, for the published document. */
  oauth?: { resource: URL; issuer: string };
  /** Rejects when calls cannot be served now. */
  ready: () => Promise<void>;
  metrics: Metrics;
  gauges: () => Promise<Gauge[]>;
  /** The page on which humans decide. */
  console?: Pick<ConsoleApp, 'fetch'>;
  /** Requests per minute and principal. */
  perMinute: number;
  /** Begins session ids: letters, digits and dots. */
  replica: string;
  clock: Clock;
  onError: (error: Error) => void;
}

export interface HttpApp extends App {
  /** Tells load balancers to use another replica; calls in progress continue. */
  drain(): void;
  /** Ends sessions and open streams. */
  close(): Promise<void>;
}

/**
 * The HTTP transport: MCP for both generations on /mcp (2026-07-28 without sessions, older ones with), health and metrics, and the console.
 * This layer authenticates callers; `factory` decides what a call may do.
 */
export function createHttpApp(options: HttpOptions): HttpApp {
  const { factory, changes, clock, metrics } = options;
  // Each open stream subscribes for itself; the SDK passes on what its client subscribed to.
  const bus = {
    publish() {},
    subscribe: (listener: (event: ServerEvent) => void) => changes.listen((uri) => listener({ kind: 'resource_updated', uri })),
  };
  const modern = createMcpHandler(factory, { legacy: 'reject', maxRequestBodySize: MAX_BODY_BYTES, onerror: options.onError, bus });
  const sessions = createSessions(factory, options.replica, clock);
  const limit = createTokenBuckets({ size: options.perMinute, perSecond: options.perMinute / 60 }, clock);
  const hostRefusal = createHostCheck(options.hosts, options.isTrustedProxy);
  let draining = false;

  function addressOf(request: Request, { peer }: Connection): string {
    return clientAddress(peer, request.headers.get('x-forwarded-for'), options.isTrustedProxy);
  }

  function consoleVisit(request: Request, connection: Connection): { peer: string; host?: string } {
    const [host] = askedHosts(request, connection.peer, options.isTrustedProxy);
    return { peer: addressOf(request, connection), ...(host === null ? {} : { host }) };
  }

  /** The caller's identity (none where none is needed), or the refusal. */
  async function admit(request: Request, connection: Connection): Promise<AuthInfo | Response | undefined> {
    const address = addressOf(request, connection);
    const known = await options.gate(request, address);
    return known instanceof Response ? known : (excess(known?.clientId ?? address, 1) ?? known);
  }

  /** The refusal of a caller who has sent too many requests. */
  function excess(caller: string, requests: number): Response | undefined {
    let wait = 0;
    for (let n = 0; n < requests && wait === 0; n++) wait = Math.ceil(limit(caller));
    if (wait === 0) return undefined;
    return refuse(429, `Too many requests: ${options.perMinute} per minute. Try again in ${wait} s.`, { 'Retry-After': String(wait) });
  }

  async function mcp(given: Request, connection: Connection): Promise<Response> {
    if (draining) return refuse(503, 'Shutting down. Nothing was done. Retry the call.', { 'Retry-After': '1', Connection: 'close' });
    const authInfo = await admit(given, connection);
    if (authInfo instanceof Response) return authInfo;
    const { request, body } = await withJson(given);
    // Each message of a batch, which revision 2025-03-26 has, is a request.
    const more = Array.isArray(body) ? excess(authInfo?.clientId ?? addressOf(given, connection), body.length - 1) : undefined;
    if (more) return more;
    if (isStream(given.method, body)) guard(given, connection);
    if (!callsTool(body) && (await isLegacyRequest(request, body)))
      return sessions.handle({ request, authInfo, gone: connection.gone, parsedBody: body });
    return modern.fetch(request, defined({ authInfo, parsedBody: body }));
  }

  /** Ends a stream of changes soon after its token has expired or was revoked. The answer to a call that was admitted is not cut. */
  function guard(request: Request, connection: Connection): void {
    if (connection.gone.aborted) return;
    const address = addressOf(request, connection);
    const timer = setInterval(async () => {
      const known = await options.gate(request, address).catch(() => undefined);
      if (known instanceof Response && known.status === 401) connection.cut();
    }, RECHECK_MS);
    timer.unref();
    connection.gone.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  const app = new Hono<{ Bindings: Connection }>();
  // Probes come by address, and their answers hold nothing private.
  app.get('/healthz', (c) => c.json({ ok: true }));
  app.get('/readyz', async (c) => {
    if (draining) return c.json({ ok: false, reason: 'ending' }, 503);
    try {
      await options.ready();
      return c.json({ ok: true });
    } catch (error) {
      return c.json({ ok: false, reason: asError(error).code }, 503);
    }
  });
  // Prometheus reads each replica by its own address. A client with a token is not a browser that a forged name led here.
  app.get('/metrics', async (c) => {
    const known = await admit(c.req.raw, c.env);
    if (known instanceof Response) return known;
    const refused = known === undefined && hostRefusal(c.req.raw, c.env.peer);
    if (refused) return refused;
    if (identityOf(known)?.scope) return refuse(403, 'The metrics cover all guests, but this access token is limited to some of them.');
    const gauges = [...(await options.gauges()), { name: 'proxmox_mcp_sessions', value: sessions.count() } as const];
    return c.body(metrics.render(gauges), 200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
  });
  app.use(async (c, next) => hostRefusal(c.req.raw, c.env.peer) ?? (await next()));
  // Open to every page, also to the SDK's, which asks with a header of the protocol and so with a preflight.
  app.use('/.well-known/*', cors({ origin: '*', allowMethods: ['GET'], allowHeaders: ['Mcp-Protocol-Version'] }));
  app.get('/.well-known/*', (c) => {
    const document = options.oauth && resourceMetadata(c.req.path, options.oauth);
    return document ? c.json(document, 200, { 'Cache-Control': 'public, max-age=3600' }) : c.notFound();
  });
  if (options.console) {
    const page = options.console;
    app.all('/console/*', (c) => page.fetch(c.req.raw, consoleVisit(c.req.raw, c.env)));
  }
  app.use('/mcp', ...ownOriginOnly(options.hosts));
  app.all('/mcp', async (c) => {
    const response = await mcp(c.req.raw, c.env);
    metrics.count('proxmox_mcp_http_requests_total', { status: String(response.status) });
    return response;
  });
  app.notFound((c) => c.json({ error: { code: 'not_found', message: notFoundMessage(c.req.path, options.oauth) } }, 404));
  app.onError((error, c) => {
    options.onError(error);
    return c.json({ error: { code: 'internal', message: 'The server failed. The operator finds the reason in its log.' } }, 500);
  });

  return {
    fetch: app.fetch,
    drain() {
      draining = true;
    },
    async close() {
      await sessions.close();
      await modern.close();
    },
  };
}

/**
 * Whether a body is a call of a tool that names its revision, as older clients never do: the SDK would find the same, by reading the whole message
 * once more.
 */
function callsTool(body: unknown): boolean {
  if (!isObject(body) || body.method !== 'tools/call' || !isObject(body.params)) return false;
  const { _meta: meta } = body.params;
  return isObject(meta) && meta[PROTOCOL_VERSION_META_KEY] !== undefined;
}

/** Whether a request opens a stream of changes, which has no end of its own. */
function isStream(method: string, body: unknown): boolean {
  return method === 'GET' || (isObject(body) && body.method === 'subscriptions/listen');
}

/** Clients look for an authorization server on these paths; this server only checks tokens. */
function notFoundMessage(path: string, oauth: HttpOptions['oauth']): string {
  if (!/^\/(register|authorize|token)$|^\/\.well-known\/(oauth-|openid-)/.test(path)) return 'Not found. The MCP endpoint is /mcp.';
  if (oauth)
    return `This server issues no tokens. Ask ${oauth.issuer}, which /.well-known/oauth-protected-resource names, and send an access token.`;
  return 'This server has no OAuth. Send an access token made with `proxmox-mcp tokens add`: Authorization: Bearer TOKEN.';
}
