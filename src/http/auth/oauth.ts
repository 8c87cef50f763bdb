import { createRemoteJWKSet, errors, type JWTVerifyOptions, jwtVerify } from 'jose';
import { fail } from '../../core/errors/errors.ts';
import { plainText } from '../../core/text/text.ts';
import { type Identity, roleOfScopes } from '../../mcp/identity.ts';

export interface OAuthOptions {
  /** The authorization server, exactly as it stands in `iss`. */
  issuer: string;
  /** One of them must be in `aud`: this server's resource identifier, unless the authorization server uses other names for it. */
  audiences: readonly string[];
  /** Default: what the authorization server's metadata says (RFC 8414, OpenID Connect Discovery). */
  jwksUrl?: string;
  /** Subjects whose clients are trusted to pass on a human's answer. */
  trustedSubjects: readonly string[];
}

export type OAuthFault = 'invalid' | 'expired' | 'scope' | 'unavailable';

// Signatures that only the authorization server can make; a shared secret (HS256) or none are out.
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const CLOCK_SKEW_SECONDS = 10;
const FETCH_MS = 5_000;

/**
 * Verifies access tokens of an OAuth 2.1 authorization server as RFC 9068 asks of a resource server: signature by the server's published
 * keys (fetched when first needed, then cached), issuer, audience, times. Scopes become a role; the owner is `sub`.
 */
export function createOAuthVerifier(options: OAuthOptions): (token: string) => Promise<Identity | OAuthFault> {
  const expected = {
    issuer: options.issuer,
    audience: [...options.audiences],
    algorithms: ALGORITHMS,
    clockTolerance: CLOCK_SKEW_SECONDS,
    requiredClaims: ['exp', 'sub', 'aud', 'iss'],
  };
  // One search for all requests that wait for it, because every caller can send a token; a failed one is made again by the next request.
  let keys: Promise<Keys> | undefined;
  const keysOf = () =>
    (keys ??= findKeys(options).catch((error) => {
      keys = undefined;
      throw error;
    }));
  return async (token) => {
    try {
      const { payload, protectedHeader } = await verify(token, await keysOf(), expected);
      if (!isAccessToken(protectedHeader.typ) || !isReadable(payload.sub)) return 'invalid';
      const scopes = scopesOf(payload);
      const role = roleOfScopes(scopes);
      if (role === undefined) return 'scope';
      const sub = payload.sub.normalize('NFC');
      return {
        principal: `oauth:${sub}`,
        owner: sub,
        role,
        mayApprove: scopes.includes('proxmox:approve'),
        trustsClient: options.trustedSubjects.includes(sub),
        expiresAt: Number(payload.exp),
      };
    } catch (error) {
      if (error instanceof errors.JWTExpired) return 'expired';
      const isOfKeys = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid;
      if (isOfKeys || !(error instanceof errors.JOSEError)) return 'unavailable';
      return error.code === 'ERR_JOSE_GENERIC' ? 'unavailable' : 'invalid';
    }
  };
}

type Keys = ReturnType<typeof createRemoteJWKSet>;

async function findKeys({ issuer, jwksUrl }: OAuthOptions): Promise<Keys> {
  return createRemoteJWKSet(new URL(jwksUrl ?? (await discoverJwks(issuer))), { timeoutDuration: FETCH_MS });
}

/** `kid` is optional (RFC 7515, section 4.1.4): without it every published key of the algorithm may be the one. */
async function verify(token: string, keys: Keys, expected: JWTVerifyOptions) {
  try {
    return await jwtVerify(token, keys, expected);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, expected);
      } catch (refused) {
        // Another error of the token is final. A key that cannot be used, such as a short one, says nothing about it.
        if (refused instanceof errors.JOSEError && !(refused instanceof errors.JWSSignatureVerificationFailed)) throw refused;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** RFC 9068 asks for `at+jwt`; common authorization servers write `JWT` or nothing. An ID token or a logout token is neither. */
function isAccessToken(typ: unknown): boolean {
  return typ === undefined || (typeof typ === 'string' && /^(application\/)?(at\+jwt|jwt)$/i.test(typ));
}

/**
 * A subject that a human can read and tell from others: nothing that is shown stripped, or not at all, such as fillers, variation selectors,
 * and spaces at its ends or of other kinds.
 */
function isReadable(sub: unknown): sub is string {
  return typeof sub === 'string' && sub !== '' && sub.length <= 255 && plainText(sub, 255) === sub && !/[^\S ]/.test(sub);
}

/** `scope` is a text with spaces (RFC 9068); some servers write `scp`, as a list. Anything else names no scope. */
function scopesOf(payload: Record<string, unknown>): unknown[] {
  const value = payload.scope ?? payload.scp;
  return typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
}

/** The address of the keys, from the metadata of the authorization server. */
async function discoverJwks(issuer: string): Promise<string> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const documents = [`${origin}/.well-known/oauth-authorization-server${path}`, `${origin}${path}/.well-known/openid-configuration`];
  for (const document of documents) {
    const response = await fetch(document, { signal: AbortSignal.timeout(FETCH_MS), redirect: 'error' }).catch(() => undefined);
    if (!response?.ok) continue;
    const metadata = (await response.json().catch(() => ({}))) as { issuer?: unknown; jwks_uri?: unknown };
    // A document that names another issuer must not supply the keys (RFC 8414, section 3.3).
    if (metadata.issuer === issuer && typeof metadata.jwks_uri === 'string') return metadata.jwks_uri;
  }
  return fail('unreachable', `The authorization server ${issuer} publishes no address of its keys.`);
}
