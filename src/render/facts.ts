import { defined } from '../core/defined.ts';
import type { GuestIdentity } from '../core/guest.ts';
import { targetsOf } from '../core/plan/parts.ts';
import { isGuarded, nameOfSource, type Plan, type PlanFacts, type SourceGuest } from '../core/plan/plan.ts';
import { DAY_MS, duration } from '../core/text/duration.ts';
import { plainText } from '../core/text/text.ts';

/** One fact about a guest or a plan. */
export interface Fact {
  label: string;
  values: string[];
  /** `bad`: a reason to think twice. */
  tone?: 'bad' | 'muted';
}

const BACKUP_IS_OLD_DAYS = 7;

/**
 * The facts that a human needs before deciding: about the plan as a whole, and about its guest where it has one.
 * @param asked epoch milliseconds at which ages are counted: a text that changes by itself would move under the reader
 */
export function factsOf(plan: Plan, asked: number): Fact[] {
  const { sources = [], facts = {} } = plan;
  const list = new Facts();
  list.addAll('Earlier names', facts.formerNames, 'bad');
  list.addAll('Copies the disks of', sources.map(describeSource), sources.some(isGuarded) ? 'bad' : undefined);
  if (targetsOf(plan).length < 2) addGuest(list, plan, facts, asked, plan.target);
  return list.facts;
}

/** The same about one guest of several, without what is as usual. */
export function factsOfOne(plan: Plan, asked: number, target: GuestIdentity): Fact[] {
  const list = new Facts();
  addGuest(list, plan, plan.facts?.guests?.find(({ vmid }) => vmid === target.vmid) ?? {}, asked, target);
  return list.facts.filter(({ tone }) => tone !== 'muted');
}

function addGuest(list: Facts, { steps }: Plan, facts: PlanFacts, asked: number, target: GuestIdentity | undefined): void {
  const deletes = steps.some((step) => step.kind === 'request' && step.method === 'DELETE');
  list.addOrNone('Disks', facts.disks ?? target?.disks);
  list.addAll('Stays untouched', facts.untouched, 'muted');
  list.addOrNone('Snapshots', facts.snapshots);
  if (facts.lastBackup !== undefined || deletes) {
    const old = facts.lastBackup ? asked - Date.parse(facts.lastBackup) > BACKUP_IS_OLD_DAYS * DAY_MS : true;
    list.add('Last backup', lastBackup(facts.lastBackup, asked), deletes && old ? 'bad' : undefined);
  }
  if (facts.uptimeSeconds !== undefined) list.add('Uptime', duration(facts.uptimeSeconds));
  if (facts.ha !== undefined) list.add('High availability', facts.ha);
  if (target) list.add('Protection', target.protection ? 'on' : 'off', target.protection ? 'bad' : 'muted');
  if (target?.lock !== undefined) list.add('Lock', target.lock, 'bad');
  if (facts.pool !== undefined) list.add('Pool', facts.pool);
  list.addAll('Tags', facts.tags);
}

class Facts {
  readonly facts: Fact[] = [];

  add(label: string, value: string | string[], tone?: Fact['tone']): void {
    const values = (Array.isArray(value) ? value : [value]).map((one) => plainText(one, 200));
    this.facts.push({ label, values, ...defined({ tone }) });
  }

  /** Nothing where there are no values. */
  addAll(label: string, values: string[] = [], tone?: Fact['tone']): void {
    if (values.length > 0) this.add(label, values, tone);
  }

  /** `none` only where it was looked up. */
  addOrNone(label: string, values: string[] | undefined): void {
    if (values) this.add(label, values.length > 0 ? values : 'none', values.length > 0 ? undefined : 'muted');
  }
}

/** `vault (106) on node pve, protected` */
export function describeSource(source: SourceGuest): string {
  const { identity, template, gone } = source;
  const parts = [
    ...(identity === undefined ? [gone ? 'deleted; only its volumes remain' : 'not visible to the token'] : []),
    ...(template ? ['template'] : []),
    ...(identity?.protection && !template ? ['protected'] : []),
  ];
  const place = identity === undefined ? '' : ` on node ${plainText(identity.node, 60)}`;
  return `${nameOfSource(source)}${place}${parts.length === 0 ? '' : `, ${parts.join(', ')}`}`;
}

function lastBackup(time: string | null | undefined, asked: number): string {
  if (time === undefined) return 'unknown';
  if (time === null) return 'none found';
  return `${duration(Math.max(0, (asked - Date.parse(time)) / 1000))} old (${time.replace('T', ' ').slice(0, 16)} UTC)`;
}
