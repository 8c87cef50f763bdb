import { randomUUID } from 'node:crypto';
import {
  type AuthInfo,
  isInitializeRequest,
  legacyStatelessFallback,
  type McpServer,
  type McpServerFactory,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import type { Clock } from '../core/clock.ts';

const IDLE_MS = 30 * 60_000;
const MAX_SESSIONS = 1000;
const MAX_SESSIONS_PER_PRINCIPAL = 50;

interface Session {
  transport: WebStandardStreamableHTTPServerTransport;
  principal: string;
  usedAt: number;
}

/** Clients older than 2026-07-28: a session for those that keep one, each request by itself for those that do not. */
export interface Sessions {
  handle(request: Request, authInfo: AuthInfo | undefined): Promise<Response>;
  count(): number;
  close(): Promise<void>;
}

/** @param replica begins every session id, so that a load balancer can send a session to where it lives */
export function createSessions(factory: McpServerFactory, replica: string, clock: Clock): Sessions {
  const sessions = new Map<string, Session>();
  const stateless = legacyStatelessFallback(factory);

  /** Ends what nobody used for long; looked at whenever somebody comes. */
  function sweep(): void {
    const limit = clock.now() - IDLE_MS;
    for (const { usedAt, transport } of sessions.values()) if (usedAt < limit) void transport.close();
  }

  async function begin(request: Request, authInfo: AuthInfo | undefined): Promise<Response> {
    const principal = principalOf(authInfo);
    const mine = [...sessions.values()].filter((session) => session.principal === principal);
    if (mine.length >= MAX_SESSIONS_PER_PRINCIPAL || sessions.size >= MAX_SESSIONS) {
      return refuse(503, 'Too many sessions are open; end one with DELETE, or try again later.', { 'Retry-After': '60' });
    }
    const extra = authInfo ? { authInfo } : {};
    const server = (await factory({ era: 'legacy', requestInfo: request, ...extra })) as McpServer;
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => `${replica}-${randomUUID()}`,
      onsessioninitialized: (id) => void sessions.set(id, { transport, principal, usedAt: clock.now() }),
    });
    await server.connect(transport);
    const closed = transport.onclose;
    transport.onclose = () => {
      if (transport.sessionId !== undefined) sessions.delete(transport.sessionId);
      closed?.();
    };
    return transport.handleRequest(request, extra);
  }

  return {
    async handle(request, authInfo) {
      sweep();
      const id = request.headers.get('mcp-session-id');
      if (id !== null) {
        const session = sessions.get(id);
        // A session belongs to one principal; to everybody else it does not exist.
        if (!session || session.principal !== principalOf(authInfo)) return refuse(404, 'Session not found; initialize again.');
        session.usedAt = clock.now();
        return session.transport.handleRequest(request, authInfo ? { authInfo } : {});
      }
      if (request.method !== 'POST') return refuse(405, 'Without a session only POST is possible.', { Allow: 'POST' });
      const message = await request
        .clone()
        .json()
        .catch(() => undefined);
      return isInitializeRequest(message) ? begin(request, authInfo) : stateless(request, authInfo ? { authInfo } : {});
    },
    count: () => sessions.size,
    async close() {
      for (const { transport } of [...sessions.values()]) await transport.close();
    },
  };
}

function principalOf(authInfo: AuthInfo | undefined): string {
  return authInfo?.clientId ?? 'anonymous';
}

/** An answer to what is not (yet) a request of the protocol. */
export function refuse(status: number, message: string, headers: Record<string, string> = {}): Response {
  return Response.json({ jsonrpc: '2.0', id: null, error: { code: -32000, message } }, { status, headers });
}
