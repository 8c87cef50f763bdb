import {
  type AuthInfo,
  createMcpHandler,
  hostHeaderValidationResponse,
  isLegacyRequest,
  type McpServerFactory,
  originValidationResponse,
} from '@modelcontextprotocol/server';
import { Hono, type MiddlewareHandler } from 'hono';
import type { Clock } from '../core/clock.ts';
import { asError } from '../core/errors.ts';
import { clientAddress, type Networks } from './auth/addresses.ts';
import { resourceMetadata } from './auth/gate.ts';
import { identityOf } from './auth/identity.ts';
import { createRateLimit } from './http-limit.ts';
import { createSessions, refuse } from './http-sessions.ts';
import type { Gauge, Metrics } from './metrics.ts';

/** Bytes of a request; the largest arguments of any operation are a fraction of it. */
export const MAX_BODY_BYTES = 1024 * 1024;

export interface HttpOptions {
  factory: McpServerFactory;
  /** Who is calling; absent, or its answer undefined, where only this machine is served and nobody has to prove anything. */
  gate?: (request: Request, address: string) => Promise<AuthInfo | Response | undefined>;
  /** Names, without port, under which this server is reached; everything else is refused (DNS rebinding). */
  hosts: string[];
  /** Proxies whose X-Forwarded-For is believed. */
  isTrustedProxy: Networks;
  /** Publishes where tokens come from. */
  oauth?: { resource: URL; issuer: string };
  /** Rejects when calls cannot be served now. */
  ready: () => Promise<void>;
  metrics: Metrics;
  gauges: () => Promise<Gauge[]>;
  /** The page on which humans decide. */
  console?: { fetch(request: Request, address: string): Response | Promise<Response> };
  /** Requests per minute and principal. */
  perMinute: number;
  /** Begins session ids: letters, digits and dots. */
  replica: string;
  clock: Clock;
  onError: (error: Error) => void;
}

/** What the listener knows about a connection. */
export interface Connection {
  /** Address of the peer. */
  peer: string;
  /** Aborts when the answer is out, or nobody is there to get it. */
  gone: AbortSignal;
}

export interface HttpApp {
  fetch(request: Request, connection: Connection): Promise<Response>;
  /** Tells load balancers to look elsewhere; what is running goes on. */
  drain(): void;
  /** Ends sessions and open streams. */
  close(): Promise<void>;
}

/**
 * The HTTP face: MCP for both generations on /mcp (2026-07-28 without sessions, older ones with), health and metrics, and the console.
 * Everything here is about who may knock; what a call may do is decided behind `factory`.
 */
export function createHttpApp(options: HttpOptions): HttpApp {
  const { factory, clock, metrics } = options;
  const modern = createMcpHandler(factory, { legacy: 'reject', maxRequestBodySize: MAX_BODY_BYTES, onerror: options.onError });
  const sessions = createSessions(factory, options.replica, clock);
  const limit = createRateLimit(options.perMinute, clock);
  let draining = false;

  function addressOf(request: Request, { peer }: Connection): string {
    return clientAddress(peer, request.headers.get('x-forwarded-for'), options.isTrustedProxy);
  }

  /** The caller's identity (none where none is needed), or the refusal. */
  async function admit(request: Request, connection: Connection): Promise<AuthInfo | Response | undefined> {
    const address = addressOf(request, connection);
    const known = await options.gate?.(request, address);
    if (known instanceof Response) return known;
    const wait = limit(known?.clientId ?? address);
    if (wait === 0) return known;
    return refuse(429, `Too many requests: ${options.perMinute} per minute. Try again in ${wait} s.`, { 'Retry-After': String(wait) });
  }

  async function mcp(request: Request, connection: Connection): Promise<Response> {
    if (draining) return refuse(503, 'This server is ending; nothing was done, call again.', { 'Retry-After': '1', Connection: 'close' });
    const authInfo = await admit(request, connection);
    if (authInfo instanceof Response) return authInfo;
    if (await isLegacyRequest(request)) return sessions.handle(request, authInfo, connection.gone);
    return modern.fetch(request, authInfo ? { authInfo } : {});
  }

  const app = new Hono<{ Bindings: Connection }>();
  // Probes come by address, and say nothing that matters.
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
  // Prometheus asks replicas by an address of their own; whoever brings a token is no browser that was led here by a forged name.
  app.get('/metrics', async (c) => {
    const known = await admit(c.req.raw, c.env);
    if (known instanceof Response) return known;
    const refused = known === undefined && hostHeaderValidationResponse(c.req.raw, options.hosts);
    if (refused) return refused;
    if (identityOf(known)?.scope) return refuse(403, 'The figures are about all guests; this access token is limited to some of them.');
    const gauges = [...(await options.gauges()), { name: 'proxmox_mcp_sessions', value: sessions.count() } as const];
    return c.body(metrics.render(gauges), 200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
  });
  app.use(ownHostOnly(options.hosts));
  app.get('/.well-known/*', (c) => {
    const { oauth } = options;
    return (oauth && resourceMetadata(c.req.raw, oauth.resource, oauth.issuer)) ?? c.notFound();
  });
  if (options.console) {
    const page = options.console;
    const show = (request: Request, connection: Connection) => page.fetch(request, addressOf(request, connection));
    app.all('/console', (c) => show(c.req.raw, c.env));
    app.all('/console/*', (c) => show(c.req.raw, c.env));
  }
  app.use('/mcp', ownOriginOnly(options.hosts));
  app.all('/mcp', async (c) => {
    const response = await mcp(c.req.raw, c.env);
    metrics.count('proxmox_mcp_http_requests_total', { status: String(response.status) });
    return response;
  });
  app.notFound((c) => c.json({ error: { code: 'not_found', message: 'There is nothing here; MCP is served on /mcp.' } }, 404));
  app.onError((error, c) => {
    options.onError(error);
    return c.json({ error: { code: 'internal', message: 'Something went wrong inside the server.' } }, 500);
  });

  return {
    fetch: async (request, connection) => app.fetch(request, connection),
    drain() {
      draining = true;
    },
    async close() {
      await sessions.close();
      await modern.close();
    },
  };
}

function ownHostOnly(hosts: string[]): MiddlewareHandler {
  return async (c, next) => {
    const refused = hostHeaderValidationResponse(c.req.raw, hosts);
    if (refused) return refused;
    await next();
  };
}

/** Browsers say where a request comes from; agents send no Origin. */
function ownOriginOnly(hosts: string[]): MiddlewareHandler {
  return async (c, next) => {
    const refused = originValidationResponse(c.req.raw, hosts);
    if (refused) return refused;
    await next();
  };
}
