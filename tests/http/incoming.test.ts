import { request } from 'node:http';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type App, type Listener, listen } from '../../src/http/listen.ts';

let listener: Listener | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await listener?.close(0);
});

/** What the app answers to a POST, whose body comes in these chunks. */
async function post(
  fetch: App['fetch'],
  chunks: string[],
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const { port } = await listen({ fetch }, { host: '127.0.0.1', port: 0, onError: () => {} }).then((one) => (listener = one));
  return new Promise((resolve, reject) => {
    const outgoing = request({ port, method: 'POST', headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => (text += part));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    outgoing.once('error', reject);
    for (const chunk of chunks) outgoing.write(chunk);
    outgoing.end();
  });
}

describe('a POST', () => {
  it('creates no Request object while only its body and headers are read', async () => {
    const made = vi.spyOn(globalThis, 'Request');
    const answer = await post(async (asked) => new Response(`${asked.headers.get('x-one')} ${await asked.text()}`), ['{"a":', '1}'], {
      'x-one': '1',
    });
    expect([answer.text, made.mock.calls.length]).toEqual(['1 {"a":1}', 0]);
  });

  it.each<[string, (asked: Request) => Promise<unknown>]>([
    ['text', (asked) => asked.text()],
    ['json', async (asked) => JSON.stringify(await asked.json())],
    ['arrayBuffer', async (asked) => new TextDecoder().decode(await asked.arrayBuffer())],
    ['body', async (asked) => new Response(asked.body).text()],
    ['clone', (asked) => asked.clone().text()],
    ['a clone, and then itself', async (asked) => (await asked.clone().text()) && (await asked.text())],
  ])('can be read by %s', async (_member, read) => {
    expect((await post(async (asked) => new Response(String(await read(asked))), ['["gr', 'üß"]'])).text).toBe('["grüß"]');
  });

  it('has the members that every Request has', async () => {
    const members = (asked: Request) => [asked.method, new URL(asked.url).pathname, asked.redirect, asked.bodyUsed, asked.signal.aborted];
    expect((await post((asked) => Response.json(members(asked)), ['x'])).text).toBe('["POST","/","follow",false,false]');
  });

  it('in chunks has a length that an app can limit', async () => {
    const app = new Hono()
      .use(bodyLimit({ maxSize: 10, onError: (c) => c.text('too long', 413) }))
      .post('/', async (c) => c.text(await c.req.text()));
    expect(await post((asked) => app.fetch(asked), ['12345', '678'])).toEqual({ status: 200, text: '12345678' });
    await listener?.close(0);
    expect(await post((asked) => app.fetch(asked), ['12345', '67890', '1'])).toEqual({ status: 413, text: 'too long' });
  });

  it('that names a user in its host is refused', async () => {
    expect((await post(() => new Response(), ['x'], { host: 'user:word@localhost' })).status).toBe(400);
  });
});
