import { BlockList, isIP } from 'node:net';
import { fail } from './errors/errors.ts';

/** Whether an address lies in one of the networks. */
export type Networks = (address: string) => boolean;

export interface Network {
  address: string;
  /** Length in bits. */
  prefix: number;
  version: 4 | 6;
}

/** 4 or 6; undefined for anything else, also for an address with a zone (`fe80::1%eth0`), which means nothing on another machine. */
export function ipVersion(text: string): 4 | 6 | undefined {
  const version = text.includes('%') ? 0 : isIP(text);
  return version === 4 || version === 6 ? version : undefined;
}

/** `10.0.0.0/8`, `2001:db8::/32`, or a single address; undefined for anything else. */
export function parseNetwork(cidr: string): Network | undefined {
  const [address = '', bits, ...more] = cidr.split('/');
  const version = ipVersion(address);
  if (version === undefined || more.length > 0) return undefined;
  const most = version === 6 ? 128 : 32;
  if (bits === undefined) return { address, prefix: most, version };
  return /^(0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= most ? { address, prefix: Number(bits), version } : undefined;
}

/** `10.1.0.0/16` for `10.1.2.3/16`: without bits of a host, and IPv6 in its short form. */
export function networkText({ address, prefix, version }: Network): string {
  const [bits, size, base] = version === 6 ? ([128, 16, 16] as const) : ([32, 8, 10] as const);
  const groups = groupsOf(address, version).map((group) => BigInt(Number.parseInt(group, base)));
  const whole = groups.reduce((sum, group) => (sum << BigInt(size)) | group, 0n);
  const host = BigInt(bits - prefix);
  const masked = (whole >> host) << host;
  const text = groups.map((_, index) => ((masked >> BigInt(bits - size * (index + 1))) & BigInt(2 ** size - 1)).toString(base));
  return `${version === 6 ? shortForm(text.join(':')) : text.join('.')}/${prefix}`;
}

/** The parts of an address between its dots or colons, all eight of IPv6. */
function groupsOf(address: string, version: 4 | 6): string[] {
  if (version === 4) return address.split('.');
  const [head = '', tail] = shortForm(address).split('::');
  const sides = [head, tail ?? ''].map((side) => (side === '' ? [] : side.split(':')));
  const [first = [], last = []] = sides;
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => '0'), ...last];
}

/** An IPv6 address in lower case with its longest run of zeros left out. */
function shortForm(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/**
 * IPv4 addresses match in their IPv6 form (`::ffff:10.0.0.1`), too. A zone does not count.
 * @param cidrs what `parseNetwork` takes
 * @throws invalid_arguments
 */
export function networks(cidrs: readonly string[]): Networks {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const network = parseNetwork(cidr) ?? fail('invalid_arguments', `"${cidr}" is not a network such as 10.0.0.0/8 or 2001:db8::/32.`);
    list.addSubnet(network.address, network.prefix, family(network.version));
  }
  return (text) => {
    const address = withoutZone(text);
    const version = ipVersion(address);
    // BlockList looks up `::ffff:a.b.c.d` among the IPv4 networks.
    return version !== undefined && list.check(address, family(version));
  };
}

function family(version: 4 | 6): 'ipv4' | 'ipv6' {
  return version === 6 ? 'ipv6' : 'ipv4';
}

/** Networks of this file. They are built at their first use, because a start needs none of them. */
function known(cidrs: readonly string[]): Networks {
  let test: Networks | undefined;
  return (text) => {
    test ??= networks(cidrs);
    return test(text);
  };
}

const LOOPBACK = ['127.0.0.0/8', '::1'];
const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10'];

export const isLoopback = known(LOOPBACK);
export const isLinkLocal = known(LINK_LOCAL);
/** Listening there means listening on every address of the machine. */
export const isUnspecified = known(['0.0.0.0', '::']);
/** Loopback, RFC 1918, link-local and unique local (RFC 4193) addresses. */
export const isPrivate = known([...LOOPBACK, ...LINK_LOCAL, '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']);
/** Addresses that lead to no other machine: loopback, link-local, `0.0.0.0/8` (RFC 1122) and `::`. */
export const staysHere = known([...LOOPBACK, ...LINK_LOCAL, '0.0.0.0/8', '::']);

/** Multicast, reserved and broadcast addresses (RFC 5771, RFC 1112, RFC 4291), which no machine has for itself. */
export const isOfNoHost = known(['224.0.0.0/3', 'ff00::/8']);

/** The names of this machine in URLs and Host headers. */
export const LOCAL_NAMES = ['localhost', '127.0.0.1', '[::1]'];

/** Whether a host, as a setting or a URL writes it, is this machine: `localhost` or a loopback address. */
export function isThisMachine(host: string): boolean {
  return host === 'localhost' || isLoopback(host.replace(/^\[(.*)\]$/, '$1'));
}

/** An IPv4 address that arrived on an IPv6 socket is an IPv4 address: `::ffff:10.0.0.1`. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** `2001:db8::1` and `2001:DB8:0:0::1` are one address. */
export function sameAddress(a: string, b: string): boolean {
  return ipVersion(a) !== undefined && networks([a])(b);
}

/** `fe80::1` of `fe80::1%eth0`. */
export function withoutZone(host: string): string {
  return host.replace(/%.*/, '');
}

/** A host as URLs and Host headers write it: an IPv6 address in brackets. */
export function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
