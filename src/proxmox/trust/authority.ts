import { X509Certificate } from 'node:crypto';
import { fail } from '../../core/errors/errors.ts';
import type { GetApi } from '../../core/proxmox.ts';
import { path } from '../guest/encode.ts';
import type { Pin, TrustStore } from './store.ts';

/**
 * SHA-256 fingerprint of the CA that a cluster makes for itself. It tells clusters apart, whatever their hosts are called. A pinned one needs no
 * request, because no other cluster answers. GET /nodes and /nodes/{node}/certificates/info need no privilege.
 * @throws unreachable where no node answers, certificate_untrusted where the cluster shows none
 */
export async function authorityOf(api: GetApi, pin: Pin | undefined): Promise<string> {
  if (pin?.kind === 'ca') return pin.fingerprint;
  const nodes = (await api.get<{ node: string; status?: string }[]>('/nodes')).filter((node) => node.status !== 'offline');
  let failure: unknown;
  for (const { node } of nodes) {
    try {
      const infos = await api.get<{ filename: string; pem?: string; fingerprint?: string }[]>(path`/nodes/${node}/certificates/info`);
      const ca = infos.find(({ filename }) => filename === 'pve-root-ca.pem');
      if (ca?.pem !== undefined) return new X509Certificate(ca.pem).fingerprint256;
    } catch (thrown) {
      // Another node tells the same.
      failure = thrown;
    }
  }
  if (failure !== undefined) throw failure;
  return fail('certificate_untrusted', 'No node of the cluster shows its authority (pve-root-ca.pem), by which it is told from others.', {
    hint: 'Check /etc/pve/pve-root-ca.pem on a node.',
  });
}

/** A store of pins that can be held to one authority. */
interface HeldTrust extends TrustStore {
  hold(authority: string): void;
}

/**
 * The pins of a process that has learned which cluster it serves. An authority that is pinned afterwards is that of another cluster, and
 * counts at the next start.
 */
export function heldTrust(store: TrustStore): HeldTrust {
  let authority: string | undefined;
  let known: Pin | undefined;
  return {
    hold(fingerprint) {
      authority = fingerprint;
    },
    get(cluster) {
      const pin = store.get(cluster);
      if (authority === undefined || pin?.kind !== 'ca' || pin.fingerprint === authority) known = pin;
      return known;
    },
    set: (cluster, pin) => store.set(cluster, pin),
  };
}
