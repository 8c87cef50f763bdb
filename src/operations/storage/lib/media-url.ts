import { fail } from '../../../core/errors/errors.ts';
import { ipVersion } from '../../../core/network.ts';
import { plainText } from '../../../core/text/text.ts';
import { matches } from '../../../core/text/wildcard.ts';

/** Parameters of signed addresses: Proxmox writes the whole URL into the log of its task, which others may read. */
const SIGNED = /sig|token|secret|passw|credential|(^|[-_])(key|auth)/i;

/**
 * The address as it is sent: normalised, so that a node reads the same host in it as the check did.
 * @param hosts the operator's list
 * @throws invalid_arguments, forbidden_by_policy with the line that allows the host
 */
export function checkedUrl(text: string, hosts: readonly string[]): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['https:', 'http:'].includes(url.protocol)) {
    fail('invalid_arguments', `url ${plainText(text, 100)} is not an address that begins with https:// or http://.`);
  }
  if (url.username !== '' || url.password !== '') fail('invalid_arguments', 'url must not hold a user name or a password.');
  if ([...url.searchParams.keys()].some((name) => SIGNED.test(name))) {
    fail('invalid_arguments', 'url holds a signature or a key in its query, which the log of Proxmox would show.', {
      hint: 'Use an address that needs none.',
    });
  }
  url.hash = '';
  if (!hosts.some((host) => allows(host, url))) refuseHost(url, hosts);
  return url;
}

/** An address, and a name without a dot, only as it is named: a wildcard stands for names. */
function allows(host: string, url: URL): boolean {
  if (host === url.host) return true;
  const isName = url.hostname.includes('.') && !url.hostname.includes('[') && ipVersion(url.hostname) === undefined;
  return isName && host.startsWith('*.') && matches(url.host, host);
}

function refuseHost(url: URL, hosts: readonly string[]): never {
  const list = hosts.length === 0 ? 'no host is allowed' : `allowed: ${hosts.join(', ')}`;
  fail('forbidden_by_policy', `A node may not download from ${plainText(url.host, 100)} (${list}).`, {
    hint: `Tell the user. The operator allows this host with PROXMOX_MEDIA_HOSTS=${[...hosts, plainText(url.host, 100)].join(',')}`,
  });
}
