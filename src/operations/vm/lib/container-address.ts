import { fail } from '../../../core/errors/errors.ts';
import { ipVersion, parseNetwork } from '../../../core/network.ts';
import type { Properties } from '../../../proxmox/guest/property-strings.ts';

/**
 * The address of a container's NIC as Proxmox writes it: IPv4 as `ip` and `gw`, IPv6 as `ip6` and `gw6`.
 * @param ip `dhcp`, or an address with its prefix length
 * @throws invalid_arguments for what Proxmox would refuse
 */
export function containerAddress(ip: string, gateway?: string): Properties {
  const network = ip === 'dhcp' ? undefined : parseNetwork(ip);
  if (ip !== 'dhcp' && (!ip.includes('/') || network === undefined)) {
    fail('invalid_arguments', `ip ${ip.slice(0, 60)} is neither dhcp nor an address with its prefix length.`, {
      hint: 'Example: 10.0.0.5/24.',
    });
  }
  if (gateway !== undefined && (network === undefined || ipVersion(gateway) !== network.version)) {
    fail('invalid_arguments', `gateway ${gateway.slice(0, 60)} needs a static ip and must be an address of the same version.`, {
      hint: 'Example: 10.0.0.1.',
    });
  }
  const six = network?.version === 6 ? '6' : '';
  return { ...(gateway === undefined ? {} : { [`gw${six}`]: gateway }), [`ip${six}`]: ip };
}
