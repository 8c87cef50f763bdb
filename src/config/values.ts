import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import * as z from 'zod';
import { ipVersion, isThisMachine, parseNetwork } from '../core/network.ts';
import type { AnchorPlace, QuotaScope } from '../core/settings/settings.ts';
import { TOOLSETS, type Toolset } from '../core/settings/toolset.ts';

/** The types of values that variables have. Each takes the text of a variable; messages say what would be right and never repeat the value. */

/**
 * One step instead of several: dozens of variables have such a type, and every start makes them all.
 * @param read takes the trimmed text; undefined where it is not a value
 */
function parsed<T>(expected: string | ((text: string) => string), read: (text: string) => T | undefined) {
  return z.string().transform((value, ctx) => {
    const given = value.trim();
    const result = read(given);
    if (result !== undefined) return result;
    ctx.addIssue(typeof expected === 'string' ? expected : expected(given));
    return z.NEVER;
  });
}

/** Parts separated by commas. */
function partsOf(value: string): string[] {
  return value.split(',').flatMap((part) => part.trim() || []);
}

export const text = z.string().trim().min(1, 'not empty');

/** One of some words. */
export function oneOf<const T extends readonly string[]>(words: T) {
  return z.enum(words, `one of ${words.join(', ')}`);
}

/** A whole number between two bounds, both included. */
export function whole(min: number, max: number) {
  return parsed(`a whole number from ${min} to ${max}`, (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : undefined;
  });
}

export const flag = parsed('true or false', (value) => {
  if (/^(true|1|yes|on)$/i.test(value)) return true;
  return /^(false|0|no|off)$/i.test(value) ? false : undefined;
});

/** A list of groups of tools, or `all`. */
export const toolsets = parsed(`all, or some of ${TOOLSETS.join(', ')}, separated by commas`, (value): readonly Toolset[] | undefined => {
  const names = value
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((name) => name !== '');
  if (names.includes('all')) return TOOLSETS;
  const chosen = TOOLSETS.filter((name) => names.includes(name));
  return names.length > 0 && names.every((name) => chosen.some((one) => one === name)) ? chosen : undefined;
});

function absolutePath(value: string): string | undefined {
  const path = value === '~' || value.startsWith('~/') ? join(homedir(), value.slice(1)) : value;
  return isAbsolute(path) ? path : undefined;
}

/** A file or folder: absolute or below the home folder, never relative to wherever an agent started the server. */
export const folder = parsed('an absolute path (or one that begins with ~/)', absolutePath);

/** https://pve.proxmox.com/wiki/User_Management#pveum_tokens */
export const tokenId = parsed(tokenIdProblem, (id) =>
  !PASTED_HEADER.test(id) && /^[^\s:/!]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+$/.test(id) ? id : undefined,
);

/** From the Authorization header in Proxmox's documentation. */
const PASTED_HEADER = /^PVEAPIToken=/i;

function tokenIdProblem(id: string): string {
  const form = 'user@realm!name, for example mcp@pve!agent';
  if (PASTED_HEADER.test(id)) return `only ${form}, without "PVEAPIToken=" before it and the secret after it`;
  if (id.includes('=')) return `only ${form}; the secret after "=" belongs in PROXMOX_TOKEN_SECRET`;
  if (!id.includes('!')) return `${form}; the "!name" of the token is missing (in a shell, put the value in single quotes)`;
  if (!id.includes('@')) return `${form}; the "@realm" of the user is missing (pam for Linux users, pve for Proxmox's own)`;
  return form;
}

export const fingerprints = parsed('a SHA-256 fingerprint: 32 pairs of hexadecimal digits, AA:BB:…', (value) => {
  const plain = partsOf(value).map((part) => part.toUpperCase().replaceAll(':', ''));
  return plain.every((part) => /^[0-9A-F]{64}$/.test(part)) ? plain.map((part) => (part.match(/../g) ?? []).join(':')) : undefined;
});

/** Without a port: PROXMOX_PORT. */
type HostAndPort = { host: string; port?: number };

export const endpoints = parsed(
  'a host name or address, or several separated by commas, for example 192.168.1.10 or https://pve.example.org:8006/',
  (value) => {
    const found = partsOf(value).map(parseEndpoint);
    return found.every((one) => one !== undefined) ? found : undefined;
  },
);

/**
 * `host`, `host:port`, `[v6]:port`, a bare IPv6 address, or a URL copied from the browser (path and fragment are dropped). A link-local
 * address may name its interface (`fe80::1%eth0`, RFC 4007; in a URL `%25eth0`, RFC 6874), which no URL parser takes.
 */
function parseEndpoint(written: string): HostAndPort | undefined {
  if (/^http:\/\//i.test(written)) return undefined;
  const zone = /(?<=fe[89ab][0-9a-f]:[0-9a-f:]*)%(?:25)?([\w.-]+)/i.exec(written);
  const item = zone ? written.replace(zone[0], '') : written;
  const bareV6 = /^[0-9a-f]*:[0-9a-f:]*:[0-9a-f:.]*$/i.test(item);
  const url = /^https:\/\//i.test(item) ? item : `https://${bareV6 ? `[${item}]` : item}`;
  if (!URL.canParse(url)) return undefined;
  const { hostname, port, username } = new URL(url);
  if (hostname === '' || username !== '') return undefined;
  const host = `${hostname.replace(/^\[|\]$/g, '')}${zone ? `%${zone[1]}` : ''}`;
  // A URL drops the default port of its scheme: https://host:443 means 443, not PROXMOX_PORT.
  const named = port !== '' ? Number(port) : /:443(\/|$)/.test(item) && !bareV6 ? 443 : undefined;
  return named === undefined ? { host } : { host, port: named };
}

export const quotaScope = parsed('visible, created, pool:NAME or tag:NAME', (scope): QuotaScope | undefined => {
  if (scope === 'visible' || scope === 'created') return { kind: scope };
  const [, kind, name = ''] = /^(pool|tag):([A-Za-z0-9_.\-+/]+)$/.exec(scope) ?? [];
  if (kind === 'pool') return { kind, pool: name };
  return kind === 'tag' ? { kind, tag: name } : undefined;
});

function webAddress(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname, username } = new URL(url);
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isThisMachine(hostname));
  return isSafe && username === '' ? url : undefined;
}

/** A web address; plain HTTP only for this machine itself, because tokens travel there. Kept as it was written. */
export const httpsUrl = parsed('an address that begins with https:// (http:// only for localhost)', webAddress);

/** Where this server itself is reached. It serves at the root, so a path would lead nowhere. */
const ownUrl = httpsUrl.transform((value, ctx) => {
  const { origin, href } = new URL(value);
  if (href === `${origin}/`) return origin;
  ctx.addIssue('an address without a path, such as https://mcp.example.org (the path /mcp is added)');
  return z.NEVER;
});

export const databaseUrl = parsed('an address such as postgres://user:password@host:5432/database', (url) =>
  /^postgres(ql)?:\/\//.test(url) && URL.canParse(url) ? url : undefined,
);

export const list = z.string().transform(partsOf);

/**
 * Hosts of downloads as URLs write them: `cloud.debian.org`, `*.example.org` for all names below it, `10.0.0.5:8080` with a port that is not the
 * usual one. An address, and a name without a dot, is only ever named exactly.
 */
export const mediaHosts = parsed(
  'host names such as cloud.debian.org or *.example.org, separated by commas, without https:// and paths',
  (value) => {
    const hosts = partsOf(value.toLowerCase());
    return hosts.every(isMediaHost) ? hosts : undefined;
  },
);

function isMediaHost(written: string): boolean {
  const bare = written.replace(/^\*\./, '');
  if (bare.includes('*') || !URL.canParse(`https://${bare}/`)) return false;
  const { host, hostname } = new URL(`https://${bare}/`);
  return host === bare && (bare === written || (hostname.includes('.') && ipVersion(hostname) === undefined));
}

export const nonEmptyList = list.refine((items) => items.length > 0, 'at least one value');

/** Names that clients give themselves, compared without case. */
export const clientNames = z.string().transform((value) => partsOf(value.toLowerCase()));

export const ownUrls = list.pipe(z.array(ownUrl));

export const networkList = list.refine(
  (items) => items.every((item) => parseNetwork(item) !== undefined),
  'networks such as 10.0.0.0/8 or 2001:db8::/32, separated by commas',
);

export const replicaName = z
  .string()
  .trim()
  .regex(/^[a-z0-9]{1,32}$/i, 'letters and digits');

/** `/path`, `syslog:`, `syslog:5514` (UDP on this machine) or `https://…`. */
export const anchorPlace = parsed(
  'an absolute path, syslog: (or syslog:PORT), or an address that begins with https://',
  (place): AnchorPlace | undefined => {
    const [syslog, port = 514] = /^syslog:(\d{1,5})?$/.exec(place) ?? [];
    if (syslog !== undefined) return Number(port) <= 65_535 ? { kind: 'syslog', port: Number(port) } : undefined;
    const path = absolutePath(place);
    if (path !== undefined) return { kind: 'file', path };
    const url = webAddress(place);
    return url === undefined ? undefined : { kind: 'http', url };
  },
);

/** The JSON text of variables and their values, in a file of the operator. */
export const variableTexts = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String));
