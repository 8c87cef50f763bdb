import * as z from 'zod';
import { fail } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { nearest } from '../../../core/text/nearest.ts';
import { plainText } from '../../../core/text/text.ts';
import { firewallPath, type Rule } from '../../../proxmox/guest/firewall.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import { line } from '../lib/schemas.ts';
import { label } from '../lib/target.ts';
import { network, setName } from './parts.ts';

/** A value, or empty: the field is removed. */
const field = z.string().refine((text) => text === '' || line(512).safeParse(text).success, { message: 'must be one line' });

export const ruleInput = z.strictObject({
  rule: z.string().optional().describe('Key from get_vm; without it a new rule'),
  remove: z.boolean().optional(),
  before: z.string().optional().describe('Key, or last; a new rule goes first'),
  enabled: z.boolean().optional(),
  type: z.enum(['in', 'out', 'group']).optional(),
  action: z.string().optional().describe('ACCEPT, DROP, REJECT, or the group'),
  macro: field.optional(),
  proto: field.optional(),
  dport: field.optional(),
  sport: field.optional(),
  icmp_type: field.optional(),
  source: field.optional().describe('Networks, +ip_set or alias'),
  dest: field.optional(),
  iface: field.optional().describe('net0'),
  log: field.optional(),
  comment: field.optional(),
});
export type RuleInput = z.output<typeof ruleInput>;

const TEXTS = ['type', 'action', 'macro', 'proto', 'dport', 'sport', 'icmp_type', 'source', 'dest', 'iface', 'log', 'comment'] as const;
export const LOG_LEVELS: readonly string[] = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug', 'nolog'];
const PORTED = ['tcp', 'udp', 'dccp', 'sctp', 'udplite', '6', '17'];

/** The rule with the given fields changed; a field that is given empty goes. */
export function changedRule(was: Rule, given: RuleInput): Rule {
  const next: Rule = { ...was };
  for (const name of TEXTS) {
    const value = given[name]?.trim();
    const key = name.replace('_', '-');
    if (value === '') delete next[key];
    else if (value !== undefined) next[key] = key === 'comment' ? value : spelled(key, value.replace(/\s*,\s*/g, ','));
  }
  if (given.enabled !== undefined) next.enable = given.enabled ? '1' : '0';
  return next;
}

/** IP sets and protocols as Proxmox finds them. A set of a virtual network has the case of the network. */
function spelled(key: string, text: string): string {
  if (text.startsWith('+sdn/')) return text;
  return text.startsWith('+') ? setName(text) : key === 'proto' ? text.toLowerCase() : text;
}

/** Names that rules may use: macros, security groups, IP sets and aliases. */
export interface Names {
  macros: () => Promise<string[]>;
  /** `+dc/office`, `guest/printer`, and those that this call makes. */
  references: () => Promise<string[]>;
  groups: () => Promise<string[]>;
}

export function namesOf(api: ProxmoxReader, { at }: Pick<Guest, 'at'>, made: readonly string[]): Names {
  return {
    macros: async () => (await api.get<{ macro: string }[]>('/cluster/firewall/macros')).map(({ macro }) => macro),
    references: async () => [...made, ...(await api.get<{ ref: string }[]>(`${firewallPath(at)}/refs`)).map(({ ref }) => ref)],
    groups: async () => (await api.get<{ group: string }[]>('/cluster/firewall/groups')).map(({ group }) => group),
  };
}

/** The rule as Proxmox stores it. @throws what Proxmox would refuse, and a name that does not exist */
export async function checkedRule(rule: Rule, guest: Guest, names: Names): Promise<Rule> {
  const next = { ...rule };
  const { type, iface, proto, dport, sport, log } = next;
  if (type === 'group') next.action = checkOneOf('security group', next.action?.toLowerCase() ?? '', await names.groups());
  else next.action = action(next.action);
  if (next.macro !== undefined) next.macro = await macro(next.macro, names);
  if ((dport ?? sport) !== undefined && !PORTED.includes(proto ?? '')) {
    fail('invalid_arguments', `A rule with ports needs proto tcp or udp${proto === undefined ? '' : `, not ${plainText(proto, 40)}`}.`);
  }
  if (next['icmp-type'] !== undefined && !/^(?:ipv6-)?icmp(?:v6)?$/.test(proto ?? '')) {
    fail(
      'invalid_arguments',
      `A rule with icmp_type needs proto icmp or ipv6-icmp${proto === undefined ? '' : `, not ${plainText(proto, 40)}`}.`,
    );
  }
  for (const ports of [dport, sport]) if (ports !== undefined) checkPorts(ports);
  for (const end of [next.source, next.dest]) if (end !== undefined) await checkEnd(end, names);
  if (iface !== undefined && guest.config[iface] === undefined) fail('not_possible', `${label(guest)} has no ${plainText(iface, 40)}.`);
  if (log !== undefined) await checkOneOf('log level', log, LOG_LEVELS);
  return next;
}

function action(text: string | undefined): string {
  const upper = text?.toUpperCase() ?? '';
  if (['ACCEPT', 'DROP', 'REJECT'].includes(upper)) return upper;
  return fail('invalid_arguments', 'A rule needs action ACCEPT, DROP or REJECT.');
}

async function macro(text: string, names: Names): Promise<string> {
  const all = await names.macros();
  const found = all.find((one) => one.toLowerCase() === text.toLowerCase());
  return found ?? checkOneOf('macro', text, all);
}

function checkOneOf(what: string, text: string, all: readonly string[]): string {
  if (all.includes(text)) return text;
  const near = nearest(text, all).map((one) => plainText(one, 40));
  return fail('not_possible', `The ${what} ${plainText(text, 80)} does not exist.`, {
    hint: near.length > 0 ? `Similar: ${near.join(', ')}.` : `Use one that exists.`,
  });
}

/** `80`, `80,443`, `8000:8100`, or names such as `https`. */
function checkPorts(text: string): void {
  for (const port of text.split(',')) {
    const ends = port.split(':');
    const isPort = (end: string) => (/^\d{1,5}$/.test(end) ? Number(end) <= 65_535 : ends.length === 1 && /^[a-z][\w.-]*$/i.test(end));
    if (ends.length > 2 || !ends.every(isPort))
      fail('invalid_arguments', `"${plainText(port, 40)}" is not a port such as 443 or 8000:8100.`);
  }
}

async function checkEnd(text: string, names: Names): Promise<void> {
  const isName = /^\+|^(?:(?:dc|guest)\/)?[A-Za-z][\w-]*$/.test(text) && !/^[0-9a-f]*:/i.test(text);
  if (!isName) {
    for (const one of text.split(',')) network(one);
    return;
  }
  // Those of virtual networks are not listed.
  if (text.startsWith('+sdn/')) return;
  const all = await names.references();
  const full = /\//.test(text) ? [text] : ['guest', 'dc'].map((scope) => text.replace(/^(\+?)/, `$1${scope}/`));
  if (!full.some((one) => all.some((ref) => ref.toLowerCase() === one.toLowerCase()))) {
    checkOneOf(text.startsWith('+') ? 'IP set' : 'alias', text, all);
  }
}
