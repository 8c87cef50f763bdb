import { isIP } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { ProxmoxMcpError } from '../../core/errors/errors.ts';
import { withoutZone } from '../../core/network.ts';
import { decide, type TrustPolicy } from './certificate.ts';

/** Milliseconds for TCP and TLS together. */
export const CONNECT_TIMEOUT_MS = 10_000;

export interface Endpoint {
  host: string;
  port: number;
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
