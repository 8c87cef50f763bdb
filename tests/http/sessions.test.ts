import type { AuthInfo } from '@modelcontextprotocol/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSessions } from '../../src/http/sessions.ts';
import { handClock } from '../console/place.ts';
import { face } from '../helpers/answering-engine.ts';

const PER_PRINCIPAL = 50;
const clock = handClock();
let sessions: ReturnType<typeof createSessions>;
beforeEach(() => {
  sessions = createSessions(face(() => ({ kind: 'done', output: {} })).factory, 'a', clock);
});
afterEach(() => sessions.close());

const as = (principal: string): AuthInfo => ({ token: '', clientId: principal, scopes: [] });
const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
/** One request; `hangUp` ends its connection. */
async function send(
  principal: string,
  method: 'GET' | 'POST',
  message?: object,
  { session, accept = headers.accept, hasLeft = false }: { session?: string; accept?: string; hasLeft?: boolean } = {},
) {
  const gone = new AbortController();
  if (hasLeft) gone.abort();
  const body = message && { jsonrpc: '2.0', id: 1, ...message };
  const sent = new Request('http://localhost/mcp', {
    method,
    headers: { ...headers, accept, ...(session === undefined ? {} : { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const response = await sessions.handle({ request: sent, authInfo: as(principal), gone: gone.signal, parsedBody: body });
  return { status: response.status, session: response.headers.get('mcp-session-id') ?? '', hangUp: () => gone.abort() };
}
const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'old', version: '1' } };
const begin = async (principal: string, accept = headers.accept) => {
  const begun = await send(principal, 'POST', { method: 'initialize', params }, { accept });
  begun.hangUp();
  return begun;
};
const isKnown = async (principal: string, session: string) => {
  const asked = await send(principal, 'POST', { method: 'ping' }, { session });
  asked.hangUp();
  return asked.status === 200;
};

describe('sessions of one principal', () => {
  it('are limited, also when all of them begin at the same moment', async () => {
    const begun = await Promise.all(Array.from({ length: PER_PRINCIPAL + 10 }, () => begin('busy')));
    expect(begun.filter(({ status }) => status === 200)).toHaveLength(PER_PRINCIPAL);
    expect(begun.filter(({ status }) => status === 503)).toHaveLength(10);
    expect(sessions.count()).toBe(PER_PRINCIPAL);
    expect((await begin('calm')).status).toBe(200);
  });

  it('that no client ended make room for new ones, the oldest first; those in use do not', async () => {
    const first = await begin('forgetful');
    const listening = await begin('forgetful');
    const stream = await send('forgetful', 'GET', undefined, { session: listening.session });
    expect(stream.status).toBe(200);
    clock.pass(1);
    for (let n = 2; n < PER_PRINCIPAL; n++) await begin('forgetful');
    expect((await begin('forgetful')).status).toBe(503);
    clock.pass(61);
    expect(await isKnown('forgetful', first.session)).toBe(true);
    expect((await begin('forgetful')).status).toBe(200);
    expect(sessions.count()).toBe(PER_PRINCIPAL);
    expect(await isKnown('forgetful', first.session)).toBe(true);
    expect(await isKnown('forgetful', listening.session)).toBe(true);
    stream.hangUp();
  });

  it('whose clients left before they began make room, too', async () => {
    for (let n = 0; n < PER_PRINCIPAL; n++) await send('hasty', 'POST', { method: 'initialize', params }, { hasLeft: true });
    clock.pass(61);
    expect((await begin('hasty')).status).toBe(200);
  });

  it('that never began take no place', async () => {
    for (let n = 0; n < PER_PRINCIPAL + 1; n++) expect((await begin('odd', 'text/html')).status).toBe(406);
    expect(sessions.count()).toBe(0);
  });

  it('last while their client listens, however long it says nothing, and half an hour more', async () => {
    const { session } = await begin('listening');
    const stream = await send('listening', 'GET', undefined, { session });
    clock.pass(31 * 60);
    await begin('other');
    expect(await isKnown('listening', session)).toBe(true);
    stream.hangUp();
    clock.pass(31 * 60);
    expect(await isKnown('listening', session)).toBe(false);
  });

  it('end when idle for half an hour', async () => {
    const { session } = await begin('asleep');
    clock.pass(29 * 60);
    expect(await isKnown('asleep', session)).toBe(true);
    clock.pass(31 * 60);
    expect(await isKnown('asleep', session)).toBe(false);
    expect(sessions.count()).toBe(0);
  });
});

describe('a session that has ended', () => {
  it('is replaced when its client initializes again with the old id', async () => {
    const again = await send('one', 'POST', { method: 'initialize', params }, { session: 'a-00000000-0000-4000-8000-000000000000' });
    again.hangUp();
    expect(again.status).toBe(200);
    expect(again.session).toMatch(/^a-/);
    expect(again.session).not.toBe('a-00000000-0000-4000-8000-000000000000');
    expect(await isKnown('one', again.session)).toBe(true);
  });

  it('is not found by any other request', async () => {
    for (const [method, message] of [
      ['POST', { method: 'ping' }],
      ['GET', undefined],
    ] as const) {
      expect((await send('one', method, message, { session: 'a-00000000-0000-4000-8000-000000000000' })).status).toBe(404);
    }
  });

  it('of another principal is not taken over by an initialize with its id', async () => {
    const mine = await begin('one');
    const theirs = await send('two', 'POST', { method: 'initialize', params }, { session: mine.session });
    theirs.hangUp();
    expect(theirs.session).not.toBe(mine.session);
    expect(await isKnown('one', mine.session)).toBe(true);
  });
});
