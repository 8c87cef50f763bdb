import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { type Context, needed, nodeOf, text, vmidOf } from './context.ts';
import { readData } from './data.ts';
import { invalid, refuse } from './errors.ts';
import { registerFormat } from './formats.ts';
import type { Firewall } from './model.ts';

export type Row = Record<string, unknown>;

/** Where a firewall applies: to the cluster, to a node, or to a guest. */
export type Reach = 'cluster' | 'node' | 'guest';

export function reachOf(context: Context): Reach {
  if (context.method.path.startsWith('/cluster/')) return 'cluster';
  return /\/\{vmid\}\//.test(`${context.method.path}/`) ? 'guest' : 'node';
}

function keyOf(context: Context): string {
  const reach = reachOf(context);
  return reach === 'cluster' ? 'cluster' : reach === 'node' ? `node/${nodeOf(context)}` : String(vmidOf(context));
}

export function readFirewall(context: Context): Firewall {
  return context.world.get('firewall', keyOf(context)) ?? { rules: [], options: {} };
}

export function writeFirewall(context: Context, doc: Firewall): null {
  context.world.put('firewall', keyOf(context), doc);
  return null;
}

/** SHA-1 over the entries; an untouched list is an empty one. */
export function digestOfRows(rows: Row[]): string {
  const lines = rows.flatMap((row) => Object.entries(row).sort()).map(([key, value]) => `${key}:${value}\n`);
  return createHash('sha1').update(lines.join('')).digest('hex');
}

/** Refuses a change that was made for another list than this one. */
export function checkListDigest(context: Context, digest: string): void {
  const given = text(context, 'digest');
  if (given !== undefined && given !== digest) refuse('detected modified configuration - file changed by other user? Try again.');
}

let macros: Record<string, string> | undefined;

export function firewallMacros(): Record<string, string> {
  macros ??= (JSON.parse(readData('firewall-macros.json')) as { macros: Record<string, string> }).macros;
  return macros;
}

const SET = /^\+(?:(dc|guest|sdn)\/)?([A-Za-z][A-Za-z0-9\-_]+)$/;
const ALIAS = /^(?:(dc|guest)\/)?([A-Za-z][A-Za-z0-9\-_]+)$/;

const isAddress = (part: string): boolean => {
  const [from = '', to] = part.split('-');
  if (to !== undefined) return isIP(from) > 0 && isIP(from) === isIP(to);
  const [address = '', prefix] = part.split('/');
  const version = isIP(address);
  return version > 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128)));
};

/** A list of addresses, networks and ranges, or the name of one alias or set. */
function checkAddresses(value: string): string | undefined {
  if (SET.test(value) || ALIAS.test(value)) return undefined;
  const wrong = value.split(',').find((part) => !isAddress(part));
  return wrong === undefined ? undefined : `invalid IP address: Invalid chars in IP ${wrong}`;
}

registerFormat('pve-fw-addr-spec', checkAddresses);
registerFormat('IPorCIDR', (value) => (isAddress(value) ? undefined : 'value does not look like a valid IP address or CIDR network'));
registerFormat('IPorCIDRorAlias', (value) =>
  isAddress(value) || ALIAS.test(value) ? undefined : 'value does not look like a valid IP address or CIDR network',
);

const PORTED = new Set(['tcp', 'udp', 'dccp', 'sctp', 'udplite', '6', '17']);

/** Everything that is wrong with a rule, by option. */
export function checkRule(context: Context, rule: Row): void {
  const errors: Record<string, string> = {};
  const { type, action, macro, proto, iface } = rule as Record<string, string | undefined>;
  if (type === 'group') {
    if (!/^[A-Za-z][A-Za-z0-9\-_]+$/.test(action ?? '')) errors.action = 'invalid characters in security group name';
  } else if (!/^(ACCEPT|DROP|REJECT)$/.test(action ?? '')) errors.action = `unknown action '${action}'`;
  if (type === 'forward' && reachOf(context) === 'guest') errors.type = "invalid rule type 'forward' for rule_env 'vm'";
  if (iface !== undefined && reachOf(context) === 'guest' && !/^net\d+$/.test(iface))
    errors.iface = "value does not match the regex pattern 'net\\d+'";
  if (macro !== undefined && !(macro in firewallMacros())) errors.macro = `unknown macro '${macro}'`;
  for (const port of ['dport', 'sport', 'icmp-type']) {
    if (rule[port] === undefined) continue;
    if (proto === undefined) errors.proto = `missing property - '${port}' requires this property`;
    else if (port !== 'icmp-type' && !PORTED.has(proto)) errors[port] = `protocol '${proto}' does not support ports`;
  }
  for (const end of ['source', 'dest']) checkReference(context, errors, end, rule[end] as string | undefined);
  if (Object.keys(errors).length > 0) invalid(errors);
}

/** A name has to be that of an alias or a set of this firewall or of the cluster. */
function checkReference(context: Context, errors: Record<string, string>, end: string, value: string | undefined): void {
  if (value === undefined) return;
  const docs = [readFirewall(context), context.world.get('firewall', 'cluster')];
  const set = SET.exec(value);
  const alias = set ? undefined : isAddress(value) ? undefined : ALIAS.exec(value);
  if (set && !docs.some((doc) => doc?.ipsets?.[set[2] as string])) errors[end] = `no such ipset '${set[2]}'`;
  if (alias && !docs.some((doc) => doc?.aliases?.[(alias[2] as string).toLowerCase()])) errors[end] = `no such alias '${value}'`;
}

/** Version of the addresses that a text begins with. */
export function versionOf(address: string): { ipversion?: 4 | 6 } {
  const version = isIP((address.split(/[,/-]/)[0] ?? '').trim());
  return version === 4 || version === 6 ? { ipversion: version } : {};
}

export const nameOf = (context: Context): string => needed(context, 'name');
