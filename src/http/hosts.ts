import { originValidationResponse, validateHostHeader } from '@modelcontextprotocol/server';
import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import type { Networks } from '../core/network.ts';
import { plainText } from '../core/text/text.ts';
import { refuse } from './sessions.ts';

/** How long (s) a browser may keep the answer to a preflight. */
const PREFLIGHT_SECONDS = 600;

/**
 * Refuses requests for a host name that is not this server's (DNS rebinding).
 * @param hosts names without port
 * @param isTrustedProxy whose X-Forwarded-Host names the host that the client asked for
 */
export function createHostCheck(hosts: string[], isTrustedProxy: Networks): (request: Request, peer: string) => Response | undefined {
  return (request, peer) => {
    const refused = askedHosts(request, peer, isTrustedProxy)
      .map((name) => ({ name, ...validateHostHeader(name, hosts) }))
      .find(({ ok }) => !ok);
    if (!refused) return undefined;
    const name = plainText(refused.name ?? '', 200);
    const missing = name === '' ? 'The Host header is missing.' : `This server is not known as "${name}".`;
    return refuse(403, `${missing} The operator adds its address, such as https://mcp.example.org, to PROXMOX_HTTP_PUBLIC_URL.`);
  };
}

/** The hosts that a request names, the one that the client asked for first; `null` without a Host header. */
export function askedHosts({ headers }: Request, peer: string, isTrustedProxy: Networks): [string | null, ...string[]] {
  const [first, ...others] = (headers.get('x-forwarded-host') ?? '').split(',').map((name) => name.trim());
  return first === undefined || first === '' || !isTrustedProxy(peer) ? [headers.get('host')] : [first, ...others];
}

/** Refuses pages of other sites; pages of this server's own names may read the answers. Agents send no Origin. */
export function ownOriginOnly(hosts: string[]): MiddlewareHandler[] {
  const forPages = cors({
    origin: (origin) => origin,
    allowMethods: ['GET', 'POST', 'DELETE'],
    allowHeaders: [
      'Authorization',
      'Content-Type',
      'Accept',
      'Last-Event-ID',
      'Mcp-Session-Id',
      'Mcp-Protocol-Version',
      'Mcp-Method',
      'Mcp-Name',
    ],
    exposeHeaders: ['Mcp-Session-Id', 'Mcp-Protocol-Version', 'WWW-Authenticate', 'Retry-After'],
    maxAge: PREFLIGHT_SECONDS,
  });
  return [
    async (c, next) => originValidationResponse(c.req.raw, hosts) ?? (await next()),
    // A request that comes this far has an allowed Origin or none. For an agent's call hono would make three answers, to add headers for pages.
    (c, next) => (c.req.method === 'POST' && c.req.header('origin') === undefined ? next() : forPages(c, next)),
  ];
}
