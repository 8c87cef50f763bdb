import https from 'node:https';
import { ProxmoxMcpError } from '../../core/errors/errors.ts';
import { withoutZone } from '../../core/network.ts';
import type { Method } from '../../core/plan/plan.ts';
import type { Reply } from '../answers/errors.ts';
import { form, isPlainPath, urlFor, type WireParams } from '../guest/encode.ts';
import type { TrustPolicy } from '../trust/certificate.ts';
import { ConnectFailure, connectReason, type Endpoint, trustedConnector } from '../trust/tls.ts';
import { answerOf, bodyOf, headerOf, reasonOf, TooLarge } from './answer.ts';
import { createConnections } from './connections.ts';
import { garbledReason } from './garbled.ts';
import { limitPerKey } from './limit.ts';
import type { Failure } from './retry.ts';

/** For the whole exchange, the body included. Proxmox gives its own hops 30 s and then answers 596, which says more than our own abort. */
export const REQUEST_TIMEOUT_MS = 35_000;
/** A change in the queue of a busy node gets a good answer even later: after 37 s on Proxmox VE 9.2. */
export const CHANGE_TIMEOUT_MS = 60_000;
const CONNECTIONS_PER_ENDPOINT = 8;
/** Slow answers to reads leave the other connections to the polls of running tasks. */
const READS_PER_ENDPOINT = 6;

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

/** The one place where requests leave. Node's client repeats nothing and follows no redirect: both would send a change twice. */
export function createTransport(options: { policy: TrustPolicy; tokenId: string; tokenSecret: string; timeoutMs?: number }): Transport {
  const timeoutOf = (method: Method) => options.timeoutMs ?? (method === 'GET' ? REQUEST_TIMEOUT_MS : CHANGE_TIMEOUT_MS);
  /** Interfaces of link-local endpoints, by the address that is in the URL. */
  const zoned = new Map<string, string>();
  /** Endpoints as a parser of URLs reads them, which takes longer than the rest of an address. */
  const hosts = new Map<string, string>();
  let closed = false;
  const connector = trustedConnector(options.policy, (host) => zoned.get(host) ?? host);
  const connections = createConnections(connector);
  const connected = limitPerKey(CONNECTIONS_PER_ENDPOINT);
  const inTurn = limitPerKey(READS_PER_ENDPOINT);
  const headers = {
    'user-agent': 'proxmox-mcp',
    'accept-encoding': 'gzip',
    authorization: `PVEAPIToken=${options.tokenId}=${options.tokenSecret}`,
  };
  const changing = { ...headers, 'content-type': 'application/x-www-form-urlencoded' };
  const headersOf: Record<Method, Record<string, string>> = {
    GET: { ...headers, connection: 'keep-alive' },
    DELETE: headers,
    POST: changing,
    PUT: changing,
  };

  /** The parts of an address as node:https takes them. A path that a parser of URLs could change goes through it, which refuses the change. */
  function addressOf(endpoint: Endpoint, path: string, query: string): https.RequestOptions {
    const { host, port } = endpoint;
    const known = hosts.get(host);
    if (known !== undefined && isPlainPath(path)) return { host: known, port, path: `/api2/json${path}${query === '' ? '' : `?${query}`}` };
    const { hostname, pathname, search } = urlFor(endpoint, path, query);
    hosts.set(host, hostname.replace(/^\[(.*)\]$/, '$1'));
    return { host: hosts.get(host), port, path: pathname + search };
  }

  async function once(endpoint: Endpoint, { method, path, params }: WireRequest, signal?: AbortSignal): Promise<Exchange> {
    const encoded = form(params);
    const inQuery = method === 'GET' || method === 'DELETE';
    const query = inQuery ? encoded : '';
    if (endpoint.host.includes('%')) zoned.set(withoutZone(endpoint.host), endpoint.host);
    if (closed) return { failure: 'connect', reason: 'the client was closed' };
    // It may have waited for its turn; Node would end an idle connection that it never used.
    if (method === 'GET') signal?.throwIfAborted();
    const { host, port, path: target } = addressOf(endpoint, path, query);
    const sent = {
      ...{ host, port, path: target, method, protocol: 'https:', defaultPort: 443, headers: headersOf[method] },
      // A change never uses an idle connection: if that breaks, the outcome is unknown. A connection that cannot be made proves that nothing was sent.
      createConnection: method === 'GET' ? connections.kept : connections.fresh,
    };
    const request = https.request(signal ? { ...sent, signal } : sent);
    // A signal with a time-out would stay in memory until its time is over, and with it each exchange of the last minute.
    let late = false;
    const deadline = setTimeout(() => {
      late = true;
      request.destroy(new Error('no answer in time'));
    }, timeoutOf(method));
    try {
      // A body that is given whole is sent with its length: Proxmox takes no chunks. An empty one too, so that the server does not wait.
      if (inQuery) request.end();
      else request.end(encoded);
      const response = await answerOf(request);
      connections.heed(response);
      const body = await bodyOf(response);
      return { reply: { status: response.statusCode ?? 0, reason: reasonOf(response), body, date: headerOf(response, 'date') ?? null } };
    } catch (thrown) {
      request.destroy();
      const causes = causesOf(thrown);
      const refusal = causes.find((cause) => cause instanceof ProxmoxMcpError);
      if (refusal) throw refusal;
      const reason = plainReason(causes);
      if (causes.some((cause) => cause instanceof ConnectFailure)) return { failure: 'connect', reason };
      if (signal?.aborted && method === 'GET') throw signal.reason;
      const unusable = causes.find((cause) => cause instanceof TooLarge)?.message ?? garbledReason(causes);
      if (unusable !== undefined) {
        if (method !== 'GET') return { failure: 'lost', reason: unusable };
        throw new ProxmoxMcpError('proxmox_refused', `GET ${path}: ${unusable}.`, {
          hint: 'Check that PROXMOX_HOST names a Proxmox VE node.',
        });
      }
      return late ? { failure: 'timeout', reason: `${reason} (timeout)` } : { failure: 'cut', reason };
    } finally {
      clearTimeout(deadline);
    }
  }

  return {
    exchange: (endpoint, request, signal) => {
      const key = `${endpoint.host}:${endpoint.port}`;
      const exchanged = () => connected(`${request.method === 'GET'} ${key}`, () => once(endpoint, request, signal));
      return request.method === 'GET' && !isPoll(request.path) ? inTurn(key, exchanged) : exchanged();
    },
    close: async () => {
      closed = true;
      connector.close();
      connections.close();
    },
  };
}

function isPoll(path: string): boolean {
  return /^\/nodes\/[^/]+\/tasks\//.test(path);
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
  return (inner && connectReason(inner)) || 'the connection failed';
}
