import { timingSafeEqual, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkServerIdentity, type TLSSocket } from 'node:tls';
import { fail, ProxmoxMcpError } from '../../core/errors/errors.ts';
import { withoutZone } from '../../core/network.ts';
import type { ConnectionSettings } from '../../core/settings/settings.ts';
import type { JsonObject } from '../../core/text/json.ts';
import type { Pin } from './store.ts';

/** The rules for a certificate. The first one given decides alone: fingerprints or CA, then the rest in this order. */
export interface TrustPolicy {
  fingerprints: readonly string[];
  /** PEM of the only authorities that count. */
  ca?: string;
  /** PROXMOX_VERIFY_SSL: authorities of the system only, nothing is pinned. */
  verify: boolean;
  pin: () => Pin | undefined;
  /** Fingerprint accepted for the moment of first use, until the cluster's authority is pinned. */
  provisional: () => string | undefined;
}

/** Reads PROXMOX_CA_FILE. Throws `invalid_configuration`. */
export function readCa(connection: ConnectionSettings): string | undefined {
  if (connection.caFile === undefined) return undefined;
  try {
    const pem = readFileSync(connection.caFile, 'utf8');
    new X509Certificate(pem);
    return pem;
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    const why = code.startsWith('E') && !code.startsWith('ERR_') ? `cannot be read (${code})` : 'does not contain a valid PEM certificate';
    return fail('invalid_configuration', `PROXMOX_CA_FILE (${connection.caFile}) ${why}.`, { cause });
  }
}

/** Why the certificate that a server shows is refused; undefined when it counts. */
export function decide(
  socket: TLSSocket,
  host: string,
  { fingerprints, ca, verify, pin, provisional }: TrustPolicy,
): ProxmoxMcpError | undefined {
  const leaf = socket.getPeerX509Certificate?.();
  if (!leaf) return new ProxmoxMcpError('certificate_untrusted', `${host} presented no certificate.`);
  const vouched = socket.authorized && identityFault(leaf, host) === undefined;
  const shown = { fingerprint: leaf.fingerprint256, host };
  const untrusted = (message: string, hint: string, details: JsonObject = shown) =>
    new ProxmoxMcpError('certificate_untrusted', message, { hint, details });

  if (isOneOf(fingerprints, leaf) || (ca !== undefined && vouched)) return undefined;
  if (fingerprints.length > 0 || ca !== undefined) {
    const named = fingerprints.length > 0 ? 'PROXMOX_FINGERPRINT' : 'PROXMOX_CA_FILE';
    return untrusted(
      `The certificate of ${host} (SHA-256 ${shown.fingerprint}) does not fit ${named}.`,
      `Compare the fingerprint with the one shown on the node and correct ${named}, if the node is the right one.`,
    );
  }
  if (vouched) return undefined;
  if (verify) {
    return untrusted(
      `The certificate of ${host} is not signed by an authority that this system trusts.`,
      "Set PROXMOX_CA_FILE to the cluster's pve-root-ca.pem, or PROXMOX_FINGERPRINT.",
      { ...shown, reason: String(socket.authorizationError ?? 'not for this host') },
    );
  }
  const pinned = pin();
  if (pinned) return againstPin(leaf, host, pinned);
  return isOneOf([provisional() ?? ''], leaf) ? undefined : unknownCertificate(shown.fingerprint, host);
}

/** The refusal of a certificate that nothing vouches for. */
export function unknownCertificate(fingerprint: string, host: string): ProxmoxMcpError {
  return new ProxmoxMcpError('certificate_untrusted', `The certificate of ${host} is unknown: SHA-256 ${fingerprint}.`, {
    hint: 'Run `proxmox-mcp trust` and compare the fingerprint with the one shown on the node (`openssl x509 -fingerprint -sha256 -noout -in /etc/pve/local/pve-ssl.pem`).',
    details: { fingerprint, host },
  });
}

function againstPin(leaf: X509Certificate, host: string, pin: Pin): ProxmoxMcpError | undefined {
  const fault = pinFault(leaf, host, pin);
  if (fault === undefined) return undefined;
  return new ProxmoxMcpError('certificate_changed', `${host} shows a certificate (SHA-256 ${leaf.fingerprint256}) that ${fault}.`, {
    details: { fingerprint: leaf.fingerprint256, host, pinned: pin.kind === 'ca' ? pin.fingerprint : pin.fingerprints, since: pin.since },
  });
}

/** Why a certificate does not match a pin; undefined when it does. */
export function pinFault(leaf: X509Certificate, host: string, pin: Pin): string | undefined {
  if (pin.kind === 'ca') return caFault(leaf, host, pin.pem);
  return isOneOf(pin.fingerprints, leaf) ? undefined : 'is not the pinned one';
}

/** Why a certificate is not valid under this authority for this host; undefined when it is. */
export function caFault(leaf: X509Certificate, host: string, caPem: string): string | undefined {
  const ca = new X509Certificate(caPem);
  if (!leaf.checkIssued(ca) || !leaf.verify(ca.publicKey)) return "is not signed by the cluster's pinned authority";
  const now = Date.now();
  for (const [one, what] of [
    [leaf, 'has'],
    [ca, 'belongs to an authority that has'],
  ] as const) {
    if (now < Date.parse(one.validFrom) || now > Date.parse(one.validTo)) return `${what} expired or is not valid yet`;
  }
  return identityFault(leaf, host) && `is not made out for ${host}`;
}

export function identityFault(leaf: X509Certificate, host: string): Error | undefined {
  return checkServerIdentity(withoutZone(host), leaf.toLegacyObject());
}

function isOneOf(fingerprints: readonly string[], leaf: X509Certificate): boolean {
  return fingerprints.some((one) => sameFingerprint(one, leaf.fingerprint256));
}

/** Compares in constant time; colons and case do not matter. */
export function sameFingerprint(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => Buffer.from(text.replaceAll(':', '').toUpperCase())) as [Buffer, Buffer];
  return left.length === 64 && left.length === right.length && timingSafeEqual(left, right);
}
