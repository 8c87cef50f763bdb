import { X509Certificate } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { asError } from '../../core/errors/errors.ts';
import { isPrivate } from '../../core/network.ts';
import type { ConnectionSettings } from '../../core/settings/settings.ts';
import { path } from '../guest/encode.ts';
import { caFault, readCa, type TrustPolicy, unknownCertificate } from './certificate.ts';
import { inspectTls } from './inspect.ts';
import type { Pin, TrustStore } from './store.ts';
import type { Endpoint } from './tls.ts';

type Get = <T>(path: string, endpoint: Endpoint) => Promise<T>;

/** Decides which certificates count, and pins the cluster's authority when it is used for the first time. */
interface Trust {
  policy: TrustPolicy;
  /** To be awaited before a request; undefined once something is pinned or configured. */
  ready(get: Get): Promise<void> | undefined;
}

export function createTrust(options: {
  connection: ConnectionSettings;
  cluster: string;
  store: TrustStore;
  clock: Clock;
  /** Called once, when a certificate was accepted on first use. */
  onFirstUse: (notice: string) => void;
}): Trust {
  const { connection, cluster, store } = options;
  const ca = readCa(connection);
  let provisional: string | undefined;
  let pinning: Promise<void> | undefined;

  let isReady = connection.verifySsl || ca !== undefined || connection.fingerprints.length > 0;
  const policy: TrustPolicy = {
    fingerprints: connection.fingerprints,
    ...defined({ ca }),
    verify: connection.verifySsl,
    pin: () => store.get(cluster),
    provisional: () => provisional,
  };

  async function firstUse(get: Get): Promise<void> {
    const { endpoint, shown } = await firstReachable(connection.endpoints);
    if (shown.authorized) return;
    if (!isPrivate(shown.address)) throw unknownCertificate(shown.fingerprint, endpoint.host);
    provisional = shown.fingerprint;
    const pin = await learnPin((path) => get(path, endpoint), shown.chainPem[0] ?? '', endpoint.host, options.clock.now());
    // Another process may have been first; what it saw counts, and the next connection is checked against it.
    if (store.get(cluster) === undefined) store.set(cluster, pin);
    provisional = undefined;
    const what =
      pin.kind === 'ca' ? `the cluster's authority (SHA-256 ${pin.fingerprint})` : `the certificate (SHA-256 ${shown.fingerprint})`;
    options.onFirstUse(
      `First use of ${endpoint.host}: ${what} was accepted without proof and pinned. Compare it on the node; \`proxmox-mcp trust\` changes it.`,
    );
  }

  async function becomeReady(get: Get): Promise<void> {
    pinning ??= store.get(cluster) ? Promise.resolve() : firstUse(get);
    try {
      await pinning;
      isReady = true;
    } catch (thrown) {
      pinning = undefined;
      provisional = undefined;
      throw thrown;
    }
  }

  return { policy, ready: (get) => (isReady ? undefined : becomeReady(get)) };
}

/**
 * The pin for a cluster whose certificate was accepted. It is the cluster's authority when that signed the certificate and the certificate names the
 * host. Otherwise it is the certificates of all nodes (custom or ACME ones). GET /nodes and /nodes/{node}/certificates/info need no privilege.
 *
 * @param get asks the server whose certificate was accepted
 * @param now epoch milliseconds
 */
export async function learnPin(get: <T>(path: string) => Promise<T>, leafPem: string, host: string, now: number): Promise<Pin> {
  const since = new Date(now).toISOString();
  const leaf = new X509Certificate(leafPem);
  const nodes = (await get<{ node: string; status?: string }[]>('/nodes')).filter((node) => node.status !== 'offline');
  const fingerprints = new Set([leaf.fingerprint256]);
  for (const { node } of nodes) {
    const infos = await get<{ filename: string; pem?: string; fingerprint?: string }[]>(path`/nodes/${node}/certificates/info`).catch(
      (thrown: unknown) => {
        // A node that is down cannot be asked; any other node tells the same authority.
        if (asError(thrown).code === 'unreachable' && nodes.length > 1) return [];
        throw thrown;
      },
    );
    const ca = infos.find((info) => info.filename === 'pve-root-ca.pem')?.pem;
    if (ca !== undefined && caFault(leaf, host, ca) === undefined) {
      return { kind: 'ca', pem: ca, fingerprint: new X509Certificate(ca).fingerprint256, since };
    }
    const served = infos.find((info) => info.filename === 'pveproxy-ssl.pem') ?? infos.find((info) => info.filename === 'pve-ssl.pem');
    if (served?.fingerprint !== undefined) fingerprints.add(served.fingerprint);
  }
  return { kind: 'leaf', fingerprints: [...fingerprints], since };
}

async function firstReachable(endpoints: Endpoint[]) {
  let failure: unknown;
  for (const endpoint of endpoints) {
    try {
      return { endpoint, shown: await inspectTls(endpoint) };
    } catch (thrown) {
      failure = thrown;
    }
  }
  throw failure;
}
