import type { IncomingMessage } from 'node:http';

/** Bytes of a request; the largest arguments of any operation are a fraction of it. */
export const MAX_BODY_BYTES = 1024 * 1024;

export class TooLarge extends Error {}

/**
 * A request as web-standard apps read it, once its body has arrived.
 * @param signal makes the signal of the request, when that is first read
 * @throws TooLarge, or a TypeError for an invalid request, such as one with blanks in its host
 */
export async function webRequest(incoming: IncomingMessage, signal: () => AbortSignal): Promise<Request> {
  const { method = 'GET', headers: given } = incoming;
  const url = new URL(`http://${given.host ?? 'localhost'}${incoming.url ?? '/'}`);
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === 'string') headers.set(name, value);
    else for (const one of value ?? []) headers.append(name, one);
  }
  if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers, signal: signal() });
  const body = await bodyOf(incoming);
  // The body is complete, however it was transferred.
  headers.delete('transfer-encoding');
  headers.set('content-length', String(body.length));
  const text = utf8.decode(body);
  if (method !== 'POST' || url.username !== '' || url.password !== '') {
    return new Request(url, { method, headers, signal: signal(), ...(text === '' ? {} : { body: text }) });
  }
  return new Posted(url.href, headers, text, signal) as unknown as Request;
}

const utf8 = new TextDecoder();

function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(incoming.headers['content-length']) > MAX_BODY_BYTES) return reject(new TooLarge());
    const chunks: Buffer[] = [];
    let bytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
      else reject(new TooLarge());
    });
    incoming.once('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    incoming.once('error', reject);
    incoming.once('close', () => reject(new Error('The connection ended before the request was complete.')));
  });
}

/**
 * A POST whose body has arrived. Node's own Request follows a signal: V8 frees it, and all that hangs on it, in full collections alone. Making it
 * and reading its body takes 80 µs. So it is made only for a member that this class lacks.
 */
class Posted {
  readonly method = 'POST';
  readonly #text: string;
  readonly #signal: () => AbortSignal;
  #whole: Request | undefined;

  constructor(
    readonly url: string,
    readonly headers: Headers,
    text: string,
    signal: () => AbortSignal,
  ) {
    this.#text = text;
    this.#signal = signal;
  }

  get signal(): AbortSignal {
    return this.#signal();
  }

  async text(): Promise<string> {
    return this.#text;
  }

  async json(): Promise<unknown> {
    return JSON.parse(this.#text);
  }

  /** Node's own request, for all other members. */
  whole(): Request {
    const { url, method, headers, signal } = this;
    this.#whole ??= new Request(url, { method, headers, signal, body: this.#text });
    return this.#whole;
  }
}

for (const name of Object.getOwnPropertyNames(Request.prototype)) {
  if (name in Posted.prototype || ['method', 'url', 'headers'].includes(name)) continue;
  const get = function (this: Posted) {
    const whole = this.whole();
    const member: unknown = whole[name as keyof Request];
    return typeof member === 'function' ? member.bind(whole) : member;
  };
  Object.defineProperty(Posted.prototype, name, { get, configurable: true });
}
