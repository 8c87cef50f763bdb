import type { IncomingMessage } from 'node:http';
import type { Params } from './contract.ts';

/** A refusal before the API is reached: status, plain text. */
export class BadRequest extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const LIMIT = 512 * 1024;

/** Query and body of a request; the query overrides the body, a repeated key becomes a list. */
export async function readParams(request: IncomingMessage, query: string): Promise<Params> {
  if (request.headers['transfer-encoding']?.includes('chunked')) throw new BadRequest(501, 'chunked transfer encoding not supported');
  const length = Number(request.headers['content-length'] ?? 0);
  const method = request.method ?? 'GET';
  if (length > 0 && method !== 'POST' && method !== 'PUT') throw new BadRequest(501, `Unexpected content for method '${method}'`);
  if (length > LIMIT) throw new BadRequest(501, 'for data too large');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString('utf8');
  return { ...(body === '' ? {} : parseBody(request.headers['content-type'] ?? '', body)), ...parseForm(query) };
}

function parseBody(contentType: string, body: string): Params {
  if (contentType === '' || contentType.startsWith('application/x-www-form-urlencoded')) return parseForm(body);
  if (contentType.startsWith('application/json')) return parseJson(body);
  throw new BadRequest(506, `upload 'Content-Type '${contentType}' not implemented`);
}

/** Splits on `&` and on `;`; what follows a second `=` is lost, as it is there. */
function parseForm(form: string): Params {
  const params: Params = {};
  for (const pair of form.split(/[&;]/)) {
    if (pair === '') continue;
    const [key = '', value = ''] = pair.split('=').map((part) => decodeURIComponent(part.replaceAll('+', ' ')));
    const before = params[key];
    params[key] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return params;
}

function parseJson(body: string): Params {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(body) as Record<string, unknown>;
  } catch {
    throw new BadRequest(
      500,
      `malformed JSON string, neither tag, array, object, number, string or atom, at character offset ${jsonFault(body)}`,
    );
  }
  const plain = (value: unknown): string => (typeof value === 'boolean' ? String(Number(value)) : String(value));
  return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, Array.isArray(value) ? value.map(plain) : plain(value)]));
}

/** Good enough for what clients get wrong: text that ends too early. */
function jsonFault(body: string): string {
  return `${body.length} (before "(end of string)") at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.`;
}
