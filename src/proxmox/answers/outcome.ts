import { ProxmoxMcpError } from '../../core/errors/errors.ts';
import type { Json } from '../../core/text/json.ts';
import { numberOf } from '../../core/text/sizes.ts';
import { isGatewayStatus, isProxys } from '../transport/gateway.ts';
import type { Failure } from '../transport/retry.ts';
import type { Exchange, WireRequest } from '../transport/transport.ts';
import { type Reply, refusalOf } from './errors.ts';
import { createLastWords } from './last-words.ts';
import { shaped } from './shape.ts';

/** The result of one attempt of a request. A refusal beside a failure says more. */
export interface Outcome {
  /** `gateway`: pveproxy answered, and what is behind it did not. */
  failure?: { kind: Failure; reason: string; gateway?: true };
  refusal?: ProxmoxMcpError;
  data?: Json;
  total?: number | undefined;
}

/** Long lists that several parts of one call, and several calls at once, ask for. */
export const LISTS = new Set(['/cluster/resources', '/nodes']);
/** Answers that each call about a guest reads, and that stay the same until the guest is changed. */
const IS_CONFIGURATION = /^\/nodes\/[^/]+\/(?:qemu|lxc)\/\d+\/(?:pending|snapshot)$/;

/** Names the question that a read asks. */
export const questionOf = (path: string, params: WireRequest['params'] = {}): string => `${path} ${JSON.stringify(params)}`;

/**
 * Reads the exchanges of one connection; equal answers become the very same object.
 * @param tokenId `user@realm!name`, for the words of a refusal
 */
export function createOutcomes(tokenId: string): (request: WireRequest, exchange: Exchange) => Outcome {
  const lastWords = createLastWords();

  /** @throws proxmox_refused when a read is not answered as the API does */
  function said({ method, path, params }: WireRequest, body: string): Outcome {
    if (method !== 'GET') return content(body, method);
    const parse = () => {
      const { refusal, data, total } = content(body, method);
      if (refusal) throw refusal;
      return { data: shaped(path, data) as Json, total };
    };
    return LISTS.has(path) || IS_CONFIGURATION.test(path) ? lastWords.read(questionOf(path, params), body, parse) : parse();
  }

  function refused(request: WireRequest, reply: Reply): Outcome {
    const reason = `${reply.status} ${reply.reason}`.trim();
    // Proxmox redirects no change. A proxy in between answered, and its answer does not tell whether the request went on.
    if (reply.status < 400 && request.method !== 'GET') return { failure: { kind: 'lost', reason } };
    if (isGatewayStatus(reply.status)) return { failure: { kind: reply.status === 595 ? 'no-route' : 'lost', reason, gateway: true } };
    if (reply.status > 599 || isProxys(reply)) return { failure: { kind: 'lost', reason } };
    const { error, meaning } = refusalOf(reply, { ...request, tokenId });
    if (meaning?.retry) return { failure: { kind: 'lock', reason }, refusal: error };
    if (meaning?.unknown && request.method !== 'GET') return { failure: { kind: 'lost', reason }, refusal: error };
    return { refusal: error };
  }

  return (request, exchange) => {
    if ('failure' in exchange) return { failure: { kind: exchange.failure, reason: exchange.reason } };
    const { reply } = exchange;
    return reply.status >= 200 && reply.status < 300 ? said(request, reply.body) : refused(request, reply);
  };
}

function content(body: string, method: WireRequest['method']): Outcome {
  try {
    const { data = null, total } = JSON.parse(body) as { data?: Json; total?: number | string };
    return { data, total: numberOf(total) };
  } catch (cause) {
    // A server answered the change, but not in Proxmox's words.
    if (method !== 'GET') return { failure: { kind: 'lost', reason: 'the answer is not one of the Proxmox API' } };
    const error = new ProxmoxMcpError('proxmox_refused', 'The server answered, but not as the Proxmox API does.', {
      hint: 'Check that PROXMOX_HOST and PROXMOX_PORT name a Proxmox VE node.',
      cause,
    });
    return { refusal: error };
  }
}
