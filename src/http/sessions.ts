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
import { defined } from '../core/defined.ts';

const IDLE_MS = 30 * 60_000;
/** Most clients leave without a DELETE. A session without a connection for so long ends when its owner needs another. */
const ABANDONED_MS = 60_000;
const MAX_SESSIONS = 1000;
const MAX_SESSIONS_PER_PRINCIPAL = 50;

interface Session {
  transport: WebStandardStreamableHTTPServerTransport;
  principal: string;
  usedAt: number;
  /** Requests and streams that have not ended. */
  open: number;
}

interface Asked {
  request: Request;
  authInfo: AuthInfo | undefined;
  /** Aborts when the connection of this request has ended, one way or the other. */
  gone: AbortSignal;
  /** The JSON of the request's body; undefined where there is none. */
  parsedBody: unknown;
}

/**
 * Serves clients older than 2026-07-28: a session for those that keep one, each request by itself for those that do not.
 * @param replica begins every session id, so that a load balancer can send a session to where it lives
 */
export function createSessions(factory: McpServerFactory, replica: string, clock: Clock) {
  const sessions = new Map<string, Session>();
  const stateless = legacyStatelessFallback(factory);

  function end(id: string): void {
    const session = sessions.get(id);
    sessions.delete(id);
    void session?.transport.close();
  }

  /** Ends sessions that have been without a connection for long; checked at every request. Many clients do not begin again after that. */
  function sweep(): void {
    const limit = clock.now() - IDLE_MS;
    for (const [id, { usedAt, open }] of sessions) if (open === 0 && usedAt < limit) end(id);
  }

  /** Whether one more session may begin. Where the limit is reached, the session that was abandoned first ends for it. */
  function makeRoom(principal: string): boolean {
    const mine = [...sessions].filter(([, session]) => session.principal === principal);
    if (mine.length < MAX_SESSIONS_PER_PRINCIPAL && sessions.size < MAX_SESSIONS) return true;
    const limit = clock.now() - ABANDONED_MS;
    const [oldest] = mine.filter(([, { open, usedAt }]) => open === 0 && usedAt < limit).sort(([, a], [, b]) => a.usedAt - b.usedAt);
    if (oldest === undefined) return false;
    end(oldest[0]);
    return true;
  }

  function serve(session: Session, { request, authInfo, gone, parsedBody }: Asked): Promise<Response> {
    session.usedAt = clock.now();
    session.open += 1;
    const ended = () => {
      session.usedAt = clock.now();
      session.open -= 1;
    };
    // A client may have left while its request was admitted.
    if (gone.aborted) ended();
    else gone.addEventListener('abort', ended, { once: true });
    return session.transport.handleRequest(request, defined({ authInfo, parsedBody }));
  }

  async function begin(asked: Asked): Promise<Response> {
    const { request, authInfo } = asked;
    const principal = principalOf(authInfo);
    if (!makeRoom(principal)) {
      return refuse(503, 'Too many sessions are open. End one with DELETE, or retry later.', { 'Retry-After': '60' });
    }
    const id = `${replica}-${randomUUID()}`;
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => id });
    const session = { transport, principal, usedAt: clock.now(), open: 0 };
    // Counted before the first wait: otherwise many that begin at once would pass the limit together.
    sessions.set(id, session);
    try {
      const server = (await factory({ era: 'legacy', requestInfo: request, ...defined({ authInfo }) })) as McpServer;
      await server.connect(transport);
      const closed = transport.onclose;
      transport.onclose = () => {
        sessions.delete(id);
        closed?.();
      };
      return await serve(session, asked);
    } finally {
      if (transport.sessionId === undefined) end(id);
    }
  }

  return {
    async handle(asked: Asked): Promise<Response> {
      const { request, authInfo, parsedBody } = asked;
      sweep();
      const id = request.headers.get('mcp-session-id');
      const session = id === null ? undefined : sessions.get(id);
      // A session belongs to one principal; for every other one it does not exist.
      if (session?.principal === principalOf(authInfo)) return serve(session, asked);
      // A client that initializes again keeps sending the id of the session that has ended.
      if (isInitializeRequest(parsedBody)) return begin(asked);
      if (id !== null) return refuse(404, 'The session does not exist. Initialize again.');
      if (request.method !== 'POST') return refuse(405, 'Without a session only POST is possible.', { Allow: 'POST' });
      return stateless(request, defined({ authInfo, parsedBody }));
    },
    count: (): number => sessions.size,
    async close(): Promise<void> {
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
