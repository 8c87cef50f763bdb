import { identityOf } from '../core/settings/settings.ts';
import { sameToken } from './access/remembered.ts';
import type { ProxmoxClient } from './client.ts';
import { authorityOf, heldTrust } from './trust/authority.ts';
import type { TrustStore } from './trust/store.ts';

/**
 * The API of a cluster of PROXMOX_CLUSTERS_FILE. Its approvals, runs and reservations belong to the name in the file and the cluster's own
 * authority. Where the authority cannot be learned, the client is closed.
 * @param create opens a client with these pins, which are kept under the name
 */
export async function openNamed(name: string, pins: TrustStore, create: (trust: TrustStore) => ProxmoxClient): Promise<ProxmoxClient> {
  const trust = heldTrust(pins);
  const client = create(trust);
  try {
    const authority = await authorityOf(client, trust.get(name));
    trust.hold(authority);
    return sameToken({ ...client, cluster: identityOf(name, authority) }, client);
  } catch (thrown) {
    await client.close();
    throw thrown;
  }
}
