import * as z from 'zod';
import { defined } from '../../../../core/defined.ts';
import { fail } from '../../../../core/errors/errors.ts';
import { ipVersion, parseNetwork } from '../../../../core/network.ts';
import type { Params, ParamValue } from '../../../../core/plan/plan.ts';
import type { ProxmoxVersion } from '../../../../core/proxmox.ts';
import { itemsOf, parseProperties } from '../../../../proxmox/guest/property-strings.ts';
import { encodeSshKeys } from '../../../../proxmox/guest/ssh-keys.ts';
import { secret } from '../../../secret.ts';
import { line, lines } from '../../lib/schemas.ts';

const ipconfig = line(200);

const options = {
  user: line(64).optional(),
  password: secret(line(256)).optional(),
  sshkeys: lines(32_768).optional().describe('Public keys, one a line'),
  ipconfig0: ipconfig.optional().describe('ip=dhcp or ip=CIDR,gw=IP (ip=dhcp)'),
  ipconfig1: ipconfig.optional(),
  nameserver: line(200).optional(),
  searchdomain: line(253).optional(),
  ciupgrade: z.boolean().optional(),
};
/** Proxmox knows ipconfig0 to ipconfig31; advertising the first two and taking the others costs an agent the fewest tokens. */
const FURTHER = /^ipconfig([2-9]|[12]\d|3[01])$/;

export const cloudInit = z
  .object(options)
  .catchall(z.unknown())
  .superRefine((value, ctx) => {
    const more = Object.entries(value).filter(([key]) => !Object.hasOwn(options, key));
    const unknown = more.map(([key]) => key).filter((key) => !FURTHER.test(key));
    if (unknown.length > 0) ctx.addIssue({ code: 'unrecognized_keys', keys: unknown, input: value });
    for (const [key, text] of more.filter(([key]) => FURTHER.test(key))) {
      for (const { code, message } of ipconfig.safeParse(text).error?.issues ?? [])
        ctx.addIssue({ code: 'custom', message: code === 'invalid_type' ? 'must be text' : message, path: [key] });
    }
  })
  // Strict schemas of several model providers cannot express a free-form map.
  .meta({ additionalProperties: false });
export type CloudInit = z.output<typeof cloudInit>;

/**
 * The options of a VM for a cloud_init argument. The password is a reference by now.
 * @throws invalid_arguments for what Proxmox would refuse, unsupported_version
 */
export function cloudInitParams(ci: CloudInit, version: ProxmoxVersion): Params {
  if (ci.ciupgrade !== undefined && version.major < 8) {
    fail('unsupported_version', `ciupgrade needs Proxmox VE 8.0, but this node has ${version.version}.`);
  }
  const addresses = ipconfigsOf(ci);
  for (const [key, value] of addresses) checkAddress(key, value);
  const servers = serversOf(ci.nameserver);
  if (ci.nameserver !== undefined && servers.length === 0) fail('invalid_arguments', 'cloud_init.nameserver names no server.');
  for (const server of servers) {
    if (ipVersion(server) === undefined)
      fail('invalid_arguments', `cloud_init.nameserver: ${server.slice(0, 60)} is not an IP address (without a zone).`);
  }
  return {
    ...defined({ ciuser: ci.user }),
    // The engine put a reference in the place of the text before any plan was made.
    ...(ci.password === undefined ? {} : { cipassword: ci.password as ParamValue }),
    ...(ci.sshkeys === undefined ? {} : { sshkeys: encodeSshKeys(ci.sshkeys) }),
    ...Object.fromEntries(addresses),
    ...(ci.nameserver === undefined ? {} : { nameserver: servers.join(' ') }),
    ...defined({ searchdomain: ci.searchdomain?.trim(), ciupgrade: ci.ciupgrade }),
  };
}

/** The addresses among options or parameters: `ipconfig0` and its text. */
export function ipconfigsOf(values: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.entries(values).filter(
    (entry): entry is [string, string] => /^ipconfig\d+$/.test(entry[0]) && typeof entry[1] === 'string',
  );
}

/** The addresses of name servers, which may stand between blanks, commas or semicolons. */
export function serversOf(text = ''): string[] {
  return itemsOf(text);
}

/** `ip=10.0.0.5/24,gw=10.0.0.1`, `ip=dhcp`, `ip6=auto`, … */
function checkAddress(key: string, value: string): void {
  const hint = 'Examples: "ip=dhcp", "ip=10.0.0.5/24,gw=10.0.0.1", "ip=dhcp,ip6=auto".';
  const bad = (what: string) => fail('invalid_arguments', `cloud_init.${key}: ${what}.`, { hint });
  const parts = parseProperties(value, '');
  const names = value.split(',').map((part) => part.split('=')[0] ?? '');
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) bad(`${twice.slice(0, 40)} is given twice`);
  for (const [name, text] of Object.entries(parts)) {
    const version = name.endsWith('6') ? 6 : 4;
    if (!['ip', 'gw', 'ip6', 'gw6'].includes(name))
      bad(`"${(name || text).slice(0, 40)}" is not one of ip=, gw=, ip6=, gw6=${meant(name, text)}`);
    else if (name.startsWith('gw')) {
      if (ipVersion(text) !== version) bad(`${name} must be an IPv${version} address`);
      const own = parts[version === 4 ? 'ip' : 'ip6'];
      if (own === undefined || own === 'dhcp' || own === 'auto') bad(`${name} needs a static ${version === 4 ? 'ip' : 'ip6'}`);
    } else if (text !== 'dhcp' && !(version === 6 && text === 'auto')) {
      if (!text.includes('/') || parseNetwork(text)?.version !== version) bad(`${name} must be dhcp or an address with its prefix length`);
    }
  }
}

/** Suggests the key for an address without one: Proxmox has no default key here. */
function meant(name: string, text: string): string {
  if (name !== '') return '';
  const version = ipVersion(text.split('/')[0] ?? '');
  const key = version === 6 || text === 'auto' ? 'ip6' : 'ip';
  return text === 'dhcp' || text === 'auto' || version !== undefined ? `: write "${key}=${text.slice(0, 40)}"` : '';
}
