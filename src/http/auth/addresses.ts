import { BlockList, isIP, isIPv6 } from 'node:net';
import { fail } from '../../core/errors.ts';

/** Whether an address lies in one of the networks. */
export type Networks = (address: string) => boolean;

/**
 * @param cidrs `10.0.0.0/8`, `2001:db8::/32`, or single addresses
 * @throws invalid_arguments
 */
export function networks(cidrs: readonly string[]): Networks {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/');
    const family = isIP(address);
    const most = family === 6 ? 128 : 32;
    const prefix = bits === undefined ? most : Number(bits);
    if (family === 0 || !/^\d*$/.test(bits ?? '') || bits === '' || prefix > most)
      fail('invalid_arguments', `"${cidr}" is not a network such as 10.0.0.0/8 or 2001:db8::/32.`);
    list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4');
  }
  return (text) => {
    const address = plainAddress(text);
    return isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  };
}

/** An IPv4 address that arrived on an IPv6 socket is an IPv4 address: `::ffff:10.0.0.1`. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

export const isLoopback = networks(['127.0.0.0/8', '::1']);

/**
 * Where a request comes from: the peer of the connection, or, as far as trusted proxies vouch for it, what they wrote into X-Forwarded-For
 * (each appends the address it saw; what stands left of the first untrusted one is the client's own invention).
 */
export function clientAddress(peer: string, forwardedFor: string | null, isTrusted: Networks): string {
  let address = plainAddress(peer);
  for (const hop of (forwardedFor ?? '').split(',').reverse()) {
    if (!isTrusted(address) || hop.trim() === '') return address;
    address = plainAddress(hop.trim());
  }
  return address;
}
