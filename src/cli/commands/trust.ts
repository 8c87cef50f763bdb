import { X509Certificate } from 'node:crypto';
import { systemClock } from '../../core/clock.ts';
import { asError, fail } from '../../core/errors/errors.ts';
import type { Settings } from '../../core/settings/settings.ts';
import { createProxmox } from '../../proxmox/client.ts';
import { pinFault, sameFingerprint } from '../../proxmox/trust/certificate.ts';
import { inspectTls, type ShownCertificate } from '../../proxmox/trust/inspect.ts';
import { memoryTrustStore, openTrustStore, type Pin } from '../../proxmox/trust/store.ts';
import type { Endpoint } from '../../proxmox/trust/tls.ts';
import { learnPin } from '../../proxmox/trust/trust.ts';
import { openLog, recordNoticeIn } from '../lib/open.ts';
import { configure, type GlobalOptions, onlyCluster, pinOf } from '../lib/options.ts';
import { type Exit, isForPeople, print, printJson, printResult, tell } from '../terminal/output.ts';
import { ask, hasTerminal } from '../terminal/terminal.ts';

/**
 * `trust`: shows the certificate of the first endpoint. Once a human confirmed it, the cluster's authority is pinned, so renewed
 * certificates and other nodes pass. Nothing else replaces a pin. Without a token it pins the certificates themselves, each confirmed.
 */
export async function trust(options: GlobalOptions & { cluster?: string; fingerprint?: string }): Promise<Exit> {
  const { settings: all } = configure(options);
  if (all.demo) {
    printResult({ cluster: 'simulator', pinned: false }, 'Nothing to do: the certificate of the embedded cluster is known.');
    return 0;
  }
  const settings = onlyCluster(all, options.cluster);
  const cluster = pinOf(settings);
  const command = options.cluster === undefined ? 'trust' : `trust --cluster ${options.cluster}`;
  const { pin, onlyBecause } = await confirmPin(settings, { expected: options.fingerprint?.split(','), command });
  await keepPin(settings, pin);
  if (!isForPeople()) {
    const pinned = pin.kind === 'ca' ? { kind: pin.kind, fingerprint: pin.fingerprint } : pin;
    printJson({ cluster, pinned, ...(onlyBecause === undefined ? {} : { only_because: onlyBecause }) });
    return 0;
  }
  print(`Pinned for ${cluster}: ${pinText(pin)}.`);
  if (onlyBecause !== undefined)
    print(
      `The cluster's authority is not pinned, because ${onlyBecause}. With a valid token, run \`proxmox-mcp ${command}\` again to pin it.`,
    );
  return 0;
}

interface Confirmation {
  /** Fingerprints that need no question; undefined: a human at the terminal compares. */
  expected: readonly string[] | undefined;
  /** The command that asks, and that a human can run again. */
  command: string;
}

/**
 * The pin of what a human confirmed, and why it is not the cluster's authority where that could not be asked for.
 * @throws certificate_untrusted where another certificate is shown, or the human does not confirm
 */
export async function confirmPin(settings: Settings, confirmation: Confirmation): Promise<{ pin: Pin; onlyBecause?: string }> {
  const [first, ...others] = settings.connection.endpoints;
  if (!first)
    fail('missing_credentials', 'Not configured: PROXMOX_HOST.', {
      hint: 'Set PROXMOX_HOST to the address of a node.',
      details: { missing: ['PROXMOX_HOST'] },
    });
  const pinned = openTrustStore(settings.dataDir).get(pinOf(settings));
  const shown = await inspectTls(first);
  await agree(shown, first.host, confirmation, pinned);
  const learned = await learn(settings, first, shown);
  if (typeof learned !== 'string') {
    // All endpoints of one cluster share its authority.
    for (const { host, port } of others) {
      const fault = pinFault(leafOf(await inspectTls({ host, port })), host, learned);
      if (fault !== undefined)
        fail('certificate_untrusted', `The certificate of ${host} ${fault}. All hosts in PROXMOX_HOST must belong to one cluster.`);
    }
    return { pin: learned };
  }
  const fingerprints = [shown.fingerprint];
  for (const other of others) {
    const another = await inspectTls(other);
    await agree(another, other.host, confirmation, pinned);
    fingerprints.push(another.fingerprint);
  }
  return { pin: { kind: 'leaf', fingerprints, since: new Date(systemClock.now()).toISOString() }, onlyBecause: learned };
}

/** Records the pin in the audit, then keeps it. */
export async function keepPin(settings: Settings, pin: Pin): Promise<void> {
  const cluster = pinOf(settings);
  await recordNoticeIn(settings, `pinned: ${pinText(pin)}`, cluster);
  openTrustStore(settings.dataDir).set(cluster, pin);
}

export function pinText(pin: Pin): string {
  return pin.kind === 'ca' ? `the cluster's authority, SHA-256 ${pin.fingerprint}` : `certificates, SHA-256 ${pin.fingerprints.join(', ')}`;
}

/** The pin that the cluster reports, or why it cannot be asked. The token goes only to a server with the certificate that was confirmed. */
async function learn(settings: Settings, endpoint: Endpoint, shown: ShownCertificate): Promise<Pin | string> {
  const { tokenId, tokenSecret } = settings.connection;
  if (tokenId === '' || tokenSecret === '') return 'no token is set';
  const connection = { ...settings.connection, endpoints: [endpoint], fingerprints: [shown.fingerprint], verifySsl: false };
  const cluster = pinOf(settings);
  const api = createProxmox({ connection, cluster, trust: memoryTrustStore(), clock: systemClock, log: await openLog(settings) });
  try {
    return await learnPin((path) => api.get(path), shown.chainPem[0] ?? '', endpoint.host, systemClock.now());
  } catch (thrown) {
    if (asError(thrown).code !== 'authentication_failed') throw thrown;
    return `Proxmox rejects the token ${tokenId}`;
  } finally {
    await api.close();
  }
}

/** Returns once a human confirmed the certificate, or the expected one is shown. */
export async function agree(shown: ShownCertificate, host: string, { expected, command }: Confirmation, pinned?: Pin): Promise<void> {
  const details = { fingerprint: shown.fingerprint, host };
  if (expected !== undefined) {
    if (expected.some((one) => sameFingerprint(one.trim(), shown.fingerprint))) return;
    fail('certificate_untrusted', `${host} presented another certificate: SHA-256 ${shown.fingerprint}. Nothing was pinned.`, { details });
  }
  tell(`Certificate of ${host}`);
  tell(`  SHA-256     ${shown.fingerprint}\n  subject     ${line(shown.subject)}`);
  tell(`  issuer      ${line(shown.issuer)}\n  valid to    ${shown.validTo}`);
  if (pinned && pinFault(leafOf(shown), host, pinned) === undefined) tell(`  It matches the pin of ${pinned.since}.`);
  else if (pinned) tell(`  It replaces another certificate or authority, pinned on ${pinned.since}.`);
  tell(
    'Compare it with the node (in a shell of the node, as root):\n  openssl x509 -fingerprint -sha256 -noout -in /etc/pve/local/pve-ssl.pem',
  );
  if (!hasTerminal()) {
    fail('certificate_untrusted', 'The certificate must be confirmed in a terminal, and none is attached.', {
      hint: `Compare the fingerprint, then repeat this command with: --fingerprint ${shown.fingerprint}`,
      details,
    });
  }
  if ((await ask('Is it the same? Type yes to pin it: ')).trim() !== 'yes')
    fail('certificate_untrusted', 'Not confirmed. The certificate was not pinned.', {
      hint: `Run \`proxmox-mcp ${command}\` again when the fingerprint is verified.`,
    });
}

function leafOf({ chainPem: [leaf = ''] }: ShownCertificate): X509Certificate {
  return new X509Certificate(leaf);
}

/** Node writes each part of a name on its own line. */
function line(name: string): string {
  return name.split('\n').join(', ');
}
