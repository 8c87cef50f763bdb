import { createHash } from 'node:crypto';
import { defined } from '../core/defined.ts';
import type { Caller } from '../core/people/caller.ts';
import { nameAfter, partsOf, requestsOf } from '../core/plan/parts.ts';
import type { Plan } from '../core/plan/plan.ts';
import type { RunRecord } from '../core/plan/run.ts';
import { digestOf } from '../core/text/canonical.ts';
import type { JsonObject } from '../core/text/json.ts';
import type { Call } from './types.ts';

/**
 * The digest that an approval is bound to: SHA-256 of canonical JSON, with secrets and references unresolved. It covers operation, arguments and
 * cluster, the identity of targets and of guests whose disks are copied, the evaluated pools and tags, steps and expectations. Summary, warnings and
 * gauges (uptime) stay outside: they may change while a human thinks.
 */
export function planDigest(plan: Plan, args: JsonObject, cluster: string): string {
  return digestOf({
    operation: plan.operation,
    args,
    cluster,
    target: plan.target,
    targets: plan.targets,
    sources: plan.sources,
    binds: plan.binds,
    placed: plan.placed,
    steps: plan.steps,
    expected: plan.expected,
  });
}

/** Identical requests of one caller share a pending approval. */
export function argsDigest(operation: string, args: JsonObject): string {
  return digestOf({ operation, args });
}

/** Errors whose outcome the audit has already: a failed run is one outcome, not also a refusal. */
export const recorded = new WeakSet<Error>();

/** The caller's part of an audit record. */
export function auditCaller({ principal, owner, channel, client }: Caller): Pick<Caller, 'principal' | 'owner' | 'channel' | 'client'> {
  return { principal, owner, channel, client };
}

/** The fields of every line of the audit about a call of an operation. */
export function auditCall({ operation, caller, args }: Pick<Call, 'operation' | 'caller' | 'args'>) {
  return { operation: operation.name, ...auditCaller(caller), args };
}

/** `POST /nodes/pve/qemu/105/status/stop`: one line per request of a plan. */
export function requestLines(plan: Plan): string[] {
  return requestsOf(plan).map(({ method, path }) => `${method} ${path}`);
}

/** The guest that a plan is about, for the audit. */
export function auditTarget(plan: Plan): { target?: { vmid: number; name: string; node: string; type?: string; key?: string } } {
  const { target } = plan;
  if (target) return { target: { vmid: target.vmid, name: target.name, node: target.node, type: target.type, key: shortHash(target.key) } };
  const [part] = partsOf(plan);
  return part?.demand ? { target: { vmid: part.demand.vmid, name: nameAfter(part), node: part.node ?? '' } } : {};
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** The caller of the server's own acts: adopted runs, and approvals that expired. */
export const SERVER: Caller = {
  principal: 'server',
  owner: 'server',
  channel: 'cli',
  canAsk: { elicitation: false, terminal: false },
  isOperator: false,
};

/** The fields of every line of the audit about a run. */
export function auditRun(run: RunRecord, caller: Caller) {
  return {
    operation: run.operation,
    cluster: run.cluster,
    ...auditCaller(caller),
    args: run.args,
    ...auditTarget(run.plan),
    runId: run.id,
    ...defined({ approvalId: run.approvalId, leaseId: run.leaseId }),
    planDigest: run.digest,
  };
}
