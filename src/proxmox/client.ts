import type { Clock } from '../core/clock.ts';
import { defined } from '../core/defined.ts';
import { fail, ProxmoxMcpError } from '../core/errors/errors.ts';
import type { Log } from '../core/log.ts';
import type { Dispatch, ProxmoxApi, ProxmoxVersion, ResolvedRequest } from '../core/proxmox.ts';
import type { ConnectionSettings } from '../core/settings/settings.ts';
import type { Json } from '../core/text/json.ts';
import { numberOf } from '../core/text/sizes.ts';
import { isTracing } from '../core/trace.ts';
import { changesRights, forgetPrivileges } from './access/remembered.ts';
import { refusalOf } from './answers/errors.ts';
import { createLastWords } from './answers/last-words.ts';
import { shaped } from './answers/shape.ts';
import { holds } from './conditions.ts';
import { recentChanges } from './guest/fresh.ts';
import { forgetPlaces } from './guest/places.ts';
import { createTasks, parseUpid } from './tasks.ts';
import { gatewayError, isGatewayStatus, isProxys, proxyHint } from './transport/gateway.ts';
import { limitPerKey } from './transport/limit.ts';
import { budget, type Failure, RETRY, UNKNOWN } from './transport/retry.ts';
import { tracedExchange } from './transport/traced.ts';
import { createTransport, type WireRequest } from './transport/transport.ts';
import type { TrustStore } from './trust/store.ts';
import type { Endpoint } from './trust/tls.ts';
import { createTrust } from './trust/trust.ts';
import { parseVersion } from './version.ts';

/** Workers of pvedaemon are blocked for a whole call, and a node has three. */
const MUTATIONS_PER_NODE = 3;
/** A dead guest agent blocks a worker for 3 s. pveproxy passes on four calls at a time and executes later ones late. */
const AGENT_CALLS_PER_NODE = 2;

export interface ProxmoxOptions {
  connection: ConnectionSettings;
  /** Names the cluster in approvals, runs and pins. */
  cluster: string;
  trust: TrustStore;
  clock: Clock;
  log: Log;
  /** Called for each attempt of every request. */
  onRequest?: (method: WireRequest['method'], path: string, params: WireRequest['params']) => void;
  /** Milliseconds until an answer must be there; 35,000 for a read, 60,000 for a change. Tests shorten it. */
  timeoutMs?: number;
}

export interface ProxmoxClient extends ProxmoxApi {
  /** A notice for the caller and the audit: a certificate accepted on first use. */
  readonly notices: readonly string[];
}

interface Outcome {
  /** `gateway`: pveproxy answered, and what is behind it did not. */
  failure?: { kind: Failure; reason: string; gateway?: true };
  refusal?: ProxmoxMcpError;
  data?: Json;
  total?: number | undefined;
}

/** Opens the API of one cluster; nothing is sent before the first call. */
export function createProxmox(options: ProxmoxOptions): ProxmoxClient {
  const { connection, cluster, clock, log } = options;
  const { endpoints, tokenId, tokenSecret } = connection;
  const notices: string[] = [];
  const trust = createTrust({
    connection,
    cluster,
    store: options.trust,
    clock,
    onFirstUse: (notice) => {
      notices.push(notice);
      log.warn({ cluster }, notice);
    },
  });
  const transport = createTransport({
    policy: trust.policy,
    tokenId,
    tokenSecret,
    ...defined({ timeoutMs: options.timeoutMs }),
  });
  const perNode = limitPerKey(MUTATIONS_PER_NODE);
  const recent = recentChanges(clock);
  const lastWords = createLastWords();
  const agentsPerNode = limitPerKey(AGENT_CALLS_PER_NODE);
  let preferred = 0;
  let clockAhead = 0;
  let lastDate = '';
  let changes = 0;
  let version: Promise<ProxmoxVersion> | undefined;

  async function attempt(endpoint: Endpoint, request: WireRequest, signal?: AbortSignal): Promise<Outcome> {
    options.onRequest?.(request.method, request.path, request.params);
    log.debug({ method: request.method, path: request.path, host: endpoint.host }, 'request');
    const exchanged = () => transport.exchange(endpoint, request, signal);
    const exchange = await (isTracing() ? tracedExchange(endpoint, request, exchanged) : exchanged());
    if ('failure' in exchange) return { failure: { kind: exchange.failure, reason: exchange.reason } };
    const { reply } = exchange;
    noteDate(reply.date);
    if (reply.status >= 200 && reply.status < 300) return said(request, reply.body);
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

  /** The first answer of a second gives the cluster's time best, so later ones of that second are not read. */
  function noteDate(text: string | null): void {
    if (text === null || text === lastDate) return;
    lastDate = text;
    const date = Date.parse(text);
    if (!Number.isNaN(date)) clockAhead = date - clock.now();
  }

  /** Tries as often, and where, the retry table allows; the last outcome counts. */
  async function persist(request: WireRequest, signal?: AbortSignal, still?: () => Promise<void>): Promise<Outcome> {
    const rules = request.method === 'GET' ? RETRY.read : RETRY.mutation;
    const met: Partial<Record<Failure, number>> = {};
    for (let attempts = 1; ; attempts++) {
      const place = preferred;
      if (still) await still();
      const outcome = await attempt(endpointAt(place), request, signal);
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
  }

  function endpointAt(place: number): Endpoint {
    return endpoints[place] ?? fail('missing_credentials', 'No endpoint of the cluster is configured: PROXMOX_HOST is missing.');
  }

  const trusted = () =>
    trust.ready(
      async <T>(path: string, endpoint: Endpoint) => dataOf(await attempt(endpoint, { method: 'GET', path, params: {} }), path) as T,
    );

  async function read(path: string, params: Record<string, string | number> = {}, signal?: AbortSignal) {
    signal?.throwIfAborted();
    const trusting = trusted();
    if (trusting) await trusting;
    const ask = () => persist({ method: 'GET', path, params }, signal);
    const outcome = await (IS_AGENT_CALL.test(path) ? agentsPerNode(nodeOf(path), ask) : ask());
    return { data: dataOf(outcome, path), total: outcome.total };
  }

  function dataOf(outcome: Outcome, path: string): unknown {
    if (outcome.refusal) throw outcome.refusal;
    if (outcome.failure) throw unreachable(outcome.failure, path, 'Nothing was changed.');
    return outcome.data;
  }

  function unreachable({ reason, gateway }: { reason: string; gateway?: true }, path: string, consequence: string): ProxmoxMcpError {
    const where = endpoints.map(({ host, port }) => `${host}:${port}`).join(', ');
    if (gateway) return gatewayError(reason, nodeOf(path), where, consequence);
    return new ProxmoxMcpError('unreachable', `The request to Proxmox (${where}) failed: ${reason}. ${consequence}`, {
      ...proxyHint(endpoints),
      details: { reason },
    });
  }

  /** Lists that are being read. An equal request within a second waits for the same answer, unless a change was sent meanwhile. */
  const asked = new Map<string, { at: number; answer: Promise<unknown> }>();

  async function underWay(key: string, ask: () => Promise<unknown>): Promise<unknown> {
    const other = asked.get(key);
    if (other && clock.now() - other.at < JOIN_MS) return other.answer;
    const own = { at: clock.now(), answer: ask() };
    asked.set(key, own);
    try {
      return await own.answer;
    } finally {
      if (asked.get(key) === own) asked.delete(key);
    }
  }

  const serverTime = () => Math.floor((clock.now() + clockAhead) / 1000);

  const tasks = createTasks({ read, clock, tokenId, serverTime });

  /** A read that began before a change does not show the state after it. */
  function noteChange(vmid?: unknown): void {
    changes += 1;
    asked.clear();
    if (Number(vmid) > 0) recent.note(Number(vmid));
  }

  const api: ProxmoxClient = {
    cluster,
    notices,
    get: <T>(path: string, params?: Record<string, string | number>, extra?: { signal?: AbortSignal }) => {
      const ask = async () => (await read(path, params, extra?.signal)).data;
      return (extra?.signal === undefined && LISTS.has(path) ? underWay(questionOf(path, params), ask) : ask()) as Promise<T>;
    },
    version: () => {
      version ??= api.get<{ version?: unknown } | null>('/version').then((answer) => parseVersion(String(answer?.version)));
      // A failure is not remembered.
      version.catch(() => (version = undefined));
      return version;
    },

    async send(gate, request) {
      await trusted();
      return perNode(nodeOf(request.path), async () => {
        gate.pass(request);
        noteChange(request.params.newid ?? request.params.vmid ?? /^\/nodes\/[^/]+\/(?:qemu|lxc)\/(\d+)/.exec(request.path)?.[1]);
        const outcome = await persist(request, undefined, gate.still);
        noteChange();
        if (changesRights(request)) {
          forgetPrivileges(api);
          forgetPlaces(api);
        }
        return dispatchOf(request, outcome);
      });
    },

    ...tasks,
    async waitTask(upid, how) {
      const status = await tasks.waitTask(upid, how);
      const { id, type = '' } = parseUpid(upid) ?? {};
      noteChange(id);
      // Rights that the guest had through a pool ended with it.
      if (type.endsWith('destroy')) forgetPrivileges(api);
      return status;
    },
    changedLately: recent.has,
    changes: () => changes,
    holds: (condition, sinceEpoch) => holds(api, condition, sinceEpoch),
    serverTime,
    close: () => transport.close(),
  };

  function dispatchOf(request: ResolvedRequest, outcome: Outcome): Dispatch {
    const { failure, refusal, data = null } = outcome;
    if (failure && UNKNOWN.includes(failure.kind)) return { kind: 'unknown', reason: failure.reason };
    if (refusal) throw refusal;
    if (failure) throw unreachable(failure, request.path, `${request.method} ${request.path} was not executed.`);
    return parseUpid(data) ? { kind: 'task', upid: data as string } : { kind: 'done', data };
  }

  return api;
}

const JOIN_MS = 1_000;
/** Long lists that several parts of one call, and several calls at once, ask for. */
const LISTS = new Set(['/cluster/resources', '/nodes']);
/** Answers that each call about a guest reads, and that stay the same until the guest is changed. */
const IS_CONFIGURATION = /^\/nodes\/[^/]+\/(?:qemu|lxc)\/\d+\/(?:pending|snapshot)$/;
const questionOf = (path: string, params: WireRequest['params'] = {}) => `${path} ${JSON.stringify(params)}`;
const IS_AGENT_CALL = /^\/nodes\/[^/]+\/qemu\/[^/]+\/agent\//;

function nodeOf(path: string): string {
  return /^\/nodes\/([^/]+)/.exec(path)?.[1] ?? '';
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
