import { defined } from '../core/defined.ts';
import { type GuestIdentity, typedName } from '../core/guest.ts';
import type { ApprovalMethod, ApprovalRecord } from '../core/plan/approval.ts';
import { targetsOf } from '../core/plan/parts.ts';
import type { ParamValue, Plan, Step } from '../core/plan/plan.ts';
import { clusterPrefix, nameIn } from '../core/settings/settings.ts';
import type { Json } from '../core/text/json.ts';
import { linesIn, SHOWN } from '../core/text/readable.ts';
import { plainText } from '../core/text/text.ts';
import { factsOf, factsOfOne } from './facts.ts';

export interface Change {
  field: string;
  /** Its values on either side, several for a list; empty: the field does not exist there. */
  before: string[];
  after: string[];
}

export type StepView =
  | { kind: 'request'; id: string; method: string; path: string; params: [name: string, value: string][]; purpose: string }
  | { kind: 'wait' | 'check'; id: string; purpose: string };

export interface GuestRef {
  name: string;
  vmid: number;
  kind: 'VM' | 'container';
  node: string;
}

/** An approval as a human reads it. Every text is harmless (plainText) and capped; a transport lays it out and adds nothing. */
export type ApprovalView = ReturnType<typeof approvalView>;

/**
 * The one source of everything that a human reads about an approval: terminal, client and notices render it as text (approval-text.ts), the
 * console as a page. From the frozen plan and live facts, the agent's reason apart from the rest.
 */
export function approvalView(a: ApprovalRecord) {
  const { plan } = a;
  const targets = targetsOf(plan);
  const asked = Date.parse(a.createdAt);
  const mustType = mustTypeFor(a);
  const first = plan.target ?? targets[0];
  const prefix = clusterPrefix(a.cluster);
  return {
    id: a.id,
    status: a.status,
    operation: plainText(a.operation, 60),
    effect: a.effect,
    summary: plainText(`${prefix}${plan.summary}`, 300),
    ...(plan.raisedBecause === undefined ? {} : { raisedBecause: plainText(plan.raisedBecause, 300) }),
    ...(first ? { guest: guestRef(first) } : {}),
    /** Several guests with the facts of each; `guest` is the first of them then. Empty for one guest. */
    guests: targets.length > 1 ? targets.map((target) => ({ ...guestRef(target), facts: factsOfOne(plan, asked, target) })) : [],
    /** The text to type for a yes; absent when the name holds characters that cannot be seen or typed, so that only a no is possible. */
    ...(plainText(mustType, 300) === mustType ? { mustType } : {}),
    cluster: plainText(a.cluster, 200),
    /** The cluster's name where several are served, so that the question names it too. */
    ...(prefix === '' ? {} : { ofCluster: plainText(nameIn(a.cluster), 40) }),
    warnings: plan.warnings.map((text) => plainText(text, 400)),
    changes: changesOf(plan),
    /** Includes those of a single guest; those of several are in `guests`. */
    facts: factsOf(plan, asked),
    steps: plan.steps.map(stepView),
    choices: plan.choices.map((text) => plainText(text, 300)),
    undo: plainText(plan.undo, 400),
    /** `person` and `from` are the requester and the transport in words; `principal` is the requester's name in lists and logs. */
    askedBy: {
      principal: plainText(a.principal, 80),
      person: a.owner === a.principal ? personText(a.principal) : `${personText(a.principal)} (of ${plainText(a.owner, 80)})`,
      from: FROM[a.channel] ?? plainText(a.channel, 40),
      ...(a.client === undefined ? {} : { client: plainText(a.client, 80) }),
    },
    /** The agent's own words, unverified. */
    ...(a.reason === undefined ? {} : { reason: plainText(a.reason, 600) }),
    digest: a.digest,
    /** Owners who must approve, and those who did. */
    needed: a.needed,
    agreedBy: (a.agreedBy ?? []).map((owner) => plainText(owner, 80)),
    createdAt: a.createdAt,
    expiresAt: a.expiresAt,
    ...(a.decidedAt === undefined ? {} : { decided: decidedView(a, a.decidedAt) }),
    /** Why it was denied or became stale. */
    ...(a.note === undefined ? {} : { note: plainText(a.note, 400) }),
    ...defined({ runId: a.runId }),
  };
}

/** The text that means yes: `web1 105`; for several guests their number and the first name, `3 web1`. */
export function mustTypeFor({ plan, id }: Pick<ApprovalRecord, 'plan' | 'id'>): string {
  const { target, targets } = plan;
  if (target && targets && targets.length > 1) return `${targets.length} ${target.name === '' ? target.vmid : target.name}`;
  return target ? typedName(target) : id;
}

function guestRef({ name, vmid, type, node }: GuestIdentity): GuestRef {
  return { name: plainText(name, 80), vmid, kind: type === 'lxc' ? 'container' : 'VM', node: plainText(node, 80) };
}

/** The transport of a request, in words. */
const FROM: Record<string, string> = {
  stdio: 'an MCP client on the computer of the server',
  http: 'an MCP client over HTTP',
  cli: 'a command in a terminal',
  console: 'the console',
};

/** `local:1000` as people say it: `local user 1000`. Other names stay. */
function personText(principal: string): string {
  return plainText(principal, 80).replace(/^local:(?=\d+$)/, 'local user ');
}

const HOW: Record<ApprovalMethod, string> = {
  relay: 'relayed by the agent, no human verified',
  elicitation: 'answered in the client',
  terminal: 'typed by a human in a terminal',
  human: 'typed by a human in a terminal or the console',
};

function decidedView(a: ApprovalRecord, at: string) {
  const how = a.decidedVia === undefined ? '' : HOW[a.decidedVia];
  return { at, by: personText(a.decidedBy ?? ''), how, verified: a.decidedVia !== 'relay' };
}

/** The changed fields, before and after; unchanged ones are left out. */
function changesOf(plan: Plan): Change[] {
  const { before = {}, after = {} } = plan;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((field): Change => ({ field: plainText(field, 60), before: show(before[field]), after: show(after[field]) }))
    .filter((change) => change.before.join('\n') !== change.after.join('\n'));
}

function show(value: Json | undefined): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return capped(value).flatMap(show);
  const lines = linesIn(typeof value === 'string' ? value : JSON.stringify(value));
  return capped(lines).map((line) => plainText(line, SHOWN.characters));
}

function capped<T>(items: readonly T[]): (T | string)[] {
  const more = items.length - SHOWN.lines;
  return more > 0 ? [...items.slice(0, SHOWN.lines), `… (${more} more)`] : [...items];
}

function stepView(step: Step): StepView {
  const id = plainText(step.id, 60);
  const purpose = plainText(step.purpose, 200);
  if (step.kind !== 'request') return { kind: step.kind, id, purpose };
  const params = Object.entries(step.params).map(([name, value]): [string, string] => [
    plainText(name, 60),
    plainText(showParam(value), SHOWN.characters),
  ]);
  return { kind: 'request', id, method: step.method, path: plainText(step.path, 300), params, purpose };
}

function showParam(value: ParamValue): string {
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return value.join(', ');
  return '$secret' in value ? '••• (secret)' : `from step ${value.$from}`;
}
