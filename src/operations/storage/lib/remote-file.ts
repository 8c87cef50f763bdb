import { asError, fail } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import { failMissing } from '../../../proxmox/access/privileges.ts';
import { path } from '../../../proxmox/guest/encode.ts';

/**
 * The size in bytes of the file behind an address, as the node finds it out with a HEAD request.
 * @returns undefined where the host does not tell; some refuse HEAD
 * @throws not_possible where the node cannot reach the host or the file is not there; permission_denied
 */
export async function remoteSize(api: ProxmoxReader, node: string, url: URL): Promise<number | undefined> {
  try {
    const { size } = await api.get<{ size?: number | string | null }>(path`/nodes/${node}/query-url-metadata`, { url: url.href });
    return size === undefined || size === null ? undefined : Number(size);
  } catch (thrown) {
    const error = asError(thrown);
    // Proxmox names neither the path nor the privilege.
    if (error.code === 'permission_denied') {
      failMissing(`A download by node ${node}`, [{ path: `/nodes/${node}`, privileges: ['Sys.AccessNetwork'] }]);
    }
    const said = /invalid server response: '(.*)'/s.exec(error.message)?.[1];
    if (said === undefined) throw thrown;
    // An answer of the host says that HEAD is not liked, or that there is no such file.
    if (/^(?!404|410)4\d\d|^50[13]/.test(said) && !/Can't connect/.test(said)) return undefined;
    return fail('not_possible', `Node ${node} cannot get ${plainText(url.href, 200)}: ${plainText(said, 200)}.`, {
      hint: 'Correct the address, or ask the operator whether the node may reach this host.',
      ...(error.details ? { details: error.details } : {}),
    });
  }
}
