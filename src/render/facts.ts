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
 * @param asked epoch milliseconds at which ages are counted, so that the text does not change while a human reads it
 */
export function factsOf(plan: Plan, asked: number): Fact[] {
  const { sources = [], facts = {}, target } = plan;
  return [
    ...some('Earlier names', facts.formerNames, 'bad'),
    ...some('Copies the disks of', sources.map(describeSource), sources.some(isGuarded) ? 'bad' : undefined),
    ...(targetsOf(plan).length < 2 ? guestFacts(plan, asked, { facts, target }) : []),
  ];
}

/** The same about one guest of several, without facts that are as usual. */
export function factsOfOne(plan: Plan, asked: number, target: GuestIdentity): Fact[] {
  const facts = plan.facts?.guests?.find(({ vmid }) => vmid === target.vmid) ?? {};
  return guestFacts(plan, asked, { facts, target }).filter(({ tone }) => tone !== 'muted');
}

function guestFacts({ steps }: Plan, asked: number, { facts, target }: { facts: PlanFacts; target: GuestIdentity | undefined }): Fact[] {
  const deletes = steps.some((step) => step.kind === 'request' && step.method === 'DELETE');
  const { lastBackup, uptimeSeconds } = facts;
  const isOld = !lastBackup || asked - Date.parse(lastBackup) > BACKUP_IS_OLD_DAYS * DAY_MS;
  return [
    ...someOrNone('Disks', facts.disks ?? target?.disks),
    ...some('Stays untouched', facts.untouched, 'muted'),
    ...someOrNone('Snapshots', facts.snapshots),
    ...(lastBackup !== undefined || deletes ? one('Last backup', backupText(lastBackup, asked), deletes && isOld ? 'bad' : undefined) : []),
    ...one('Uptime', uptimeSeconds === undefined ? undefined : duration(uptimeSeconds)),
    ...one('High availability', facts.ha),
    ...(target ? one('Protection', target.protection ? 'on' : 'off', target.protection ? 'bad' : 'muted') : []),
    ...one('Lock', target?.lock, 'bad'),
    ...one('Pool', facts.pool),
    ...some('Tags', facts.tags),
  ];
}

function one(label: string, value: string | undefined, tone?: Fact['tone']): Fact[] {
  return value === undefined ? [] : some(label, [value], tone);
}

/** Nothing where there are no values. */
function some(label: string, values: string[] = [], tone?: Fact['tone']): Fact[] {
  return values.length === 0 ? [] : [{ label, values: values.map((value) => plainText(value, 200)), ...defined({ tone }) }];
}

/** `none` only where it was looked up. */
function someOrNone(label: string, values: string[] | undefined): Fact[] {
  return values?.length === 0 ? some(label, ['none'], 'muted') : some(label, values);
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

function backupText(time: string | null | undefined, asked: number): string {
  if (time === undefined) return 'unknown';
  if (time === null) return 'none found';
  return `${duration(Math.max(0, (asked - Date.parse(time)) / 1000))} old (${time.replace('T', ' ').slice(0, 16)} UTC)`;
}
