import type { GetApi } from '../../core/proxmox.ts';
import { digestOf } from '../../core/text/canonical.ts';
import { isSet } from '../../core/text/sizes.ts';
import { plainText } from '../../core/text/text.ts';
import { digestOfList, type ListRow, MADE } from '../listed.ts';
import { path } from './encode.ts';
import { type GuestAt, guestPath } from './guests.ts';

/** A rule by its fields under Proxmox's names, as text; `enable` is 1 or 0. */
export type Rule = Record<string, string>;

/** The fields of rules in the order in which they are read. */
export const RULE_FIELDS = [
  'type',
  'action',
  'enable',
  'macro',
  'proto',
  'dport',
  'sport',
  'icmp-type',
  'source',
  'dest',
  'iface',
  'log',
  'comment',
];
/** Fields that leave a rule the same one. */
const ASIDE = ['enable', 'log', 'comment'];

/** Options by Proxmox's names, as text. */
export type Options = Record<string, string>;
/** Values that count where nothing is set: Proxmox drops what comes in and lets out. */
export const OPTION_DEFAULTS: Options = {
  ...{ enable: '0', policy_in: 'DROP', policy_out: 'ACCEPT', ipfilter: '0', macfilter: '1', dhcp: '0', ndp: '1', radv: '0' },
  ...{ log_level_in: 'nolog', log_level_out: 'nolog' },
};

/** A guest's own firewall. It acts where it is enabled here, for the cluster, and on the network device. */
export interface GuestFirewall {
  /** With Proxmox's defaults. */
  options: Options;
  /** In the order in which they are tried. */
  rules: Rule[];
  /** SHA-1 of the options and of the rules. */
  digests: { options: string; rules: string };
}

export function firewallPath(at: GuestAt): string {
  return `${guestPath(at)}/firewall`;
}

/** `GET …/firewall/options` and `GET …/firewall/rules` */
export async function readFirewall(api: GetApi, at: GuestAt): Promise<GuestFirewall> {
  const place = firewallPath(at);
  const [{ digest, ...options }, rows] = await Promise.all([
    api.get<Record<string, unknown>>(`${place}/options`),
    api.get<ListRow[]>(`${place}/rules`),
  ]);
  return {
    options: { ...OPTION_DEFAULTS, ...Object.fromEntries(Object.entries(options).map(([key, value]) => [key, String(value)])) },
    rules: [...rows].sort((a, b) => Number(a.pos) - Number(b.pos)).map(ruleOf),
    digests: { options: String(digest ?? ''), rules: digestOfList(rows) },
  };
}

function ruleOf(row: ListRow): Rule {
  const fields = Object.entries(row).filter(
    ([key, value]) => key !== 'pos' && !MADE.includes(key) && value !== undefined && value !== null,
  );
  return Object.fromEntries(fields.map(([key, value]) => [key, String(value)]));
}

export function isOn(rule: Rule): boolean {
  return isSet(rule.enable);
}

/** A rule on one line: `in ACCEPT tcp dport 22 source 10.0.0.0/8`. */
export function ruleText(rule: Rule): string {
  const parts = RULE_FIELDS.flatMap((key) => {
    const value = rule[key];
    if (value === undefined || key === 'enable' || key === 'comment') return [];
    return ['type', 'action', 'macro', 'proto'].includes(key) ? [value] : [`${key} ${value}`];
  });
  return plainText(`${parts.join(' ')}${isOn(rule) ? '' : ' (off)'}`, 200);
}

/** A rule for a reader, with its key and place. */
export function ruleView(rule: Rule, key: string, pos: number): Record<string, string | number> {
  const shown = RULE_FIELDS.filter((field) => rule[field] !== undefined).map((field) => [field, plainText(rule[field] ?? '', 120)]);
  return { rule: key, pos, ...Object.fromEntries(shown), enable: isOn(rule) ? 1 : 0 };
}

/**
 * A key for each rule, made of what the rule matches and does. It stays when positions shift, when the rule is switched on or off, and when its
 * comment changes. Of equal rules the later ones have a number behind it.
 */
export function ruleKeys(rules: readonly Rule[]): string[] {
  const seen = new Map<string, number>();
  return rules.map((rule) => {
    const hash = digestOf(Object.fromEntries(Object.entries(rule).filter(([key]) => !ASIDE.includes(key)))).slice(0, 8);
    const count = (seen.get(hash) ?? 0) + 1;
    seen.set(hash, count);
    return count === 1 ? hash : `${hash}-${count}`;
  });
}

/** An alias, or an address in a set. */
export type Entry = { cidr: string; comment?: string; nomatch?: '1' };
/** A list with the digest that its changes name. */
interface Digested<T> {
  rows: T[];
  digest: string;
}

/** `GET …/firewall/aliases` */
export async function readAliases(api: GetApi, at: GuestAt): Promise<Digested<Entry & { name: string }>> {
  return readList(api, `${firewallPath(at)}/aliases`, (row) => ({ name: String(row.name), ...entryOf(row) }));
}

/** `GET …/firewall/ipset` */
export async function readSets(api: GetApi, at: GuestAt): Promise<Digested<{ name: string; comment?: string }>> {
  return readList(api, `${firewallPath(at)}/ipset`, (row) => ({ name: String(row.name), ...commentOf(row) }));
}

/** `GET …/firewall/ipset/{name}` */
export async function readSet(api: GetApi, at: GuestAt, name: string): Promise<Digested<Entry>> {
  return readList(api, `${firewallPath(at)}${path`/ipset/${name}`}`, entryOf);
}

async function readList<T>(api: GetApi, path: string, of: (row: ListRow) => T): Promise<Digested<T>> {
  const rows = await api.get<ListRow[]>(path);
  return { rows: rows.map(of), digest: digestOfList(rows) };
}

function entryOf(row: ListRow): Entry {
  return { cidr: String(row.cidr), ...commentOf(row), ...(isSet(row.nomatch) ? { nomatch: '1' as const } : {}) };
}

function commentOf({ comment }: ListRow): { comment?: string } {
  return comment === undefined ? {} : { comment: String(comment) };
}
