import { fail } from '../../core/errors/errors.ts';
import { inUrl, withoutZone } from '../../core/network.ts';
import type { ResolvedRequest } from '../../core/proxmox.ts';

/** Values as they leave: every reference resolved. */
export type WireParams = ResolvedRequest['params'];

/**
 * Template tag for paths below /api2/json: every inserted segment is percent-encoded, so that a UPID or volume id stays one segment.
 * Throws `invalid_arguments` for a segment that a URL parser would drop or resolve (empty, `.`, `..`).
 */
export function path(literals: TemplateStringsArray, ...segments: (string | number)[]): string {
  return literals.reduce((text, literal, i) => text + segment(segments[i - 1] ?? '') + literal);
}

function segment(value: string | number): string {
  const text = String(value);
  if (text === '' || text === '.' || text === '..') fail('invalid_arguments', `'${text}' cannot be part of a Proxmox address.`);
  return encodeURIComponent(text);
}

/**
 * Parameters as Proxmox's form parser wants them: booleans 1/0, arrays as repeated keys, everything else percent-encoded.
 * Throws `internal` for an empty value, which Proxmox reads as absent. `delete` clears an option.
 */
export function form(params: WireParams): string {
  const names = Object.keys(params);
  if (names.length === 0) return '';
  const [name = ''] = names;
  const only = params[name];
  // Most reads ask one plain word, such as `type=vm`, which needs no escape.
  if (names.length === 1 && typeof only === 'string' && PLAIN_WORD.test(only) && PLAIN_WORD.test(name)) return `${name}=${only}`;
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === '') fail('internal', `The parameter ${name} is empty, which Proxmox reads as absent.`);
      pairs.append(name, typeof one === 'boolean' ? (one ? '1' : '0') : String(one));
    }
  }
  return pairs.toString();
}

const PLAIN_WORD = /^[A-Za-z0-9_-]+$/;

/** Segments that no URL parser would change: without escapes, and without a dot at the beginning. */
const PLAIN_PATH = /^(?:\/[A-Za-z0-9_:-][A-Za-z0-9_:.-]*)+$/;

/** Whether a path below /api2/json arrives as it is written. */
export function isPlainPath(path: string): boolean {
  return PLAIN_PATH.test(path);
}

/**
 * The address of a request; GET and DELETE carry their parameters in the query.
 * Throws `internal` when the path would not arrive as written (dot segments, a query or fragment inside).
 */
export function urlFor(endpoint: { host: string; port: number }, path: string, query: string): URL {
  // A URL names no interface: the connection adds it.
  const url = new URL(`https://${inUrl(withoutZone(endpoint.host))}:${endpoint.port}/api2/json${path}`);
  if (url.pathname !== `/api2/json${path}` || url.search !== '' || url.hash !== '')
    fail('internal', 'A Proxmox address is not in normal form.');
  url.search = query;
  return url;
}

/** The node that a path is about; empty for a path of the whole cluster. */
export function nodeOf(path: string): string {
  return /^\/nodes\/([^/]+)/.exec(path)?.[1] ?? '';
}
