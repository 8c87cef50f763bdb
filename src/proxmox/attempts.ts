import type { Clock } from '../core/clock.ts';
import { fail, ProxmoxMcpError } from '../core/errors/errors.ts';
import type { Log } from '../core/log.ts';
import type { ConnectionSettings } from '../core/settings/settings.ts';
import { isTracing } from '../core/trace.ts';
import { createOutcomes, type Outcome } from './answers/outcome.ts';
import { nodeOf } from './guest/encode.ts';
import { gatewayError, proxyHint } from './transport/gateway.ts';
import { budget, type Failure, RETRY } from './transport/retry.ts';
import { tracedExchange } from './transport/traced.ts';
import type { Transport, WireRequest } from './transport/transport.ts';
import type { Endpoint } from './trust/tls.ts';

/** Sees each attempt of every request. */
export type OnRequest = (method: WireRequest['method'], path: string, params: WireRequest['params']) => void;

interface Attempts {
  /** One attempt. */
  once(endpoint: Endpoint, request: WireRequest, signal?: AbortSignal): Promise<Outcome>;
  /**
   * Tries as often, and where, the retry table allows; the last outcome counts.
   * @param still called before every attempt; throws when the sender has lost the right to send
   */
  persist(request: WireRequest, signal?: AbortSignal, still?: () => Promise<void>): Promise<Outcome>;
  /** The data of a read. @throws the refusal, or `unreachable` */
  dataOf(outcome: Outcome, path: string): unknown;
  /** @param consequence what became of the request, in a sentence */
  unreachable(failure: NonNullable<Outcome['failure']>, path: string, consequence: string): ProxmoxMcpError;
  /** Milliseconds that the cluster's clock is ahead of ours, by its newest answer. */
  clockAhead(): number;
}

/** The attempts of the requests to one cluster. The endpoint that answered last is asked first. */
export function createAttempts(
  { endpoints, tokenId }: Pick<ConnectionSettings, 'endpoints' | 'tokenId'>,
  transport: Transport,
  { clock, log, onRequest }: { clock: Clock; log: Log; onRequest?: OnRequest },
): Attempts {
  const outcomeOf = createOutcomes(tokenId);
  let preferred = 0;
  let clockAhead = 0;
  let lastDate = '';

  async function once(endpoint: Endpoint, request: WireRequest, signal?: AbortSignal): Promise<Outcome> {
    onRequest?.(request.method, request.path, request.params);
    log.debug({ method: request.method, path: request.path, host: endpoint.host }, 'request');
    const exchanged = () => transport.exchange(endpoint, request, signal);
    const exchange = await (isTracing() ? tracedExchange(endpoint, request, exchanged) : exchanged());
    if ('reply' in exchange) noteDate(exchange.reply.date);
    return outcomeOf(request, exchange);
  }

  /** The first answer of a second gives the cluster's time best, so later ones of that second are not read. */
  function noteDate(text: string | null): void {
    if (text === null || text === lastDate) return;
    lastDate = text;
    const date = Date.parse(text);
    if (!Number.isNaN(date)) clockAhead = date - clock.now();
  }

  function endpointAt(place: number): Endpoint {
    return endpoints[place] ?? fail('missing_credentials', 'No endpoint of the cluster is configured: PROXMOX_HOST is missing.');
  }

  function unreachable(failure: { reason: string; gateway?: true }, path: string, consequence: string): ProxmoxMcpError {
    const { reason, gateway } = failure;
    const where = endpoints.map(({ host, port }) => `${host}:${port}`).join(', ');
    if (gateway) return gatewayError(reason, nodeOf(path), where, consequence);
    return new ProxmoxMcpError('unreachable', `The request to Proxmox (${where}) failed: ${reason}. ${consequence}`, {
      ...proxyHint(endpoints),
      details: { reason },
    });
  }

  return {
    once,
    async persist(request, signal, still) {
      const rules = request.method === 'GET' ? RETRY.read : RETRY.mutation;
      const met: Partial<Record<Failure, number>> = {};
      for (let attempts = 1; ; attempts++) {
        const place = preferred;
        if (still) await still();
        const outcome = await once(endpointAt(place), request, signal);
        if (!outcome.failure) return outcome;
        const rule = rules[outcome.failure.kind];
        const times = met[outcome.failure.kind] ?? 0;
        // Every endpoint gets its chance, and with several of them there is nothing to wait for before the next.
        const delay = rule?.elsewhere && endpoints.length > 1 && times < endpoints.length - 1 ? 0 : rule?.delays[times];
        if (!rule || delay === undefined || attempts >= budget(endpoints.length)) return outcome;
        met[outcome.failure.kind] = times + 1;
        if (rule.elsewhere && preferred === place) preferred = (place + 1) % endpoints.length;
        log.info({ method: request.method, path: request.path, reason: outcome.failure.reason }, 'retrying');
        if (delay > 0) await clock.sleep(delay, signal);
      }
    },
    dataOf(outcome, path) {
      if (outcome.refusal) throw outcome.refusal;
      if (outcome.failure) throw unreachable(outcome.failure, path, 'Nothing was changed.');
      return outcome.data;
    },
    unreachable,
    clockAhead: () => clockAhead,
  };
}
