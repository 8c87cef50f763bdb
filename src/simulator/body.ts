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
const UPLOAD_LIMIT = 64 * 1024 ** 2;

/** Query and body of a request; the query overrides the body, a repeated key becomes a list. */
export async function readParams(request: IncomingMessage, query: string): Promise<Params> {
  if (request.headers['transfer-encoding']?.includes('chunked')) throw new BadRequest(501, 'chunked transfer encoding not supported');
  const length = Number(request.headers['content-length'] ?? 0);
  const method = request.method ?? 'GET';
  if (length > 0 && method !== 'POST' && method !== 'PUT') throw new BadRequest(501, `Unexpected content for method '${method}'`);
  const multipart = /^multipart\/form-data;.*boundary="?([^";]+)/.exec(request.headers['content-type'] ?? '')?.[1];
  const upload = multipart !== undefined && /\/upload(\?|$)/.test(request.url ?? '');
  if (length > (upload ? UPLOAD_LIMIT : LIMIT)) throw new BadRequest(501, 'for data too large');
  // Without a length there is no body, since none comes in chunks.
  if (length === 0) return parseForm(query);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  if (upload) return { ...parseMultipart(Buffer.concat(chunks).toString('latin1'), multipart), ...parseForm(query) };
  const body = Buffer.concat(chunks).toString('utf8');
  return { ...(body === '' ? {} : parseBody(request.headers['content-type'] ?? '', body)), ...parseForm(query) };
}

function parseBody(contentType: string, body: string): Params {
  if (contentType === '' || contentType.startsWith('application/x-www-form-urlencoded')) return parseForm(body);
  if (contentType.startsWith('application/json')) return parseJson(body);
  throw new BadRequest(506, `upload 'Content-Type '${contentType}' not implemented`);
}

/** Splits on `&` and on `;`; what follows a second `=` is lost, and values of one name are joined with NUL, as it is there. */
function parseForm(form: string): Params {
  const params: Params = {};
  for (const pair of form.split(/[&;]/)) {
    if (pair === '') continue;
    const [key = '', value = ''] = pair.split('=').map((part) => decodeURIComponent(part.replaceAll('+', ' ')));
    const before = params[key];
    params[key] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value].flatMap((one) => one.split('\0'));
  }
  return params;
}

/** Name of the parameter that carries what is known of an uploaded file; clients cannot send it. */
const UPLOADED = 'tmpfilename';

const HEAD_DIGITS = 8;
const SIZE_DIGITS = 24;

/** The place of an uploaded file, which tells its first four bytes and its size. */
function temporaryName(content: string): string {
  const head = Buffer.from(content.slice(0, HEAD_DIGITS / 2), 'latin1')
    .toString('hex')
    .padEnd(HEAD_DIGITS, '0');
  return `/var/tmp/pveupload-${head}${content.length.toString(16).padStart(SIZE_DIGITS, '0')}`;
}

/** The uploaded file of a request: its place, its first four bytes (hex) and its size. */
export function uploadedFile(params: Params): { temporary: string; head: string; size: number } | undefined {
  const temporary = params[UPLOADED];
  if (typeof temporary !== 'string') return undefined;
  const digits = temporary.split('-').at(-1) ?? '';
  return { temporary, head: digits.slice(0, HEAD_DIGITS), size: Number.parseInt(digits.slice(HEAD_DIGITS), 16) };
}

/** Text fields, then the file: only its name, its size and its first bytes matter here. */
function parseMultipart(body: string, boundary: string): Params {
  const params: Params = {};
  for (const part of body.split(`--${boundary}`).slice(1, -1)) {
    const [head = '', ...rest] = part.split('\r\n\r\n');
    const content = rest.join('\r\n\r\n').replace(/\r\n$/, '');
    const name = /name="([^"]*)"/.exec(head)?.[1] ?? '';
    const filename = /filename="([^"]*)"/.exec(head)?.[1];
    if (filename === undefined) params[name] = content;
    else Object.assign(params, { filename, [UPLOADED]: temporaryName(content) });
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
