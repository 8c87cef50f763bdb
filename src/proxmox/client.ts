import type { Clock } from '../core/clock.ts';
import { defined } from '../core/defined.ts';
import type { Log } from '../core/log.ts';
import type { Dispatch, ProxmoxApi, ProxmoxVersion, ResolvedRequest } from '../core/proxmox.ts';
import type { ConnectionSettings } from '../core/settings/settings.ts';
import { changesRights, forgetPrivileges } from './access/remembered.ts';
import { LISTS, type Outcome, questionOf } from './answers/outcome.ts';
import { createAttempts, type OnRequest } from './attempts.ts';
import { holds } from './conditions.ts';
import { nodeOf } from './guest/encode.ts';
import { recentChanges } from './guest/fresh.ts';
import { forgetPlaces } from './guest/places.ts';
import { createTasks, parseUpid } from './tasks.ts';
import { limitPerKey } from './transport/limit.ts';
import { UNKNOWN } from './transport/retry.ts';
import { createTransport } from './transport/transport.ts';
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
  onRequest?: OnRequest;
  /** Milliseconds until an answer must be there; 35,000 for a read, 60,000 for a change. Tests shorten it. */
  timeoutMs?: number;
}

export interface ProxmoxClient extends ProxmoxApi {
  /** A notice for the caller and the audit: a certificate accepted on first use. */
  readonly notices: readonly string[];
}

/** Opens the API of one cluster; nothing is sent before the first call. */
export function createProxmox(options: ProxmoxOptions): ProxmoxClient {
  const { connection, cluster, clock, log } = options;
  const { tokenId, tokenSecret } = connection;
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
  const attempts = createAttempts(connection, transport, { clock, log, ...defined({ onRequest: options.onRequest }) });
  const { dataOf } = attempts;
  const perNode = limitPerKey(MUTATIONS_PER_NODE);
  const recent = recentChanges(clock);
  const agentsPerNode = limitPerKey(AGENT_CALLS_PER_NODE);
  let changes = 0;
  let version: Promise<ProxmoxVersion> | undefined;

  const trusted = () =>
    trust.ready(
      async <T>(path: string, endpoint: Endpoint) => dataOf(await attempts.once(endpoint, { method: 'GET', path, params: {} }), path) as T,
    );

  async function read(path: string, params: Record<string, string | number> = {}, signal?: AbortSignal) {
    signal?.throwIfAborted();
    const trusting = trusted();
    if (trusting) await trusting;
    const ask = () => attempts.persist({ method: 'GET', path, params }, signal);
    const outcome = await (IS_AGENT_CALL.test(path) ? agentsPerNode(nodeOf(path), ask) : ask());
    return { data: dataOf(outcome, path), total: outcome.total };
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

  const serverTime = () => Math.floor((clock.now() + attempts.clockAhead()) / 1000);

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
        const outcome = await attempts.persist(request, undefined, gate.still);
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
    if (failure) throw attempts.unreachable(failure, request.path, `${request.method} ${request.path} was not executed.`);
    return parseUpid(data) ? { kind: 'task', upid: data as string } : { kind: 'done', data };
  }

  return api;
}

const JOIN_MS = 1_000;
const IS_AGENT_CALL = /^\/nodes\/[^/]+\/qemu\/[^/]+\/agent\//;
