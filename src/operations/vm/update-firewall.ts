import * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import type { PlanDraft } from '../../core/plan/plan.ts';
import { type GuestFirewall, OPTION_DEFAULTS, RULE_FIELDS, readFirewall } from '../../proxmox/guest/firewall.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { aliasInput, planAliases } from './firewall/aliases.ts';
import type { Filter } from './firewall/decision.ts';
import { refuseLockOut } from './firewall/lock-out.ts';
import { optionsGiven, optionsInput, planOptions, stateText } from './firewall/options.ts';
import { part, setName } from './firewall/parts.ts';
import { namesOf, ruleInput } from './firewall/rule-input.ts';
import { planRules } from './firewall/rules.ts';
import { planSets, refuseUsed, setInput } from './firewall/sets.ts';
import { firewallView } from './firewall/view.ts';
import { firewallWarnings } from './firewall/warnings.ts';
import { ADDRESS_READS, FIREWALL_NAMES, FIREWALL_READS, GUEST_READS, ofBoth } from './lib/api.ts';
import { alreadySo, placeOf, reportOf } from './lib/outcome.ts';
import { changed, vmid } from './lib/schemas.ts';
import { about, label, readTarget, type Target } from './lib/target.ts';

const input = z.strictObject({
  vmid,
  ...optionsInput,
  rules: z.array(ruleInput).min(1).max(20).optional(),
  ip_sets: z.array(setInput).min(1).max(10).optional(),
  aliases: z.array(aliasInput).min(1).max(20).optional(),
});
type Args = z.output<typeof input>;

const RULE = [...RULE_FIELDS, 'digest'];
const OPTIONS = Object.keys(OPTION_DEFAULTS);
const BASE = '/nodes/{node}/{type}/{vmid}/firewall';

/** POST, PUT and DELETE below …/firewall/rules, ipset and aliases, and PUT …/firewall/options. Each names the digest of the list that it changes. */
export const updateFirewall = defineOperation({
  name: 'update_firewall',
  title: 'Change the firewall of a guest',
  effect: 'disrupt',
  toolset: 'firewall',
  description:
    "Adds, changes, moves and removes a guest's own firewall rules, its options, IP sets and aliases. Call get_vm with fields firewall for the keys of rules. Not for cluster or node rules.",
  input,
  byName: { vmid: 'name' },
  output: changed.extend({ firewall: z.looseObject({}).optional(), firewall_rules: z.array(z.looseObject({})).optional() }),
  tables: ['firewall_rules'],
  reads: [...GUEST_READS, ...FIREWALL_READS],
  mayRead: [
    ...FIREWALL_NAMES,
    ...ADDRESS_READS,
    'GET /cluster/firewall/options',
    'GET /cluster/firewall/macros',
    'GET /cluster/firewall/groups',
  ],
  sends: ofBoth(`POST ${BASE}/rules`, RULE),
  maySend: {
    ...ofBoth(`PUT ${BASE}/rules/{pos}`, [...RULE, 'delete', 'moveto']),
    ...ofBoth(`DELETE ${BASE}/rules/{pos}`, ['digest']),
    ...ofBoth(`PUT ${BASE}/options`, [...OPTIONS, 'digest']),
    ...ofBoth(`POST ${BASE}/ipset`, ['name', 'comment', 'digest']),
    ...ofBoth(`DELETE ${BASE}/ipset/{name}`),
    ...ofBoth(`POST ${BASE}/ipset/{name}`, ['cidr', 'nomatch']),
    ...ofBoth(`DELETE ${BASE}/ipset/{name}/{cidr}`, ['digest']),
    ...ofBoth(`POST ${BASE}/aliases`, ['name', 'cidr', 'comment']),
    ...ofBoth(`PUT ${BASE}/aliases/{name}`, ['cidr', 'comment', 'digest']),
    ...ofBoth(`DELETE ${BASE}/aliases/{name}`, ['digest']),
  },
  example: { vmid: 105, rules: [{ action: 'ACCEPT', proto: 'tcp', dport: '8080', comment: 'nightly images' }] },
  async plan(ctx, args): Promise<PlanDraft> {
    const asked = Object.entries(args).filter(([key, value]) => key !== 'vmid' && value !== undefined);
    if (asked.length === 0) fail('invalid_arguments', 'update_firewall needs at least one change.');
    const target = await readTarget(ctx.api, args.vmid);
    const { guest } = target;
    const of = label(guest);
    const now = await readFirewall(ctx.api, guest.at);
    const { all, rules } = await partsOf(ctx, target, now, args);
    if (all.texts.length === 0) return { ...alreadySo(target, `The firewall of ${of} is so already`), choices: all.choices };
    const before: Filter = { options: now.options, rules: now.rules };
    const after: Filter = { options: { ...now.options, ...optionsGiven(args) }, rules, changed: changedNames(args) };
    const unknown = await refuseLockOut(ctx, target, { before, after });
    const digests = {
      [`firewall rules of ${of}`]: { digest: now.digests.rules },
      [`firewall options of ${of}`]: { digest: now.digests.options },
    };
    return {
      ...about(target),
      summary: `Change the firewall of ${of}: ${all.texts.join(', ')}`,
      steps: [...all.early, ...all.steps, ...all.late],
      expected: all.expected,
      binds: { ...digests, ...all.binds },
      choices: all.choices,
      warnings: [...unknown, ...(await firewallWarnings(ctx.api, target, { before, after }))],
      before: { firewall: stateText(before.options) },
      after: { firewall: stateText(after.options) },
      undo: `update_firewall: ${all.undo.join('; ')}`,
    };
  },
  async report(api, run) {
    const report = await reportOf(api, run);
    const state = await readFirewall(api, placeOf(run)).catch(() => undefined);
    return { ...report, ...(state ? firewallView(state) : {}) };
  },
});

async function partsOf(ctx: OperationContext, { guest }: Target, now: GuestFirewall, args: Args) {
  const { rules: inputs = [], ip_sets = [], aliases = [] } = args;
  const made = [
    ...ip_sets.filter(({ remove }) => !remove).map(({ name }) => `+guest/${setName(name)}`),
    ...aliases.filter(({ remove }) => !remove).map(({ name }) => `guest/${name}`),
  ];
  const names = namesOf(ctx.api, guest, made);
  const all = part();
  await planAliases(all, ctx.api, guest, aliases);
  await planSets(all, ctx.api, guest, ip_sets);
  const rules = await planRules(all, { guest, now, names }, inputs);
  const removed = (list: readonly { name: string; remove?: boolean | undefined }[]) =>
    list.flatMap(({ name, remove }) => (remove ? [name] : []));
  refuseUsed('IP set', removed(ip_sets), rules, label(guest));
  refuseUsed('alias', removed(aliases), rules, label(guest));
  planOptions(all, guest, now, args);
  return { all, rules };
}

/** As rules name them. */
function changedNames({ ip_sets = [], aliases = [] }: Args): string[] {
  return [...ip_sets.map(({ name }) => `+${name}`), ...aliases.map(({ name }) => name)].map((name) => name.toLowerCase());
}
