import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { ProxmoxMcpError } from '../../core/errors/errors.ts';
import { proxyHint } from '../transport/gateway.ts';
import { identityFault } from './certificate.ts';
import { CONNECT_TIMEOUT_MS, connectReason, type Endpoint } from './tls.ts';

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
