import type { Policy, PolicyMatch, PolicyRule } from '../../core/settings/policy.ts';
import type { Settings } from '../../core/settings/settings.ts';
import { DAY_MS, duration } from '../../core/text/duration.ts';
import { type Check, faultOf, inStore, ok, warn } from './check.ts';

const DAYS = 7;
/** The shortest time in which a human can read a plan. */
const QUICK_MS = 2_000;

/** How humans decide: many and quick approvals suggest that they are not read. */
export interface Habits {
  asked: number;
  perDay: number;
  given: number;
  /** Approved within two seconds of the request. */
  quick: number;
  /** UTC days, oldest first. */
  days: { day: string; asked: number; given: number; quick: number }[];
}

export function habitsOf(answers: { askedAt: string; givenAt?: string }[], now: number): Habits {
  const days = Array.from({ length: DAYS + 1 }, (_, index) => {
    const day = new Date(now - (DAYS - index) * DAY_MS).toISOString().slice(0, 10);
    return { day, ...count(answers.filter(({ askedAt }) => askedAt.startsWith(day))) };
  });
  const { asked, given, quick } = count(answers);
  return { asked, perDay: Math.round((asked / DAYS) * 10) / 10, given, quick, days: days.filter((one) => one.asked > 0) };
}

function count(answers: { askedAt: string; givenAt?: string }[]) {
  const given = answers.flatMap(({ askedAt, givenAt }) => (givenAt === undefined ? [] : [Date.parse(givenAt) - Date.parse(askedAt)]));
  return { asked: answers.length, given: given.length, quick: given.filter((ms) => ms < QUICK_MS).length };
}

/** The habits of the last seven days as a finding. */
export async function habitsCheck(settings: Settings, now: number): Promise<{ check?: Check; habits?: Habits }> {
  const name = 'approvals given';
  try {
    const since = new Date(now - DAYS * DAY_MS).toISOString();
    const seen = await inStore(settings, (store) => store.approvals.answers(since));
    if (!seen) return {};
    const habits = habitsOf(seen.found, now);
    const [lost] = seen.lost;
    if (lost) return { habits, check: lost };
    const { asked, perDay, given, quick } = habits;
    const text = `${asked} requested in the last ${DAYS} days (${perDay} a day), ${given} approved, ${quick} of them in under two seconds`;
    // A few may be chance. Most of many are a habit.
    if (given < 5 || quick * 2 <= given) return { habits, check: ok(name, text) };
    const next =
      'Reduce the questions: request one approval for a list (stop_vm vmids), or create a standing approval (proxmox-mcp approvals lease add).';
    return { habits, check: warn(name, `${text}: too fast to read a plan`, next) };
  } catch (error) {
    // Without a store nothing can be changed or approved.
    return { check: faultOf('store', error) };
  }
}

export interface PolicyRow {
  match: string;
  demands: string;
}

/** The effective policy: what holds without rules, then every rule, in words. All rules that fit count, the strictest of them. */
export function policyRows(settings: Pick<Settings, 'policy' | 'approval' | 'clusters'>): PolicyRow[] {
  const { approval, clusters } = settings;
  const always = { match: 'plans that interrupt or destroy', demands: `an approval by PROXMOX_APPROVAL=${approval.mode}` };
  if (!clusters) return [always, ...rowsOf(settings.policy)];
  const own = clusters.flatMap(({ name, policy }) => rowsOf(policy).map((row) => ({ ...row, match: `${name}: ${row.match}` })));
  return [always, ...own];
}

function rowsOf(policy: Policy): PolicyRow[] {
  return [...policy.rules.map((rule) => ({ match: matchText(rule.match), demands: demandsText(rule) })), ...limitRows(policy)];
}

function matchText({ effect, operation, tag, pool, vmid, principal }: PolicyMatch): string {
  const ranges = vmid?.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`));
  const parts = Object.entries({ effect, operation, tag, pool, VMID: ranges, requester: principal });
  const texts = parts.flatMap(([what, values]) => (values ? [`${what} ${values.join(' or ')}`] : []));
  return texts.join(', ') || 'everything';
}

function demandsText({ never, method, approvals, requireBackupWithin, cooldown }: PolicyRule): string {
  if (never) return 'forbidden, with or without an approval';
  const texts = [
    method && (method === 'human' ? 'the method human' : `the method ${method} or a stricter one`),
    approvals && `the yes of ${approvals} owner${approvals === 1 ? '' : 's'}`,
    requireBackupWithin !== undefined && `a backup not older than ${duration(requireBackupWithin)}`,
    cooldown !== undefined && `a pause of ${duration(cooldown)} before the identical request`,
  ].filter(Boolean);
  return texts.join(', ') || 'nothing';
}

function limitRows({ only, perHour }: Policy): PolicyRow[] {
  const rows: PolicyRow[] = [];
  if (only) {
    const allowed = [
      ...only.tags.map((tag) => `tag ${tag}`),
      ...only.pools.map((pool) => `pool ${pool}`),
      ...(only.created ? ['created through this server'] : []),
    ];
    rows.push({ match: `guests without ${allowed.join(', ') || 'exception'}`, demands: 'never changed' });
  }
  if (perHour.creates !== undefined)
    rows.push({ match: 'creating guests', demands: `at most ${perHour.creates} an hour for each requester` });
  if (perHour.destroys !== undefined)
    rows.push({ match: 'destroying', demands: `at most ${perHour.destroys} times an hour for each requester` });
  return rows;
}
