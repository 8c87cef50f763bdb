import { fail } from '../../../core/errors/errors.ts';
import type { Condition, Params } from '../../../core/plan/plan.ts';
import { plainText } from '../../../core/text/text.ts';
import { firewallPath, type GuestFirewall, RULE_FIELDS, type Rule, ruleKeys, ruleText } from '../../../proxmox/guest/firewall.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import { refuseTwice } from '../lib/match.ts';
import { label } from '../lib/target.ts';
import { change, type Draft } from './draft.ts';
import { listed, note, type Part } from './parts.ts';
import { changedRule, checkedRule, type Names, type RuleInput } from './rule-input.ts';

/** A rule of the list. It keeps its identity when it is moved or changed. */
interface Item {
  rule: Rule;
}

/** The facts against which rules are checked. */
interface Around {
  guest: Guest;
  now: GuestFirewall;
  names: Names;
}

interface Rules extends Around {
  draft: Draft;
  items: Item[];
  of: string;
  out: Part;
}

/**
 * Rules that are added, changed, moved and removed, in this order: nothing that is replaced leaves a gap.
 * @returns the rules afterwards
 */
export async function planRules(out: Part, around: Around, inputs: readonly RuleInput[]): Promise<Rule[]> {
  const { guest, now } = around;
  const items = now.rules.map((rule): Item => ({ rule }));
  const draft: Draft = { path: `${firewallPath(guest.at)}/rules`, rows: rowsOf(items), digest: now.digests.rules };
  const keys = ruleKeys(now.rules);
  const rules: Rules = { ...around, draft, items, of: label(guest), out };
  const find = (key: string): Item => items[keys.indexOf(key)] ?? unknownRule(key, keys, rules.of);
  const goalOf = (before: string | undefined) => (before === undefined ? undefined : before === 'last' ? ('last' as const) : find(before));
  refuseTwice(
    'Rule',
    inputs.flatMap(({ rule }) => rule ?? []),
  );
  const placed = inputs.map((input) => ({
    input,
    item: input.rule === undefined ? undefined : find(input.rule),
    goal: goalOf(input.before),
  }));
  const touched: Item[] = [];
  // Proxmox puts a new rule first, so the first of several is added last.
  for (const { input, goal } of placed.toReversed()) {
    if (input.rule !== undefined) continue;
    const item = await added(rules, input, goal);
    if (item) touched.push(item);
  }
  for (const { input, item, goal } of placed) {
    if (item === undefined || input.remove) continue;
    const next = await checkedRule(changedRule(item.rule, input), guest, around.names);
    if (edit(rules, item, next)) touched.push(item);
    if (goal !== undefined && move(rules, item, goal)) touched.push(item);
  }
  for (const { input, item } of placed) if (item !== undefined && input.remove) out.expected.push(drop(rules, item));
  const left = new Set(touched);
  out.expected.push(...[...left].map((item) => stands(rules, rules.items.indexOf(item), item.rule)));
  return rules.items.map(({ rule }) => rule);
}

function unknownRule(key: string, keys: readonly string[], of: string): never {
  return fail('not_possible', `The firewall of ${of} has no rule ${plainText(key, 40)}.`, {
    hint: 'Read the rules with get_vm and fields ["firewall"].',
    details: { rules: keys.slice(0, 60) },
  });
}

/** A rule that gets a place of its own is off until it is there. */
async function added(rules: Rules, input: RuleInput, goal: Item | 'last' | undefined): Promise<Item | undefined> {
  if (input.remove) fail('invalid_arguments', 'The entry in rules that removes a rule needs rule, its key.');
  const { out, items, guest, names } = rules;
  const isPorted = (input.dport ?? input.sport ?? '') !== '';
  if (isPorted && input.proto === undefined) out.choices.push(`proto tcp for port ${plainText(input.dport ?? input.sport ?? '', 40)}`);
  const base: Rule = { type: 'in', ...(isPorted ? { proto: 'tcp' } : {}), enable: '1' };
  const rule = await checkedRule(changedRule(base, input), guest, names);
  const same = items.findIndex((one) => ruleKeys([one.rule])[0] === ruleKeys([rule])[0]);
  if (same >= 0) return existing(rules, rule, same);
  const item: Item = { rule: goal === undefined ? rule : { ...rule, enable: '0' } };
  const next = [item, ...items];
  const purpose = `add a rule to ${rules.of}: ${ruleText(item.rule)}`;
  request(rules, { method: 'POST', params: sent(item.rule), purpose, proof: stands(rules, 0, item.rule) }, next);
  note(out, { text: `add ${ruleText(rule)}`, undo: `remove ${ruleText(rule)}` });
  if (goal !== undefined) {
    move(rules, item, goal, 'quietly');
    edit(rules, item, rule, 'quietly');
  }
  return item;
}

/** A rule that exists is named among the choices. The caller decides about one that is switched otherwise. */
function existing({ items, of, out }: Rules, rule: Rule, at: number): undefined {
  const key = ruleKeys(items.map((one) => one.rule))[at];
  const there = items[at]?.rule ?? {};
  if (there.enable !== rule.enable) {
    fail('conflict', `${of} has this rule already, switched ${rule.enable === '1' ? 'off' : 'on'}: ${ruleText(there)}.`, {
      hint: `Call again with rule "${key}" and enabled ${rule.enable === '1'}.`,
    });
  }
  out.choices.push(`${ruleText(rule)} exists already as rule ${key} at position ${at}`);
}

function edit(rules: Rules, item: Item, next: Rule, quietly?: 'quietly'): boolean {
  const { items, out, of } = rules;
  const was = item.rule;
  const set = Object.fromEntries(Object.entries(next).filter(([key, value]) => was[key] !== value));
  const gone = Object.keys(was).filter((key) => next[key] === undefined);
  if (Object.keys(set).length + gone.length === 0) return false;
  const pos = items.indexOf(item);
  item.rule = next;
  const params = { ...sent(set), ...(gone.length > 0 ? { delete: gone.join(',') } : {}) };
  const purpose = `change a rule of ${of} to ${ruleText(next)}`;
  request(rules, { method: 'PUT', pos, params, purpose, proof: stands(rules, pos, next) }, items);
  if (quietly) return true;
  const noted = was.comment === next.comment ? '' : ', with another comment';
  note(out, { text: `${ruleText(was)} → ${ruleText(next)}${noted}`, undo: `${ruleText(next)} back to ${ruleText(was)}${noted}` });
  return true;
}

/** Proxmox puts it before the rule at position `moveto`, or last where no rule has that position. */
function move(rules: Rules, item: Item, goal: Item | 'last', quietly?: 'quietly'): boolean {
  const { items, out, of } = rules;
  const pos = items.indexOf(item);
  const moveto = goal === 'last' ? items.length : items.indexOf(goal);
  if (moveto === pos || moveto === pos + 1) return false;
  const next = items.filter((one) => one !== item);
  next.splice(moveto > pos ? moveto - 1 : moveto, 0, item);
  const place = goal === 'last' ? 'behind all others' : `before ${ruleText(goal.rule)}`;
  const purpose = `move a rule of ${of} ${place}: ${ruleText(item.rule)}`;
  request(rules, { method: 'PUT', pos, params: { moveto }, purpose, proof: stands(rules, next.indexOf(item), item.rule) }, next);
  if (quietly) return true;
  note(out, { text: `move ${ruleText(item.rule)} ${place}`, undo: `${ruleText(item.rule)} back to position ${pos}` });
  return true;
}

/** @returns what holds afterwards */
function drop(rules: Rules, item: Item): Condition {
  const { items, out, of, draft } = rules;
  const pos = items.indexOf(item);
  const next = items.filter((one) => one !== item);
  const text = ruleText(item.rule);
  const isDouble = next.some(({ rule }) => JSON.stringify(fieldsOf(rule)) === JSON.stringify(fieldsOf(item.rule)));
  // Of equal rules only the number shows that one is gone.
  const row: Record<string, string | null> = isDouble ? { pos: String(next.length) } : fieldsOf(item.rule);
  const proof = listed(draft.path, row, 'absent', `the rule ${text} of ${of} is gone`);
  request(rules, { method: 'DELETE', pos, params: {}, purpose: `remove a rule of ${of}: ${text}`, proof }, next);
  const comment = item.rule.comment === undefined ? '' : ` with the comment "${plainText(item.rule.comment, 80)}"`;
  note(out, { text: `remove ${text}`, undo: `add ${text} again, at position ${pos}${comment}` });
  return proof;
}

interface Asked {
  method: 'POST' | 'PUT' | 'DELETE';
  pos?: number;
  params: Params;
  purpose: string;
  proof: Condition;
}

function request(rules: Rules, { pos, ...asked }: Asked, next: Item[]): void {
  const { draft, out } = rules;
  const { path } = draft;
  const id = `rule${out.steps.length + 1}`;
  out.steps.push(change(draft, { ...asked, id, path: pos === undefined ? path : `${path}/${pos}`, next: rowsOf(next) }));
  rules.items = next;
}

/** All fields of a rule, those that it does not have too. */
function fieldsOf(rule: Rule): Record<string, string | null> {
  return Object.fromEntries(RULE_FIELDS.map((key) => [key, rule[key] ?? null]));
}

function stands({ draft, of }: Rules, pos: number, rule: Rule): Condition {
  const row = { pos: String(pos), ...fieldsOf(rule) };
  return listed(draft.path, row, 'present', `the rule ${ruleText(rule)} of ${of} stands at position ${pos}`);
}

function rowsOf(items: readonly Item[]) {
  return items.map(({ rule }, pos) => ({ ...rule, pos: String(pos) }));
}

function sent(rule: Rule): Params {
  return Object.fromEntries(Object.entries(rule).map(([key, value]) => [key, key === 'enable' ? Number(value) : value]));
}
