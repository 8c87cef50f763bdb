import type { Context, MiddlewareHandler } from 'hono';

/** The page brings everything along: nothing inline, nothing from elsewhere, never framed, and no text ever becomes markup. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS: Record<string, string> = {
  'Content-Security-Policy': POLICY,
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Cache-Control': 'no-store',
};

/** Sends the headers with every answer, refusals included. */
export const secureHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(HEADERS)) c.res.headers.set(name, value);
};

/**
 * Refuses what did not come from the page itself: another Host (DNS rebinding), another Origin or site (forged requests), a body that a plain
 * form could send.
 * @param origins under which browsers reach the page, e.g. `http://127.0.0.1:4100`
 */
export function sameOriginOnly(origins: () => string[]): MiddlewareHandler {
  return async (c, next) => {
    const reason = whyForeign(c, origins());
    if (reason !== undefined) return refuse(c, 403, 'refused', reason, 'Open the console by its own address.');
    await next();
  };
}

function whyForeign(c: Context, origins: string[]): string | undefined {
  const host = c.req.header('Host');
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
export function refuse(c: Context, status: 400 | 401 | 403 | 404 | 422 | 500, code: string, message: string, hint: string): Response {
  return c.json({ error: { code, message, hint } }, status);
}
