import { type Context, integer, type Routes, text, Wider } from '../context.ts';
import { refuse } from '../errors.ts';
import { checkListDigest, checkRule, digestOfRows, firewallMacros, type Row, readFirewall, versionOf, writeFirewall } from '../firewall.ts';
import { splitList } from '../formats.ts';
import { optionsOf } from './guest/new-guest.ts';

const OPTIONS = ['node', 'vmid', 'group', 'delete', 'digest'];

/** A rule with the IP version its addresses say, which counts for the digest too. */
const complete = (rule: Row): Row => ({
  ...rule,
  enable: rule.enable ?? 0,
  ...versionOf(String(rule.source ?? rule.dest ?? '')),
});

const digestOfRules = (rules: Row[]): string => digestOfRows(rules.map(complete));

/** A rule as it is shown: with its place and the digest of the list. */
const shown = (rule: Row, pos: number, digest: string): Row => ({ ...complete(rule), pos, digest });

function numbers(options: Record<string, string>): Row {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [key, /^\d+$/.test(value) && key !== 'dport' && key !== 'sport' ? Number(value) : value]),
  );
}

/** The list that a request is about: the rules of a firewall, or those of a security group. */
function listOf(context: Context): Row[] {
  const doc = readFirewall(context);
  const group = text(context, 'group');
  if (group === undefined || !context.method.path.includes('/groups/')) return doc.rules;
  return (doc.groups?.[group] ?? refuse(`no such security group '${group}'`)).rules;
}

function save(context: Context, rules: Row[]): null {
  const doc = readFirewall(context);
  const group = text(context, 'group');
  if (group === undefined || !context.method.path.includes('/groups/')) return writeFirewall(context, { ...doc, rules });
  const groups = { ...doc.groups, [group]: { ...doc.groups?.[group], rules } };
  return writeFirewall(context, { ...doc, groups });
}

function placeOf(context: Context, rules: Row[]): number {
  const pos = integer(context, 'pos') ?? 0;
  if (!rules[pos]) refuse(`no rule at position ${pos}`);
  return pos;
}

function readRules(context: Context): Row[] {
  const rules = listOf(context);
  return rules.map((rule, pos) => shown(rule, pos, digestOfRules(rules)));
}

/** A new rule is always the first one; without `enable` it is off. */
function addRule(context: Context): null {
  const rules = listOf(context);
  checkListDigest(context, digestOfRules(rules));
  const rule = { enable: 0, ...numbers(optionsOf(context, [...OPTIONS, 'pos'])) };
  checkRule(context, rule);
  return save(context, [rule, ...rules]);
}

/** Either moves a rule, then everything else of the request is left aside, or changes it. */
function changeRule(context: Context): null {
  const rules = listOf(context);
  checkListDigest(context, digestOfRules(rules));
  const pos = placeOf(context, rules);
  const goal = integer(context, 'moveto');
  if (goal !== undefined && goal !== pos) {
    const rest = rules.filter((_, index) => index !== pos);
    return save(context, rest.toSpliced(goal > pos ? goal - 1 : goal, 0, rules[pos] as Row));
  }
  const changed: Row = { ...rules[pos], ...numbers(optionsOf(context, [...OPTIONS, 'pos', 'moveto'])) };
  for (const key of splitList(text(context, 'delete') ?? '')) delete changed[key];
  checkRule(context, changed);
  return save(context, rules.toSpliced(pos, 1, changed));
}

function deleteRule(context: Context): null {
  const rules = listOf(context);
  checkListDigest(context, digestOfRules(rules));
  return save(context, rules.toSpliced(placeOf(context, rules), 1));
}

function readRule(context: Context): Row {
  const rules = listOf(context);
  const pos = placeOf(context, rules);
  return { ...shown(rules[pos] ?? {}, pos, digestOfRules(rules)), pos: String(pos) };
}

function readOptions(context: Context): Row {
  const { options } = readFirewall(context);
  return { ...options, digest: digestOfRows([options]) };
}

function changeOptions(context: Context): null {
  const doc = readFirewall(context);
  checkListDigest(context, digestOfRows([doc.options]));
  const options: Row = { ...doc.options, ...numbers(optionsOf(context, OPTIONS)) };
  for (const key of splitList(text(context, 'delete') ?? '')) delete options[key];
  return writeFirewall(context, { ...doc, options });
}

const rulesBelow = (base: string): Routes => ({
  [`GET ${base}`]: readRules,
  [`POST ${base}`]: addRule,
  [`GET ${base}/{pos}`]: readRule,
  [`PUT ${base}/{pos}`]: changeRule,
  [`DELETE ${base}/{pos}`]: deleteRule,
});

const NO_LOG = () => new Wider([{ n: 1, t: 'unable to open file - No such file or directory' }], { total: 1 });

const GUESTS = ['qemu', 'lxc'].map((type) => `/nodes/{node}/${type}/{vmid}/firewall`);
const NODE = '/nodes/{node}/firewall';

const names = (...parts: string[]) => parts.map((name) => ({ name }));

export const FIREWALL_ROUTES: Routes = Object.assign(
  {
    'GET /cluster/firewall': () => names('aliases', 'rules', 'options', 'groups', 'ipset', 'macros', 'refs'),
    'GET /cluster/firewall/macros': () => Object.entries(firewallMacros()).map(([macro, descr]) => ({ macro, descr })),
    [`GET ${NODE}`]: () => names('rules', 'options', 'log'),
    ...rulesBelow('/cluster/firewall/groups/{group}'),
  },
  ...GUESTS.map((base) => ({ [`GET ${base}`]: () => names('rules', 'aliases', 'ipset', 'refs', 'options') })),
  ...[...GUESTS, NODE, '/cluster/firewall'].map((base) => ({
    ...rulesBelow(`${base}/rules`),
    [`GET ${base}/options`]: readOptions,
    [`PUT ${base}/options`]: changeOptions,
    ...(base === '/cluster/firewall' ? {} : { [`GET ${base}/log`]: NO_LOG }),
  })),
);
