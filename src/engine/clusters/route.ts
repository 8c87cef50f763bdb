import { asError, fail, ProxmoxMcpError } from '../../core/errors/errors.ts';
import type { Result } from '../../core/result.ts';
import { nameIn } from '../../core/settings/settings.ts';
import { namingCluster } from '../../core/text/call-text.ts';
import { isObject, type JsonObject } from '../../core/text/json.ts';
import type { Operation } from '../../operations/define.ts';
import { findOperation } from '../../operations/find.ts';
import { clusterInScope, refuseScope, withinCluster } from '../limits/scope.ts';
import { perform } from '../perform.ts';
import type { ServerPorts } from '../ports.ts';
import type { Request } from '../types.ts';
import { type Clusters, notNamed, type Served } from './clusters.ts';
import { type Answered, joined } from './join.ts';

/** How long (ms) a read of all clusters waits for each: the time-out of one request to Proxmox. */
const ANSWERS_WITHIN_MS = 35_000;
/** The same for a cluster that has lately let a read time out, and for how long (ms) that is remembered. */
const HUNG_ANSWERS_WITHIN_MS = 2_000;
const HUNG_MS = 60_000;

/** Performs a call on the cluster that it names or that its approval or run belongs to. A read that names none asks all, side by side. */
export function createRouter(clusters: Clusters, server: ServerPorts): (request: Request) => Promise<Result> {
  const { names, all } = clusters;
  const { clock } = server;
  /** Until when a cluster counts as hung, in milliseconds of `clock.elapsed`. */
  const hung = new Map<string, number>();

  async function ask(served: Served, request: Request): Promise<Answered> {
    const { name: cluster } = served;
    const began = clock.elapsed();
    const isHung = (hung.get(cluster) ?? 0) > began;
    const limitMs = isHung ? HUNG_ANSWERS_WITHIN_MS : ANSWERS_WITHIN_MS;
    let isLate = false;
    const stop = new AbortController();
    const { signal = stop.signal } = request.options;
    const options = { ...request.options, signal: AbortSignal.any([signal, stop.signal]) };
    const asked = on(served, { ...request, options }).then(
      (result): Answered => ({ cluster, output: outputOf(result) }),
      (thrown): Answered => ({ cluster, error: advising(asError(thrown), cluster) }),
    );
    const late = clock.sleep(limitMs, stop.signal).then(
      (): Answered => {
        isLate = true;
        return { cluster, error: new ProxmoxMcpError('unreachable', `No answer within ${limitMs / 1000} s.`) };
      },
      () => asked,
    );
    const answer = await Promise.race([asked, late]).finally(() => stop.abort());
    if ('output' in answer) hung.delete(cluster);
    // The connection may give up first. A short wait does not count, so that a slow cluster gets a full one again after a minute.
    else if (!isHung && (isLate || (answer.error.code === 'unreachable' && clock.elapsed() - began >= HUNG_ANSWERS_WITHIN_MS)))
      hung.set(cluster, clock.elapsed() + HUNG_MS);
    return answer;
  }

  /** The refusal of a call that is about no cluster. */
  function rejected(request: Request, why: string): Promise<Result> {
    const invalid = request.options.invalid ?? `${request.name}: ${why}`;
    return perform({ ...request, options: { ...request.options, invalid } }, server, () => fail('internal', 'No cluster is opened.'));
  }

  async function several(request: Request): Promise<Result> {
    const { cluster, ...args } = isObject(request.args) ? (request.args as JsonObject) : {};
    const rest = { ...request, args };
    const { caller, options } = request;
    const operation = await findOperation(request.name);
    const named = isAbsent(cluster) ? await ownerOf(rest, server) : cluster;
    const own = all.filter(({ name }) => clusterInScope(name, caller.scope));
    if (named !== undefined) {
      const found = all.find(({ name }) => name === named);
      if (found) return on(found, rest).catch((thrown) => Promise.reject(advising(asError(thrown), found.name)));
    }
    const choices = own.map(({ name }) => name);
    if (!isAbsent(cluster) || !operation) return rejected(rest, notNamed(choices, cluster));
    // Each would answer the same to a wrong id, and to an operation that reads nothing of a cluster. All share one list of runs.
    const isAlike =
      decidesById(operation) ||
      named !== undefined ||
      typeof args.run_id === 'string' ||
      (operation.effect === 'read' && operation.ofNoCluster);
    if (isAlike && !options.invalid) return on(await readyOf(own), rest);
    const [first = all[0] as Served] = own;
    if (operation.effect === 'read' && options.dryRun) return on(first, rest);
    if (!asksAll(operation) || args.cursor !== undefined) return rejected(rest, notNamed(choices, undefined));
    if (options.invalid || own.length === 0) return on(first, rest);
    const answers = await Promise.all(own.map((one) => ask(one, rest)));
    return { kind: 'done', output: joined(operation, answers) };
  }

  /** One that is open, or else the one that opens first: a cluster that does not answer is not waited for. */
  async function readyOf(own: readonly Served[]): Promise<Served> {
    const open = own.find(({ opened }) => opened());
    return open ?? Promise.any(own.map((one) => one.open().then(() => one))).catch(() => own[0] ?? (all[0] as Served));
  }

  return (request) => (names.length === 0 ? on(all[0] as Served, request) : several(request));
}

/** Performs the call on one cluster, as a caller whose scope speaks of guests only from here on. */
function on({ name, server, open }: Served, request: Request): Promise<Result> {
  const { scope, ...caller } = request.caller;
  if (scope?.clusters === undefined) return perform(request, server, open);
  const within = { ...request, caller: { ...caller, ...withinCluster(scope) } };
  if (clusterInScope(name, scope)) return perform(within, server, open);
  return perform(within, server, async () => refuseScope(scope));
}

/** The calls that an error advises are calls on its cluster. */
function advising(error: ProxmoxMcpError, cluster: string): ProxmoxMcpError {
  const hint = namingCluster(error.hint, cluster);
  return hint === error.hint ? error : error.with({ hint });
}

function decidesById(operation: Operation): boolean {
  return operation.effect === 'control' && operation.decides;
}

/** Reads, and lists of approvals and runs. An operation that decides names its approval, and the approval its cluster. */
function asksAll(operation: Operation): boolean {
  return operation.effect === 'read' || (operation.effect === 'control' && !decidesById(operation));
}

/** The cluster of the approval or run that a call names. */
async function ownerOf({ args }: Request, { store: open }: ServerPorts): Promise<string | undefined> {
  const { approval_id: approval, run_id: run } = args as JsonObject;
  if (typeof approval !== 'string' && typeof run !== 'string') return undefined;
  try {
    const store = await open();
    const row = typeof approval === 'string' ? await store.approvals.get(approval) : await store.runs.get(String(run));
    return row && nameIn(row.cluster);
  } catch {
    // The call meets the same fault, and says so.
    return undefined;
  }
}

function isAbsent(cluster: unknown): boolean {
  return cluster === undefined || cluster === null || cluster === '';
}

function outputOf(result: Result): JsonObject {
  return result.kind === 'done' ? result.output : fail('internal', `A read ended as ${result.kind}.`);
}
