import { present } from '../../../core/defined.ts';
import { asError, fail } from '../../../core/errors/errors.ts';
import { labelOf } from '../../../core/guest.ts';
import { gravest, raisedTo } from '../../../core/plan/effect.ts';
import { inLane } from '../../../core/plan/parts.ts';
import type { PlanDraft, Step } from '../../../core/plan/plan.ts';
import { counted } from '../../../core/text/text.ts';
import { stillItself } from './target.ts';

/**
 * The guests of a call that takes one or several, each once.
 * @throws invalid_arguments when the call names none, or both one and several
 */
export function guestsAsked(
  tool: string,
  { vmid, vmids }: { vmid?: number | undefined; vmids?: number[] | undefined },
): [number, ...number[]] {
  const asked = new Set(vmid === undefined ? vmids : vmids === undefined ? [vmid] : []);
  const [first, ...others] = asked;
  if (first === undefined) fail('invalid_arguments', `${tool} needs vmid or name, or vmids or names for several guests.`);
  return [first, ...others];
}

/** The words of a plan for several guests. */
export interface Words {
  /** Begins the summary: "Shut down 3 guests: …". */
  verb: string;
  /** Completes "cannot be …": `stopped`. */
  done: string;
  /** The summary where all of them are as requested already; only for operations that can find that. */
  already?: string;
  /** One guest after another: a failure stops those that follow. Default: side by side. */
  stopsAtFailure?: true;
  undo: (plans: readonly PlanDraft[]) => string;
}

/**
 * The plan for one guest, or for several under one approval.
 * @param plan of one guest
 */
export async function planGuests(
  [first, ...others]: readonly [number, ...number[]],
  words: Words,
  plan: (vmid: number) => Promise<PlanDraft>,
): Promise<PlanDraft> {
  if (others.length === 0) return plan(first);
  return together(await planEach([first, ...others], words.done, plan), words);
}

/**
 * Plans for each guest.
 * @throws one error about every guest that is refused, with the code that they share or that of the first; nothing is planned for the others
 */
async function planEach(vmids: readonly number[], done: string, plan: (vmid: number) => Promise<PlanDraft>): Promise<PlanDraft[]> {
  const tried = await Promise.allSettled(vmids.map(plan));
  const refused = tried.flatMap((t, index) => (t.status === 'rejected' ? [{ vmid: vmids[index] ?? 0, error: asError(t.reason) }] : []));
  const [first, second] = refused;
  if (!first) return tried.flatMap((t) => (t.status === 'fulfilled' ? [t.value] : []));
  if (!second) throw first.error;
  if (refused.every(({ error }) => error.code === 'guest_not_found')) {
    const missing = refused.map(({ vmid }) => vmid);
    fail('guest_not_found', `No guests with the VMIDs ${missing.join(', ')} are visible.`, { details: { missing } });
  }
  const list = refused.map(({ vmid, error }) => `${vmid} (${error.code})`).join(', ');
  fail(first.error.code, `${refused.length} of ${vmids.length} guests cannot be ${done}, and none was: ${list}.`, {
    hint: 'Leave these guests out, or do what details.refused says about each. Then call again.',
    details: { refused: refused.map(({ vmid, error: { code, message, hint } }) => ({ vmid, code, message, hint })) },
  });
}

/** Several guests in one plan. Those that are already as requested are left out and named among the choices. */
function together(plans: PlanDraft[], { verb, already = 'nothing has to be done', stopsAtFailure, undo }: Words): PlanDraft {
  const open = plans.filter((plan) => plan.existing === undefined);
  const [first] = open;
  if (!first) return allSo(plans, already);
  const laned = open.flatMap((p) => inLane(checkedFirst(p), p.target?.vmid ?? 0));
  return {
    ...first,
    // The sides of each guest show its own.
    changes: [],
    before: byGuest(open, 'before'),
    after: byGuest(open, 'after'),
    summary: `${verb} ${counted(open.length, 'guest')}: ${present(...open.map(nameOf)).join(', ')}`,
    ...raisedTo(gravest(...open.map((p) => p.effect)), ...saidOnce(open, (p) => present(p.raisedBecause))),
    targets: open.flatMap((p) => (p.target ? [p.target] : [])),
    facts: { guests: open.flatMap((p) => (p.target ? [{ vmid: p.target.vmid, ...p.facts }] : [])) },
    ...(open.some((p) => p.binds) ? { binds: Object.assign({}, ...open.map((p) => p.binds ?? {})) } : {}),
    steps: stopsAtFailure ? laned.map(({ lane: _, ...step }) => step) : laned,
    expected: open.flatMap((p) => p.expected),
    warnings: saidOnce(open, (p) => p.warnings),
    choices: plans.filter((p) => p.existing).map((p) => p.summary),
    undo: undo(open),
  };
}

/** The plan for guests that are all as requested already. */
export function allSo(plans: readonly PlanDraft[], summary: string): PlanDraft {
  const [one] = plans as [PlanDraft];
  return { ...one, summary, existing: { ...one.existing, guests: plans.map(({ existing = {} }) => existing) } };
}

/** Changes of the others may take so long that the VMID is another guest's by then. A plan that only waits sends nothing. */
function checkedFirst({ target, steps }: PlanDraft): Step[] {
  return target && steps.some(({ kind }) => kind === 'request') ? [stillItself(target), ...steps] : steps;
}

/** The same undo for each guest, then what it does not bring back, each once. */
export function undoAll(undo: string, plans: readonly PlanDraft[]): string {
  const lost = plans.flatMap((plan) => plan.undo.split('; ').slice(1));
  return [undo, ...new Set(lost)].join('; ');
}

/** `start_vm {"vmids": [100, 101]}` */
export function callFor(tool: string, plans: readonly PlanDraft[]): string {
  return `${tool} {"vmids": [${present(...plans.map(({ target }) => target?.vmid)).join(', ')}]}`;
}

/** Each text once, with the guests for which it holds: a human reads only the beginning of a long one. */
export function saidOnce(plans: readonly PlanDraft[], textsOf: (plan: PlanDraft) => readonly string[], of = nameOf): string[] {
  const holds = new Map<string, string[]>();
  for (const plan of plans) {
    for (const text of textsOf(plan)) holds.set(text, [...(holds.get(text) ?? []), of(plan)]);
  }
  const whose = (labels: readonly string[]) => (labels.length > 1 && labels.length === plans.length ? 'all of them' : labels.join(', '));
  return [...holds].map(([text, labels]) => `${whose(labels)}: ${text}`);
}

function nameOf({ target }: PlanDraft): string {
  return target ? labelOf(target) : '';
}

/** `web1 (105) status`: the sides of each guest under its name. */
function byGuest(plans: readonly PlanDraft[], side: 'before' | 'after'): NonNullable<PlanDraft['before']> {
  return Object.fromEntries(
    plans.flatMap((plan) => Object.entries(plan[side] ?? {}).map(([key, value]) => [`${nameOf(plan)} ${key}`.trimStart(), value])),
  );
}
