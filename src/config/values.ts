import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import * as z from 'zod';
import { ipVersion, isThisMachine, parseNetwork } from '../core/network.ts';
import type { AnchorPlace, QuotaScope } from '../core/settings/settings.ts';
import { TOOLSETS, type Toolset } from '../core/settings/toolset.ts';

/** The types of values that variables have. Each takes the text of a variable; messages say what would be right and never repeat the value. */

export const text = z.string().trim().min(1, 'not empty');

/** A whole number between two bounds, both included. */
export function whole(min: number, max: number) {
  // One step instead of five: dozens of variables have this type, and every start makes them all.
  return z.string().transform((value, ctx) => {
    const number = /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    ctx.addIssue(`a whole number from ${min} to ${max}`);
    return z.NEVER;
  });
}

export const flag = z
  .string()
  .trim()
  .toLowerCase()
  .transform((value, ctx) => {
    if (['true', '1', 'yes', 'on'].includes(value)) return true;
    if (['false', '0', 'no', 'off'].includes(value)) return false;
    ctx.addIssue('true or false');
    return z.NEVER;
  });

/** A list of groups of tools, or `all`. */
export const toolsets = z.string().transform((value, ctx): readonly Toolset[] => {
  const names = value
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((name) => name !== '');
  if (names.includes('all')) return TOOLSETS;
  const chosen = TOOLSETS.filter((name) => names.includes(name));
  if (names.length > 0 && names.every((name) => chosen.some((one) => one === name))) return chosen;
  ctx.addIssue(`all, or some of ${TOOLSETS.join(', ')}, separated by commas`);
  return z.NEVER;
});

/** A file or folder: absolute or below the home folder, never relative to wherever an agent started the server. */
export const folder = z
  .string()
  .trim()
  .transform((value, ctx) => {
    const path = value === '~' || value.startsWith('~/') ? join(homedir(), value.slice(1)) : value;
    if (isAbsolute(path)) return path;
    ctx.addIssue('an absolute path (or one that begins with ~/)');
    return z.NEVER;
  });

/** https://pve.proxmox.com/wiki/User_Management#pveum_tokens */
export const tokenId = z.string().transform((value, ctx) => {
  const id = value.trim();
  if (!PASTED_HEADER.test(id) && /^[^\s:/!]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+$/.test(id)) return id;
  ctx.addIssue(tokenIdProblem(id));
  return z.NEVER;
});

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

export const fingerprints = z.string().transform((value, ctx) => {
  const list = value
    .split(',')
    .map((item) => item.trim().toUpperCase())
    .filter((item) => item !== '');
  const plain = list.map((item) => item.replaceAll(':', ''));
  if (plain.every((item) => /^[0-9A-F]{64}$/.test(item))) return plain.map((item) => (item.match(/../g) ?? []).join(':'));
  ctx.addIssue('a SHA-256 fingerprint: 32 pairs of hexadecimal digits, AA:BB:…');
  return z.NEVER;
});

export interface HostAndPort {
  host: string;
  /** Absent: PROXMOX_PORT. */
  port?: number;
}

export const endpoints = z.string().transform((value, ctx) => {
  const list: HostAndPort[] = [];
  for (const item of value.split(',')) {
    if (item.trim() === '') continue;
    const endpoint = parseEndpoint(item.trim());
    if (endpoint === undefined) {
      ctx.addIssue('a host name or address, or several separated by commas, for example 192.168.1.10 or https://pve.example.org:8006/');
      return z.NEVER;
    }
    list.push(endpoint);
  }
  return list;
});

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

export const quotaScope = z.string().transform((value, ctx): QuotaScope => {
  const scope = value.trim();
  if (scope === 'visible' || scope === 'created') return { kind: scope };
  const named = /^(pool|tag):([A-Za-z0-9_.\-+/]+)$/.exec(scope);
  if (named?.[1] === 'pool') return { kind: 'pool', pool: named[2] ?? '' };
  if (named?.[1] === 'tag') return { kind: 'tag', tag: named[2] ?? '' };
  ctx.addIssue('visible, created, pool:NAME or tag:NAME');
  return z.NEVER;
});

/** A web address; plain HTTP only for this machine itself, because tokens travel there. Kept as it was written. */
export const httpsUrl = z.string().transform((value, ctx) => {
  const url = value.trim();
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const local = parsed && isThisMachine(parsed.hostname);
  if (parsed && parsed.username === '' && (parsed.protocol === 'https:' || (local && parsed.protocol === 'http:'))) return url;
  ctx.addIssue('an address that begins with https:// (http:// only for localhost)');
  return z.NEVER;
});

/** Where this server itself is reached. It serves at the root, so a path would lead nowhere. */
const ownUrl = httpsUrl.transform((value, ctx) => {
  const { origin, href } = new URL(value);
  if (href === `${origin}/`) return origin;
  ctx.addIssue('an address without a path, such as https://mcp.example.org (the path /mcp is added)');
  return z.NEVER;
});

export const databaseUrl = z.string().transform((value, ctx) => {
  const url = value.trim();
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return url;
  ctx.addIssue('an address such as postgres://user:password@host:5432/database');
  return z.NEVER;
});

/** Texts separated by commas. */
export const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

/**
 * Hosts of downloads as URLs write them: `cloud.debian.org`, `*.example.org` for all names below it, `10.0.0.5:8080` with a port that is not the
 * usual one. An address, and a name without a dot, is only ever named exactly.
 */
export const mediaHosts = list.transform((items, ctx) => {
  const hosts = items.map((item) => item.toLowerCase());
  const isHost = (item: string) => {
    const bare = item.replace(/^\*\./, '');
    if (bare.includes('*') || !URL.canParse(`https://${bare}/`)) return false;
    const { host, hostname } = new URL(`https://${bare}/`);
    return host === bare && (bare === item || (hostname.includes('.') && ipVersion(hostname) === undefined));
  };
  if (hosts.every(isHost)) return hosts;
  ctx.addIssue('host names such as cloud.debian.org or *.example.org, separated by commas, without https:// and paths');
  return z.NEVER;
});

export const nonEmptyList = list.refine((items) => items.length > 0, 'at least one value');

/** Names that clients give themselves, compared without case. */
export const clientNames = list.transform((items) => items.map((item) => item.toLowerCase()));

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
export const anchorPlace = z.string().transform((value, ctx): AnchorPlace => {
  const place = value.trim();
  const syslog = /^syslog:(\d{1,5})?$/.exec(place);
  if (syslog && Number(syslog[1] ?? 514) <= 65_535) return { kind: 'syslog', port: Number(syslog[1] ?? 514) };
  const file = folder.safeParse(place);
  if (file.success) return { kind: 'file', path: file.data };
  const url = httpsUrl.safeParse(place);
  if (url.success) return { kind: 'http', url: url.data };
  ctx.addIssue('an absolute path, syslog: (or syslog:PORT), or an address that begins with https://');
  return z.NEVER;
});
