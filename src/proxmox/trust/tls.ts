import { timingSafeEqual, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity, connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { fail, ProxmoxMcpError } from '../../core/errors/errors.ts';
import { withoutZone } from '../../core/network.ts';
import type { ConnectionSettings } from '../../core/settings/settings.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { proxyHint } from '../transport/gateway.ts';
import type { Pin } from './store.ts';

/** Milliseconds for TCP and TLS together. */
const CONNECT_TIMEOUT_MS = 10_000;

export interface Endpoint {
  host: string;
  port: number;
}

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

/** The certificate of a server, read before anything was sent to it. */
export interface ShownCertificate {
  /** SHA-256 of the certificate, `AA:BB:…`. */
  fingerprint: string;
  subject: string;
  issuer: string;
  /** As OpenSSL prints it, GMT. */
  validTo: string;
  san: string[];
  /** The certificate, followed by the authorities that the server sent with it. */
  chainPem: string[];
  /** The system's authorities vouch for it and for this host. */
  authorized: boolean;
  /** The address that was reached. */
  address: string;
}

/** A connection that failed before a byte of a request left: it is safe to try again elsewhere. */
export class ConnectFailure extends Error {
  override name = 'ConnectFailure';
}

/** Why a connection failed, in words: OpenSSL's own text begins with an address in memory and names a line of its source. */
export function connectReason(cause: Error & { code?: string; reason?: string }): string {
  const { code = '', reason } = cause;
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') return 'it does not speak HTTPS on this port';
  return code.startsWith('ERR_SSL_') ? `TLS failed: ${reason ?? code}` : cause.message;
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

/** Opens connections on which requests may be written. */
export interface TrustedConnector {
  connect(endpoint: Endpoint): Promise<TLSSocket>;
  /** Ends the attempts under way. */
  close(): void;
}

/**
 * Decides about the certificate before a byte of a request is written. Sessions are never resumed: a resumed one shows no certificate to
 * decide about.
 * @param addressOf the address of a host, with the interface of a link-local one
 */
export function trustedConnector(policy: TrustPolicy, addressOf: (host: string) => string): TrustedConnector {
  const open = new Set<TLSSocket>();
  const contexts: { ours?: SecureContext; system?: SecureContext } = {};
  /** Reading the system's authorities takes longer than a connection, and they are asked only where neither fingerprint nor pin decides. */
  const contextOf = (authorities: 'ours' | 'system') => {
    const make = () => (policy.ca === undefined ? withoutAuthorities() : createSecureContext({ ca: policy.ca }));
    contexts[authorities] ??= authorities === 'ours' ? make() : createSecureContext({});
    return contexts[authorities];
  };

  function attempt({ host, port }: Endpoint, authorities: 'ours' | 'system'): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const servername = isIP(withoutZone(host)) ? '' : host;
      const shared = { rejectUnauthorized: false, ALPNProtocols: ['http/1.1'], secureContext: contextOf(authorities) };
      const socket = connect({ host: addressOf(host), port, servername, ...shared });
      open.add(socket);
      const late = setTimeout(() => socket.destroy(new Error(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`)), CONNECT_TIMEOUT_MS);
      const failed = (cause?: Error) => {
        ended();
        reject(new ConnectFailure(cause?.message ?? 'no connection', { cause }));
      };
      const ended = () => {
        clearTimeout(late);
        open.delete(socket);
        socket.removeListener('error', failed).removeListener('close', failed);
      };
      socket.once('error', failed).once('close', failed);
      socket.once('secureConnect', () => {
        ended();
        const refusal = refusalOf(() => decide(socket, host, policy));
        if (!refusal) return resolve(socket.setNoDelay());
        socket.destroy();
        reject(refusal);
      });
    });
  }

  return {
    close: () => {
      for (const socket of open) socket.destroy(new Error('the client was closed'));
    },
    async connect(endpoint) {
      if (policy.ca !== undefined || policy.fingerprints.length > 0) return attempt(endpoint, 'ours');
      if (policy.verify || policy.pin() === undefined) return attempt(endpoint, 'system');
      try {
        return await attempt(endpoint, 'ours');
      } catch (refusal) {
        // An authority of the system may vouch for a certificate that is not the pinned one.
        if (refusal instanceof ConnectFailure) throw refusal;
        return attempt(endpoint, 'system');
      }
    },
  };
}

let bare: SecureContext | undefined;

/** For all clusters: making one takes longer than a connection. */
function withoutAuthorities(): SecureContext {
  bare ??= createSecureContext({ ca: [] });
  return bare;
}

/** A policy that cannot be read is a refusal too. */
function refusalOf(decision: () => ProxmoxMcpError | undefined): ProxmoxMcpError | undefined {
  try {
    return decision();
  } catch (thrown) {
    return thrown instanceof ProxmoxMcpError
      ? thrown
      : new ProxmoxMcpError('internal', 'A certificate could not be checked.', { cause: thrown });
  }
}

function decide(socket: TLSSocket, host: string, { fingerprints, ca, verify, pin, provisional }: TrustPolicy): ProxmoxMcpError | undefined {
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

function identityFault(leaf: X509Certificate, host: string): Error | undefined {
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

/** Looks at a server's certificate without sending anything. Throws `unreachable`. */
export function inspectTls(endpoint: Endpoint): Promise<ShownCertificate> {
  const { host, port } = endpoint;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false, ...(isIP(host) ? {} : { servername: host }) });
    const give = (cause: Error) => {
      socket.destroy();
      reject(
        new ProxmoxMcpError('unreachable', `${host}:${port} cannot be reached: ${connectReason(cause)}.`, {
          ...proxyHint([endpoint]),
          cause,
        }),
      );
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => give(new Error('connection timed out')));
    socket.once('error', give);
    socket.once('secureConnect', () => {
      const leaf = socket.getPeerX509Certificate();
      if (!leaf) return give(new Error('it shows no certificate'));
      const authorized = socket.authorized && identityFault(leaf, host) === undefined;
      resolve({ ...describe(leaf), authorized, address: socket.remoteAddress ?? '' });
      socket.destroy();
    });
  });
}

function describe(leaf: X509Certificate): Omit<ShownCertificate, 'authorized' | 'address'> {
  const chain: X509Certificate[] = [];
  // A root is its own issuer.
  const isNew = (one: X509Certificate) => chain.every(({ fingerprint256 }) => fingerprint256 !== one.fingerprint256);
  for (let one: X509Certificate | undefined = leaf; one && isNew(one); one = one.issuerCertificate) chain.push(one);
  return {
    fingerprint: leaf.fingerprint256,
    subject: leaf.subject,
    issuer: leaf.issuer,
    validTo: leaf.validTo,
    san: (leaf.subjectAltName ?? '').split(', ').filter((name) => name !== ''),
    chainPem: chain.map((one) => one.toString()),
  };
}
