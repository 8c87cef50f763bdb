import type { Context, MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { Problem } from './wire.ts';

/** The page brings everything along: nothing inline, nothing from elsewhere, never framed, and no text ever becomes markup. */
const headers = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
    requireTrustedTypesFor: ["'script'"],
    trustedTypes: ["'none'"],
  },
  xFrameOptions: 'DENY',
  permissionsPolicy: { camera: [], geolocation: [], microphone: [] },
  // It would bind the whole host, of which the console may be one path.
  strictTransportSecurity: false,
});

/** Sends the headers with every answer, refusals included. */
export const protect: MiddlewareHandler[] = [
  headers,
  async (c, next) => {
    await next();
    c.res.headers.set('Cache-Control', 'no-store');
  },
];

/**
 * Rejects requests that the page itself did not send: another Host (DNS rebinding), another Origin or site (forged requests), a body that a plain
 * form could send.
 * @param origins under which browsers reach the page, e.g. `http://127.0.0.1:4100`
 */
export function sameOriginOnly(origins: () => string[]): MiddlewareHandler {
  return async (c, next) => {
    const message = whyForeign(c, origins());
    if (message !== undefined) return refuse(c, 403, { code: 'refused', message, hint: 'Open the console by its own address.' });
    await next();
  };
}

/** The host that the browser asked for. */
export function hostOf(c: Context<{ Bindings: { host?: string } }>): string | undefined {
  return c.env.host ?? c.req.header('Host');
}

function whyForeign(c: Context, origins: string[]): string | undefined {
  const host = hostOf(c);
  const own = origins.find((origin) => new URL(origin).host === host);
  if (own === undefined) return 'Host not allowed.';
  const reads = c.req.method === 'GET' || c.req.method === 'HEAD';
  const origin = c.req.header('Origin');
  if (origin !== undefined ? origin !== own : !reads) return 'The request comes from another site.';
  const site = c.req.header('Sec-Fetch-Site');
  // Following a link to the page is fine from anywhere; its data is for the page alone.
  const navigates = reads && c.req.header('Sec-Fetch-Mode') === 'navigate';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !navigates) return 'The request comes from another site.';
  if (!reads && !c.req.header('Content-Type')?.startsWith('application/json')) return 'Only JSON is accepted.';
  return undefined;
}

/** An answer of the same form as every other error. */
export function refuse(c: Context, status: 401 | 403 | 404 | 413 | 422 | 500, problem: Problem): Response {
  return c.json({ error: problem }, status);
}
