import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import { type Entry, type GuestFirewall, readAliases, readSet, readSets, ruleKeys, ruleView } from '../../../proxmox/guest/firewall.ts';
import type { GuestAt } from '../../../proxmox/guest/guests.ts';

/** Rows of a list in one answer. */
const MAX_ROWS = 60;
/** IP sets whose addresses are read, each with a request of its own. */
const MAX_SETS = 10;

/** Options and rules for a reader; each rule with the key that update_firewall takes. */
export function firewallView({ options, rules }: GuestFirewall) {
  const keys = ruleKeys(rules);
  return {
    firewall: {
      enabled: options.enable === '1',
      policy_in: plainText(options.policy_in ?? '', 40),
      policy_out: plainText(options.policy_out ?? '', 40),
      ...(options.ipfilter === '1' ? { ipfilter: true } : {}),
    },
    firewall_rules: rules.slice(0, MAX_ROWS).map((rule, pos) => ruleView(rule, keys[pos] ?? '', pos)),
    ...(rules.length > MAX_ROWS ? { firewall_notice: `${rules.length - MAX_ROWS} more rules are left out` } : {}),
  };
}

/** IP sets and aliases of the guest; nothing where it has none. */
export async function namesView(api: ProxmoxReader, at: GuestAt) {
  const [aliases, sets] = await Promise.all([readAliases(api, at), readSets(api, at)]);
  const filled = await Promise.all(
    sets.rows.slice(0, MAX_SETS).map(async ({ name }) => [name, (await readSet(api, at, name)).rows] as const),
  );
  const texts = (rows: Entry[]) => [
    ...rows.slice(0, MAX_ROWS).map(({ cidr, nomatch }) => plainText(`${nomatch ? '!' : ''}${cidr}`, 60)),
    ...(rows.length > MAX_ROWS ? [`${rows.length - MAX_ROWS} more`] : []),
  ];
  const ipSets = Object.fromEntries([
    ...filled.map(([name, rows]) => [name, texts(rows)]),
    ...sets.rows.slice(MAX_SETS).map(({ name }) => [name, ['not read']]),
  ]);
  const ipAliases = aliases.rows.slice(0, MAX_ROWS).map(({ name, cidr }) => [plainText(name, 64), plainText(cidr, 60)]);
  return {
    ...(sets.rows.length > 0 ? { ip_sets: ipSets } : {}),
    ...(ipAliases.length > 0 ? { ip_aliases: Object.fromEntries(ipAliases) } : {}),
  };
}
