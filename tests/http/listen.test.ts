import { get, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MAX_BODY_BYTES } from '../../src/http/incoming.ts';
import { type App, type Connection, type Listener, listen } from '../../src/http/listen.ts';

let listeners: Listener[] = [];
const onError = vi.fn();
const start = async (fetch: App['fetch'], port = 0) => {
  const listener = await listen({ fetch }, { host: '127.0.0.1', port, onError });
  listeners.push(listener);
  return listener;
};
afterEach(async () => {
  for (const listener of listeners) await listener.close(0);
  listeners = [];
  onError.mockClear();
});

/** Sends a body in chunks, without saying how long it will be. */
const send = (port: number, chunks: string[], headers = {}) =>
  new Promise<{ answer: IncomingMessage; text: string }>((resolve, reject) => {
    const outgoing = request({ port, method: 'POST', headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      answer.on('end', () => resolve({ answer, text }));
    });
    outgoing.once('error', reject);
    for (const chunk of chunks) outgoing.write(chunk);
    outgoing.end();
  });

describe('a request', () => {
  it('reaches the app whole, with the address of its peer', async () => {
    const { port } = await start(async (asked, { peer }) => {
      const { pathname, search } = new URL(asked.url);
      return new Response(`${asked.method} ${pathname}${search} ${asked.headers.get('x-one')} ${await asked.text()} ${peer}`);
    });
    const { text } = await send(port, ['{"a":', '1}'], { 'X-One': '1' });
    expect(text).toBe('POST / 1 {"a":1} 127.0.0.1');
  });
  it('that is too big is answered 413, also when it comes in chunks, and does not reach the app', async () => {
    const app = vi.fn(() => new Response());
    const { port } = await start(app);
    const { answer, text } = await send(port, Array(17).fill('x'.repeat(MAX_BODY_BYTES / 16)));
    expect([answer.statusCode, answer.headers.connection]).toEqual([413, 'close']);
    expect(text).toContain('1048576 bytes');
    expect(app).not.toHaveBeenCalled();
  });
  it('that cannot be read is answered 400', async () => {
    const { port } = await start(() => new Response());
    const text = await new Promise<string>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: a b\r\n\r\n'));
      socket.once('data', (data) => resolve(String(data)));
    });
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('an answer', () => {
  it('keeps its status, its headers and each of its cookies', async () => {
    const headers = new Headers({ 'X-One': '1' });
    for (const cookie of ['a=1; Path=/', 'b=2']) headers.append('Set-Cookie', cookie);
    const { port } = await start(() => new Response('no', { status: 403, headers }));
    const { answer, text } = await send(port, []);
    expect([answer.statusCode, answer.headers['x-one'], answer.headers['set-cookie'], text]).toEqual([
      403,
      '1',
      ['a=1; Path=/', 'b=2'],
      'no',
    ]);
  });
  it('of JSON leaves as a whole, with its length', async () => {
    const { port } = await start(() => Response.json({ said: 'grüß' }));
    const { answer, text } = await send(port, []);
    expect([answer.headers['content-length'], answer.headers['transfer-encoding'], text]).toEqual(['17', undefined, '{"said":"grüß"}']);
  });
  it('that streams begins at once, and its app learns when the client disconnects', async () => {
    let connection: Connection | undefined;
    const cancelled = vi.fn();
    const { port } = await start((_asked, known) => {
      connection = known;
      return new Response(new ReadableStream({ cancel: cancelled }));
    });
    const outgoing = get({ port });
    await new Promise((resolve) => outgoing.once('response', resolve));
    expect(connection?.gone.aborted).toBe(false);
    outgoing.once('error', () => {}).destroy();
    await vi.waitFor(() => expect([connection?.gone.aborted, cancelled.mock.calls.length]).toEqual([true, 1]));
    expect(onError).not.toHaveBeenCalled();
  });
  it('that fails is reported to the operator and cuts the connection', async () => {
    const { port } = await start(() => Promise.reject(new Error('broken')));
    await expect(send(port, [])).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ message: 'broken' }));
  });
});

describe('the listener', () => {
  it('names the port that is in use, and the next step', async () => {
    const { port } = await start(() => new Response());
    await expect(start(() => new Response(), port)).rejects.toMatchObject({
      code: 'invalid_configuration',
      message: `127.0.0.1 port ${port} cannot be served (EADDRINUSE).`,
      hint: expect.stringContaining('--port'),
    });
  });
  it('ends streams that never end by themselves when it closes', async () => {
    const listener = await start(() => new Response(new ReadableStream()));
    const outgoing = get({ port: listener.port });
    const incoming = await new Promise<IncomingMessage>((resolve) => outgoing.once('response', resolve));
    const ended = new Promise((resolve) => incoming.once('error', () => {}).once('close', resolve));
    incoming.resume();
    await listener.close(0);
    await ended;
  });
});
