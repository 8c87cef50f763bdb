import { type Networks, plainAddress } from '../../core/network.ts';

/**
 * Where a request comes from: the peer of the connection or, behind trusted proxies, what they wrote into X-Forwarded-For. Each of them
 * appends the address that it saw. The client may have invented everything left of the first untrusted address.
 */
export function clientAddress(peer: string, forwardedFor: string | null, isTrusted: Networks): string {
  let address = plainAddress(peer);
  for (const hop of (forwardedFor ?? '').split(',').reverse()) {
    if (hop.trim() === '' || !isTrusted(address)) return address;
    address = plainAddress(withoutPort(hop.trim()));
  }
  return address;
}

/** Some proxies append the port of the peer, too: `203.0.113.9:4711`, `[2001:db8::9]:4711`. */
function withoutPort(hop: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(hop)?.[1] ?? hop;
}
