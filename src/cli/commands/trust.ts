import { X509Certificate } from 'node:crypto';
import { systemClock } from '../../core/clock.ts';
import { fail } from '../../core/errors.ts';
import { clusterNameOf } from '../../core/settings.ts';
import { createProxmox } from '../../proxmox/client.ts';
import { memoryTrustStore, openTrustStore, type Pin } from '../../proxmox/trust/store.ts';
import { caFault, inspectTls, type ShownCertificate, sameFingerprint } from '../../proxmox/trust/tls.ts';
import { learnPin } from '../../proxmox/trust/trust.ts';
import { localCaller } from '../lib/caller.ts';
import { openAuditOf } from '../lib/open-audit.ts';
import { configureConnection, type GlobalOptions } from '../lib/options.ts';
import { type Exit, isForPeople, print, printJson, tell } from '../lib/output.ts';
import { openLog } from '../lib/session.ts';
import { ask, hasTerminal } from '../lib/terminal.ts';

/**
 * `trust`: shows the certificate of the first endpoint and, once a human confirmed it, pins the cluster's authority, so that renewed
 * certificates and other nodes pass. Nothing else replaces a pin.
 */
export async function trust(options: GlobalOptions & { fingerprint?: string }): Promise<Exit> {
  const { settings } = configureConnection(options);
  if (settings.demo) fail('invalid_arguments', 'The embedded cluster needs no trust, because its certificate is known.');
  const [first, ...others] = settings.connection.endpoints;
  if (!first) fail('missing_credentials', 'No endpoint is configured.');
  const shown = await inspectTls(first);
  const store = openTrustStore(settings.dataDir);
  const cluster = clusterNameOf(settings.connection);
  await agree(shown, store.get(cluster), options.fingerprint, first.host);

  // The token goes only to a server with exactly the certificate that was confirmed.
  const connection = { ...settings.connection, endpoints: [first], fingerprints: [shown.fingerprint], verifySsl: false };
  const api = createProxmox({ connection, cluster, trust: memoryTrustStore(), clock: systemClock, log: await openLog(settings.logLevel) });
  try {
    const pin = await learnPin((path) => api.get(path), shown.chainPem[0] ?? '', first.host, systemClock.now());
    for (const other of others) await checkSameCluster(await inspectTls(other), other.host, pin);
    const audit = await openAuditOf(settings, await openLog(settings.logLevel));
    const { principal, owner, channel } = localCaller('cli');
    const what =
      pin.kind === 'ca' ? `the cluster's authority, SHA-256 ${pin.fingerprint}` : `certificates, SHA-256 ${pin.fingerprints.join(', ')}`;
    await audit.append({ kind: 'notice', principal, owner, channel, cluster, message: `pinned: ${what}` }, { durable: true });
    await audit.close();
    store.set(cluster, pin);
    if (isForPeople()) print(`Pinned for ${cluster}: ${what}.`);
    else printJson({ cluster, pinned: pin.kind === 'ca' ? { kind: pin.kind, fingerprint: pin.fingerprint } : pin });
    return 0;
  } finally {
    await api.close();
  }
}

async function agree(shown: ShownCertificate, pinned: Pin | undefined, expected: string | undefined, host: string): Promise<void> {
  if (expected !== undefined) {
    if (sameFingerprint(expected, shown.fingerprint)) return;
    fail('certificate_untrusted', `${host} presented another certificate: SHA-256 ${shown.fingerprint}.`, {
      details: { fingerprint: shown.fingerprint, host },
    });
  }
  tell(`Certificate of ${host}`);
  tell(
    `  SHA-256     ${shown.fingerprint}\n  subject     ${line(shown.subject)}\n  issuer      ${line(shown.issuer)}\n  valid to    ${shown.validTo}`,
  );
  if (pinned && misfit(shown, host, pinned) === undefined) tell(`  It matches the pin of ${pinned.since}.`);
  else if (pinned) tell(`  It replaces another certificate or authority, pinned on ${pinned.since}.`);
  tell(
    'Compare it with the node (in a shell of the node, as root):\n  openssl x509 -fingerprint -sha256 -noout -in /etc/pve/local/pve-ssl.pem',
  );
  if (!hasTerminal()) {
    fail('certificate_untrusted', 'The certificate must be confirmed in a terminal, and none is attached.', {
      hint: `Compare the fingerprint, then run: proxmox-mcp trust --fingerprint ${shown.fingerprint}`,
      details: { fingerprint: shown.fingerprint, host },
    });
  }
  if ((await ask('Is it the same? Type yes to pin it: ')).trim() !== 'yes')
    fail('certificate_untrusted', 'Not confirmed. The certificate was not pinned.', {
      hint: 'Run `proxmox-mcp trust` again when the fingerprint is verified.',
    });
}

/** All endpoints of one cluster share its authority. */
async function checkSameCluster(shown: ShownCertificate, host: string, pin: Pin): Promise<void> {
  const fault = misfit(shown, host, pin);
  if (fault !== undefined)
    fail('certificate_untrusted', `The certificate of ${host} ${fault}. All hosts in PROXMOX_HOST must belong to one cluster.`);
}

/** The reason why the certificate does not match the pin, if any; undefined when it is. */
function misfit(shown: ShownCertificate, host: string, pin: Pin): string | undefined {
  if (pin.kind === 'ca') return caFault(new X509Certificate(shown.chainPem[0] ?? ''), host, pin.pem);
  return pin.fingerprints.some((one) => sameFingerprint(one, shown.fingerprint)) ? undefined : 'is of another cluster';
}

/** Node puts each part of a name on a line of its own. */
function line(name: string): string {
  return name.split('\n').join(', ');
}
