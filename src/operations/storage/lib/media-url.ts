import { defined } from '../../../core/defined.ts';
import { asError, fail } from '../../../core/errors/errors.ts';
import { ipVersion } from '../../../core/network.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import { matches } from '../../../core/text/wildcard.ts';
import { failMissing } from '../../../proxmox/access/privileges.ts';
import { path } from '../../../proxmox/guest/encode.ts';

/** Parameters of signed addresses: Proxmox writes the whole URL into the log of its task, which others may read. */
const SIGNED = /sig|token|secret|passw|credential|(^|[-_])(key|auth)/i;

/**
 * The address that is sent, normalised, so that a node reads the same host in it as this check.
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

/** A wildcard stands for names with a dot. The list must name an address, and a name without a dot, as it is. */
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

/**
 * The size in bytes of the file behind an address, for which the node sends a HEAD request.
 * @returns undefined where the host does not tell it
 * @throws not_possible where the node cannot reach the host or the file is not there; permission_denied
 */
export async function remoteSize(api: ProxmoxReader, node: string, url: URL): Promise<number | undefined> {
  try {
    const { size } = await api.get<{ size?: number | string | null }>(path`/nodes/${node}/query-url-metadata`, { url: url.href });
    return size === undefined || size === null ? undefined : Number(size);
  } catch (thrown) {
    const error = asError(thrown);
    // Proxmox names neither the path nor the privilege.
    if (error.code === 'permission_denied')
      failMissing(`A download by node ${node}`, [{ path: `/nodes/${node}`, privileges: ['Sys.AccessNetwork'] }]);
    const said = /invalid server response: '(.*)'/s.exec(error.message)?.[1];
    if (said === undefined) throw thrown;
    // These answers come from a host that refuses HEAD; 404 and 410 mean that the file is not there.
    if (/^(?!404|410)4\d\d|^50[13]/.test(said) && !/Can't connect/.test(said)) return undefined;
    return fail('not_possible', `Node ${node} cannot get ${plainText(url.href, 200)}: ${plainText(said, 200)}.`, {
      hint: 'Correct the address, or ask the operator whether the node may reach this host.',
      ...defined({ details: error.details }),
    });
  }
}
