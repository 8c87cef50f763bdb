import { setImmediate as nextTurn } from 'node:timers/promises';
import ky from 'ky';
import { Agent, type Dispatcher } from 'undici';
import { ProxmoxMcpError } from '../core/errors.ts';
import type { Method } from '../core/plan.ts';
import { form, urlFor, type WireParams } from './encode.ts';
import type { Reply } from './errors.ts';
import type { Failure } from './retry.ts';
import { ConnectFailure, type Endpoint, type TrustPolicy, trustedConnector } from './tls.ts';

/** Proxmox gives its own hops 30 s and then answers 596, which says more than our own abort. */
export const REQUEST_TIMEOUT_MS = 35_000;
/** Proxmox closes idle connections after 5 s; a request on a closing one would be lost. */
const KEEP_ALIVE_MS = 4000;
const CONNECTIONS_PER_ENDPOINT = 8;

export interface WireRequest {
  method: Method;
  path: string;
  params: WireParams;
}
export type Exchange = { reply: Reply & { date: string | null } } | { failure: Failure; reason: string };

export interface Transport {
  /** Sends one request once. Throws when its certificate is refused, or with the signal's reason when that is what ended it. */
  exchange(endpoint: Endpoint, request: WireRequest, signal?: AbortSignal): Promise<Exchange>;
  close(): Promise<void>;
}

/** The one place where requests leave. ky repeats nothing here, and redirects are not followed: both would send a change twice. */
export function createTransport(options: { policy: TrustPolicy; tokenId: string; tokenSecret: string; timeoutMs?: number }): Transport {
  const timeout = options.timeoutMs ?? REQUEST_TIMEOUT_MS;
  const agent = new Agent({
    connect: trustedConnector(options.policy),
    connections: CONNECTIONS_PER_ENDPOINT,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    headersTimeout: timeout,
    bodyTimeout: timeout,
  });
  const http = ky.create({
    retry: 0,
    throwHttpErrors: false,
    timeout,
    redirect: 'manual',
    headers: { 'user-agent': 'proxmox-mcp', authorization: `PVEAPIToken=${options.tokenId}=${options.tokenSecret}` },
    // The types know the dispatcher of Node's own undici, which is the same interface under another name.
    dispatcher: agent as Dispatcher as never,
  });

  return {
    async exchange(endpoint, { method, path, params }, signal) {
      const encoded = form(params);
      const inQuery = method === 'GET' || method === 'DELETE';
      const url = urlFor(endpoint, path, inQuery ? encoded : '');
      // A string body is sent with its length: Proxmox takes no chunks. An empty one too, so that the server does not wait.
      const content = inQuery ? {} : { body: encoded, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
      try {
        const response = await http(url, { method, ...content, ...(signal ? { signal } : {}) });
        const body = await response.text();
        // undici frees the connection one turn of the event loop later; asked sooner, it would open another one.
        await nextTurn();
        return { reply: { status: response.status, reason: response.statusText, body, date: response.headers.get('date') } };
      } catch (thrown) {
        const causes = causesOf(thrown);
        const refusal = causes.find((cause) => cause instanceof ProxmoxMcpError);
        if (refusal) throw refusal;
        const reason = plainReason(causes);
        if (causes.some((cause) => cause instanceof ConnectFailure)) return { failure: 'connect', reason };
        if (signal?.aborted && method === 'GET') throw signal.reason;
        return { failure: causes.some((cause) => cause.name === 'TimeoutError') ? 'timeout' : 'cut', reason };
      }
    },
    close: () => agent.destroy(),
  };
}

function causesOf(thrown: unknown): Error[] {
  const causes: Error[] = [];
  for (let one = thrown; one instanceof Error && causes.length < 8; one = one.cause) causes.push(one);
  return causes;
}

/** The innermost text: "connect ECONNREFUSED 192.0.2.1:8006" instead of "fetch failed". It never holds headers or a body. */
function plainReason(causes: Error[]): string {
  const inner = causes.at(-1);
  if (inner instanceof AggregateError) return inner.errors.map((one) => String((one as Error).message)).join(', ');
  return inner?.message ?? 'the connection failed';
}
