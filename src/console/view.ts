import type { ApprovalRecord, Way } from '../core/approval.ts';
import type { GuestIdentity } from '../core/guest.ts';
import type { Json } from '../core/json.ts';
import type { ParamValue, Plan, Step } from '../core/plan.ts';
import { plainText } from '../core/text.ts';
import { isGuarded } from '../engine/limits/sources.ts';
import { describeSource, duration, mustTypeFor } from '../render/approval-text.ts';
import type { ApprovalView, Change, Fact, GuestRef, StepView } from './wire.ts';

const BACKUP_IS_OLD_DAYS = 7;
/** Of a list that changes. */
const MAX_ITEMS = 100;

/** An approval for the page: from the frozen plan and live facts, every word of it made harmless, the agent's reason apart from the rest. */
export function approvalView(a: ApprovalRecord): ApprovalView {
  const { plan } = a;
  const { target } = plan;
  const mustType = mustTypeFor(a);
  return {
    id: a.id,
    status: a.status,
    operation: plainText(a.operation, 60),
    effect: a.effect,
    summary: plainText(plan.summary, 300),
    ...(plan.raisedBecause === undefined ? {} : { raisedBecause: plainText(plan.raisedBecause, 300) }),
    ...(target ? { guest: guestRef(target) } : {}),
    guests: plan.targets && plan.targets.length > 1 ? plan.targets.map(guestRef) : [],
    ...(plainText(mustType, 300) === mustType ? { mustType } : {}),
    cluster: plainText(a.cluster, 200),
    warnings: plan.warnings.map((text) => plainText(text, 400)),
    changes: changesOf(plan),
    facts: factsOf(plan, Date.parse(a.createdAt)),
    steps: plan.steps.map(stepView),
    choices: plan.choices.map((text) => plainText(text, 300)),
    undo: plainText(plan.undo, 400),
    askedBy: {
      principal: plainText(a.principal, 80),
      owner: plainText(a.owner, 80),
      channel: a.channel,
      ...(a.client === undefined ? {} : { client: plainText(a.client, 80) }),
    },
    ...(a.reason === undefined ? {} : { reason: plainText(a.reason, 600) }),
    digest: a.digest,
    needed: a.needed,
    agreedBy: (a.agreedBy ?? []).map((owner) => plainText(owner, 80)),
    createdAt: a.createdAt,
    expiresAt: a.expiresAt,
    ...(a.decidedAt === undefined ? {} : { decided: decidedView(a, a.decidedAt) }),
    ...(a.note === undefined ? {} : { note: plainText(a.note, 400) }),
    ...(a.runId === undefined ? {} : { runId: a.runId }),
  };
}

function guestRef({ name, vmid, type, node }: GuestIdentity): GuestRef {
  return { name: plainText(name, 80), vmid, kind: type === 'lxc' ? 'container' : 'VM', node: plainText(node, 80) };
}

const HOW: Record<Way, string> = {
  relay: 'relayed by the agent, no human verified',
  elicitation: 'answered in the client',
  terminal: 'typed by a human in a terminal',
  human: 'typed by a human, out of band',
};

function decidedView(a: ApprovalRecord, at: string): NonNullable<ApprovalView['decided']> {
  const how = a.decidedVia === undefined ? '' : HOW[a.decidedVia];
  return { at, by: plainText(a.decidedBy ?? '', 80), how, verified: a.decidedVia !== 'relay' };
}

/** What is different afterwards; a field that stays as it is says nothing. */
function changesOf(plan: Plan): Change[] {
  const { before = {}, after = {} } = plan;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((field): Change => ({ field: plainText(field, 60), before: show(before[field]), after: show(after[field]) }))
    .filter((change) => change.before.join('\n') !== change.after.join('\n'));
}

/** @param asked epoch milliseconds at which ages are counted: a text that changes by itself would move under the reader */
function factsOf({ target, sources, facts, steps }: Plan, asked: number): Fact[] {
  const list: Fact[] = [];
  const add = (label: string, values: string | string[], tone?: Fact['tone']) =>
    list.push({
      label,
      values: (Array.isArray(values) ? values : [values]).map((value) => plainText(value, 200)),
      ...(tone ? { tone } : {}),
    });
  const deletes = steps.some((step) => step.kind === 'request' && step.method === 'DELETE');
  if (facts?.formerNames && facts.formerNames.length > 0) add('Earlier names', facts.formerNames, 'bad');
  if (sources && sources.length > 0) add('Copies the disks of', sources.map(describeSource), sources.some(isGuarded) ? 'bad' : undefined);
  const disks = facts?.disks ?? target?.disks;
  if (disks) add('Disks', disks.length > 0 ? disks : 'none', disks.length > 0 ? undefined : 'muted');
  if (facts?.untouched && facts.untouched.length > 0) add('Stays untouched', facts.untouched, 'muted');
  if (facts?.snapshots)
    add('Snapshots', facts.snapshots.length > 0 ? facts.snapshots : 'none', facts.snapshots.length > 0 ? undefined : 'muted');
  if (facts?.lastBackup !== undefined || deletes) {
    const old = facts?.lastBackup ? asked - Date.parse(facts.lastBackup) > BACKUP_IS_OLD_DAYS * 86_400_000 : true;
    add('Last backup', lastBackup(facts?.lastBackup, asked), deletes && old ? 'bad' : undefined);
  }
  if (facts?.uptimeSeconds !== undefined) add('Uptime', duration(facts.uptimeSeconds));
  if (facts?.ha !== undefined) add('High availability', facts.ha);
  if (target) add('Protection', target.protection ? 'on' : 'off', target.protection ? 'bad' : 'muted');
  if (target?.lock !== undefined) add('Lock', target.lock, 'bad');
  if (facts?.pool !== undefined) add('Pool', facts.pool);
  if (facts?.tags && facts.tags.length > 0) add('Tags', facts.tags);
  return list;
}

function lastBackup(time: string | null | undefined, asked: number): string {
  if (time === undefined) return 'could not be looked up';
  if (time === null) return 'none found';
  return `${duration(Math.max(0, (asked - Date.parse(time)) / 1000))} old (${time.replace('T', ' ').slice(0, 16)} UTC)`;
}

function stepView(step: Step): StepView {
  const id = plainText(step.id, 60);
  const purpose = plainText(step.purpose, 200);
  if (step.kind !== 'request') return { kind: step.kind, id, purpose };
  const params = Object.entries(step.params).map(([name, value]): [string, string] => [
    plainText(name, 60),
    plainText(showParam(value), 300),
  ]);
  return { kind: 'request', id, method: step.method, path: plainText(step.path, 300), params, purpose };
}

function showParam(value: ParamValue): string {
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return value.join(', ');
  return '$secret' in value ? '••• (secret)' : `from step ${value.$from}`;
}

function show(value: Json | undefined): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).flatMap(show);
  return [plainText(typeof value === 'string' ? value : JSON.stringify(value), 200)];
}
