import { type AuthInfo, bearerAuthChallengeResponse, OAuthError, OAuthErrorCode } from '@modelcontextprotocol/server';
import { defined } from '../../core/defined.ts';
import { type Identity, READ, SCOPES, toAuthInfo } from '../../mcp/identity.ts';
import type { OAuthFault } from './oauth.ts';
import { TOKEN_PREFIX, type TokenFault } from './tokens.ts';

/** How callers authenticate. At least one method exists where other machines can connect. */
export interface Verifiers {
  token?: (token: string, address: string) => Promise<Identity | TokenFault>;
  oauth?: (token: string) => Promise<Identity | OAuthFault>;
}

interface GateOptions extends Verifiers {
  /** Where the RFC 9728 document is; only with OAuth, because it sends clients to the authorization server. */
  resourceMetadataUrl?: string;
  /** Called for every refusal, for the log and the metrics; never gets the token. */
  onRefused: (reason: string, address: string) => void;
}

export type Fault = TokenFault | OAuthFault | 'missing' | 'malformed';

/** The identity behind this token. */
export async function identify(verifiers: Verifiers, token: string, address: string): Promise<Identity | Fault> {
  if (token.startsWith(TOKEN_PREFIX)) return (await verifiers.token?.(token, address)) ?? 'unknown';
  return (await verifiers.oauth?.(token)) ?? 'unknown';
}

/**
 * Accepts a request with a valid bearer token. Answers every other one as RFC 6750 and RFC 9728 ask: 401 for an invalid token, with no
 * more of the reason than the client needs to act, and 403 for one without any of our scopes.
 */
export function createGate(options: GateOptions): (request: Request, address: string) => Promise<AuthInfo | Response> {
  const { resourceMetadataUrl } = options;
  const challenge = (code: OAuthErrorCode, message: string) =>
    bearerAuthChallengeResponse(new OAuthError(code, message), {
      requiredScopes: [READ],
      ...defined({ resourceMetadataUrl }),
    });

  return async (request, address) => {
    const header = request.headers.get('authorization');
    const token = /^bearer +([\w.~+/=-]+)$/i.exec(header ?? '')?.[1];
    const found = token === undefined ? (header === null ? 'missing' : 'malformed') : await identify(options, token, address);
    if (typeof found !== 'string') {
      return { ...toAuthInfo(found), ...defined({ resourceMetadataUrl }) };
    }
    options.onRefused(found, address);
    if (found === 'unavailable') {
      return Response.json(
        { error: 'temporarily_unavailable', error_description: 'The authorization server cannot be reached. Try again.' },
        { status: 503, headers: { 'Retry-After': '5' } },
      );
    }
    if (found === 'scope') return challenge(OAuthErrorCode.InsufficientScope, `The token has none of the scopes ${SCOPES.join(', ')}`);
    const response = challenge(OAuthErrorCode.InvalidToken, MESSAGES[found] ?? 'The access token is not valid here');
    return found === 'missing' ? withoutErrorCode(response) : response;
  };
}

/** A request without credentials gets no error code, only the challenge (RFC 6750 section 3.1). */
function withoutErrorCode(response: Response): Response {
  const asked = response.headers.get('www-authenticate') ?? '';
  response.headers.set('www-authenticate', asked.replace(/error="[^"]*", error_description="[^"]*"(, )?/, ''));
  return response;
}

const MESSAGES: Partial<Record<Fault, string>> = {
  missing: 'Send an access token: Authorization: Bearer TOKEN',
  malformed: 'The Authorization header must be: Bearer TOKEN',
  expired: 'The access token has expired',
};

/** The document that tells clients which authorization server issues tokens for this server (RFC 9728); undefined at any other path. */
export function resourceMetadata(path: string, { resource, issuer }: { resource: URL; issuer: string }) {
  const base = '/.well-known/oauth-protected-resource';
  if (path !== base && path !== `${base}${resource.pathname}`) return undefined;
  return {
    resource: resource.href,
    authorization_servers: [issuer],
    scopes_supported: SCOPES,
    bearer_methods_supported: ['header'],
    resource_name: 'Proxmox VE through proxmox-mcp',
  };
}
