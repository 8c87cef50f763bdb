import { setImmediate as nextTurn } from 'node:timers/promises';
import ky from 'ky';
import { Agent, type Dispatcher } from 'undici';
import { ProxmoxMcpError } from '../../core/errors.ts';
import { withoutZone } from '../../core/network.ts';
import type { Method } from '../../core/plan.ts';
import { form, urlFor, type WireParams } from '../encode.ts';
import type { Reply } from '../errors.ts';
import { ConnectFailure, type Endpoint, type TrustPolicy, trustedConnector } from '../trust/tls.ts';
import { garbledReason } from './garbled.ts';
import { limitPerKey } from './limit.ts';
import type { Failure } from './retry.ts';

/** For the whole exchange, the body included. Proxmox gives its own hops 30 s and then answers 596, which says more than our own abort. */
export const REQUEST_TIMEOUT_MS = 35_000;
/** A change that waits in the queue of a busy node gets a good answer later than that: 37 s were seen on Proxmox VE 9.2. */
export const CHANGE_TIMEOUT_MS = 60_000;
/** Proxmox closes idle connections after 5 s; a request on a closing one would be lost. */
const KEEP_ALIVE_MS = 4000;
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

/** The one place where requests leave. ky repeats nothing here, and redirects are not followed: both would send a change twice. */
export function createTransport(options: { policy: TrustPolicy; tokenId: string; tokenSecret: string; timeoutMs?: number }): Transport {
  const timeoutOf = (method: Method) => options.timeoutMs ?? (method === 'GET' ? REQUEST_TIMEOUT_MS : CHANGE_TIMEOUT_MS);
  /** Interfaces of link-local endpoints, by the address that is in the URL. */
  const zoned = new Map<string, string>();
  const common = {
    connect: trustedConnector(options.policy, (host) => zoned.get(host) ?? host),
    connections: CONNECTIONS_PER_ENDPOINT,
  };
  const reads = new Agent({
    ...common,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    headersTimeout: timeoutOf('GET'),
    bodyTimeout: timeoutOf('GET'),
  });
  // A change never uses an idle connection: if that breaks, the outcome is unknown. A connection that cannot be made proves that nothing was sent.
  const changes = new Agent({ ...common, pipelining: 0, headersTimeout: timeoutOf('POST'), bodyTimeout: timeoutOf('POST') });
  const inTurn = limitPerKey(READS_PER_ENDPOINT);
  const http = ky.create({
    retry: 0,
    throwHttpErrors: false,
    timeout: false,
    redirect: 'manual',
    headers: { 'user-agent': 'proxmox-mcp', authorization: `PVEAPIToken=${options.tokenId}=${options.tokenSecret}` },
  });

  async function once(endpoint: Endpoint, { method, path, params }: WireRequest, signal?: AbortSignal): Promise<Exchange> {
    const encoded = form(params);
    const inQuery = method === 'GET' || method === 'DELETE';
    const url = urlFor(endpoint, path, inQuery ? encoded : '');
    if (endpoint.host.includes('%')) zoned.set(withoutZone(endpoint.host), endpoint.host);
    // A string body is sent with its length: Proxmox takes no chunks. An empty one too, so that the server does not wait.
    const content = inQuery ? {} : { body: encoded, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const deadline = AbortSignal.timeout(timeoutOf(method));
    try {
      // The types know the dispatcher of Node's own undici, which is the same interface under another name.
      const dispatcher = (method === 'GET' ? reads : changes) as Dispatcher as never;
      const response = await http(url, {
        method,
        dispatcher,
        ...content,
        signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      });
      const body = await bodyOf(response);
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
      const unusable = causes.find((cause) => cause instanceof TooLarge)?.message ?? garbledReason(causes);
      if (unusable !== undefined) {
        if (method !== 'GET') return { failure: 'lost', reason: unusable };
        throw new ProxmoxMcpError('proxmox_refused', `GET ${path}: ${unusable}.`, {
          hint: 'Check that PROXMOX_HOST names a Proxmox VE node.',
        });
      }
      return { failure: causes.some((cause) => cause.name === 'TimeoutError') ? 'timeout' : 'cut', reason };
    }
  }

  return {
    exchange: (endpoint, request, signal) =>
      request.method === 'GET' && !isPoll(request.path)
        ? inTurn(`${endpoint.host}:${endpoint.port}`, () => once(endpoint, request, signal))
        : once(endpoint, request, signal),
    close: async () => {
      await Promise.all([reads.destroy(), changes.destroy()]);
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
  return inner?.message || 'the connection failed';
}

/** Far above the largest genuine answer: 10,000 guests take 5 MiB. Decoded bytes, so that a small packed body cannot grow without end. */
const MOST_BYTES = 32 * 2 ** 20;

class TooLarge extends Error {
  constructor() {
    super(`the answer is larger than ${MOST_BYTES / 2 ** 20} MiB`);
  }
}

/** The decoded body as text. @throws TooLarge, with the connection closed */
async function bodyOf(response: Response): Promise<string> {
  if (!response.body) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > MOST_BYTES) throw new TooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
