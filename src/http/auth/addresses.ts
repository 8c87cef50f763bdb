import { type Networks, plainAddress } from '../../core/network.ts';

/**
 * Where a request comes from: the peer of the connection, or, as far as trusted proxies vouch for it, what they wrote into X-Forwarded-For
 * (each appends the address it saw; what stands left of the first untrusted one is the client's own invention).
 */
export function clientAddress(peer: string, forwardedFor: string | null, isTrusted: Networks): string {
  let address = plainAddress(peer);
  for (const hop of (forwardedFor ?? '').split(',').reverse()) {
    if (hop.trim() === '' || !isTrusted(address)) return address;
    address = plainAddress(hop.trim());
  }
  return address;
}
