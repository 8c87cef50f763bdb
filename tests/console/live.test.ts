import { existsSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createSessions, IDLE_SECONDS, memoryRows } from '../../src/console/sessions.ts';
import { systemClock } from '../../src/core/clock.ts';
import { fail } from '../../src/core/errors/errors.ts';
import { setPassphrase } from '../../src/engine/approvals/passphrase.ts';
import { approval, type Open, openConsolePlace, scriptedEngine } from './place.ts';

let open: Open;
beforeEach(async () => {
  open = await openConsolePlace();
});
afterEach(() => open.close());

interface Listening {
  events: { event: string; data: { pending: { id: string; status: string }[]; code?: string } }[];
  ended: boolean;
  hangUp(): void;
}

/** Opens the live stream as the page does, with fetch's headers. */
async function listen(headers: Record<string, string>): Promise<Listening> {
  const listening: Listening = { events: [], ended: false, hangUp: () => {} };
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = get({ host: '127.0.0.1', port: open.port, path: '/api/live', headers }, resolve);
    outgoing.once('error', reject);
    listening.hangUp = () => outgoing.destroy();
  });
  expect(incoming.headers['content-type']).toBe('text/event-stream');
  let rest = '';
  incoming.setEncoding('utf8');
  incoming.on('data', (chunk) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      listening.events.push({ event, data: JSON.parse(data) });
    }
  });
  incoming.once('close', () => {
    listening.ended = true;
  });
  incoming.once('error', () => {});
  return listening;
}

const states = ({ events }: Listening) =>
  events.filter(({ event }) => event === 'approvals').map(({ data }) => data.pending.map((a) => a.id));

describe('the live view', () => {
  test('sends the present state at once, and every change once', async () => {
    open.engine.pending = [approval];
    const page = await listen(await open.logIn());
    await vi.waitFor(() => expect(states(page)).toEqual([['apr_1']]));
    open.engine.pending = [approval, { ...approval, id: 'apr_2', createdAt: '2026-11-23T10:01:00.000Z' }];
    // The order is the engine's: the next to expire stays on top, so that nothing moves under the hand.
    await vi.waitFor(() => expect(states(page)).toEqual([['apr_1'], ['apr_1', 'apr_2']]));
    const looks = open.engine.looks;
    await vi.waitFor(() => expect(open.engine.looks).toBeGreaterThan(looks + 3));
    expect(states(page)).toHaveLength(2);
    expect(page.events.some(({ event }) => event === 'tick')).toBe(true);
    page.hangUp();
  });

  test('polls only while a page listens, once for many, and leaves no trace in the audit', async () => {
    expect(open.engine.looks).toBe(0);
    const session = await open.logIn();
    const pages = await Promise.all([listen(session), listen(session), listen(session)]);
    await vi.waitFor(() => expect(pages.every((page) => states(page).length === 1)).toBe(true));
    for (const page of pages) page.hangUp();
    let before = -1;
    await vi.waitFor(() => {
      const settled = open.engine.looks === before;
      before = open.engine.looks;
      expect(settled).toBe(true);
    });
    expect(open.engine.calls).toEqual([]);
    expect(existsSync(open.auditFile)).toBe(false);
    const late = await listen(session);
    await vi.waitFor(() => expect(states(late)).toHaveLength(1));
    late.hangUp();
  });

  test('continues after a fault of the store, and reports it', async () => {
    const engine = scriptedEngine();
    let broken = true;
    const watch = engine.watch;
    engine.watch = async () => (broken ? fail('store_unavailable', 'The database is gone.') : watch());
    await open.close();
    open = await openConsolePlace({ engine });
    const page = await listen(await open.logIn());
    await vi.waitFor(() => expect(page.events[0]).toMatchObject({ event: 'problem', data: { code: 'store_unavailable' } }));
    broken = false;
    await vi.waitFor(() => expect(states(page)).toEqual([[]]));
    page.hangUp();
  });

  test('a session that cannot be looked up shows nothing, and no one-time link is used up: the page comes back', async () => {
    await open.close();
    const rows = memoryRows();
    open = await openConsolePlace({ sessions: createSessions(systemClock, rows) });
    const session = await open.logIn();
    const page = await listen(session);
    await vi.waitFor(() => expect(page.events.length).toBeGreaterThan(0));
    const { get } = rows;
    rows.get = async () => fail('store_unavailable', 'The database is gone.');
    await vi.waitFor(() => expect(page.ended).toBe(true));
    expect(page.events.map(({ event }) => event)).not.toContain('signed_out');
    expect((await open.ask('GET', '/api/live', { headers: session })).status).toBe(422);
    rows.get = get;
    const again = await listen(session);
    await vi.waitFor(() => expect(states(again)).toEqual([[]]));
    again.hangUp();
  });

  test('ends with the session, which listening does not prolong', async () => {
    const session = await open.logIn();
    const page = await listen(session);
    await vi.waitFor(() => expect(page.events.length).toBeGreaterThan(3));
    open.clock.pass(IDLE_SECONDS + 1);
    await vi.waitFor(() => expect(page.ended).toBe(true));
    expect(page.events.at(-1)?.event).toBe('signed_out');
    expect((await open.ask('GET', '/api/live', { headers: session })).status).toBe(401);
  });
});

describe('deciding', () => {
  const post = async (path: string, body: unknown) => open.ask('POST', `/api/approvals/${path}`, { headers: await open.logIn(), body });

  test('passes the typed text to the engine, as a human in the console', async () => {
    expect((await post('apr_1/approve', { typed: 'web1 105', passphrase: 'secret words' })).status).toBe(200);
    expect(open.engine.calls).toEqual([
      {
        operation: 'approve',
        args: { approval_id: 'apr_1' },
        caller: {
          principal: 'local:1000',
          owner: 'local:1000',
          isOperator: true,
          channel: 'console',
          canAsk: { elicitation: false, terminal: false },
        },
        options: { answer: { approvalId: 'apr_1', via: 'human', typed: 'web1 105', passphrase: 'secret words' }, wait: 0 },
      },
    ]);
  });

  test('asks for the passphrase where one is set', async () => {
    const needs = async (headers: Record<string, string>) => (await open.ask('GET', '/api/session', { headers })).json.needsPassphrase;
    const session = await open.logIn();
    expect(await needs(session)).toBe(false);
    await setPassphrase(dirname(open.auditFile), 'correct horse battery');
    expect(await needs(session)).toBe(true);
  });

  test.each([
    ['nothing', undefined],
    ['no text', { typed: 7 }],
    ['a list', { typed: ['web1 105'] }],
    ['not JSON', '{'],
    ['another kind of JSON', '"web1 105"'],
  ])('%s is the empty text, which never means yes', async (_, body) => {
    await post('apr_1/approve', body);
    expect(open.engine.calls.map((call) => call.options?.answer?.typed)).toEqual(['']);
  });

  test('a body that is far too big is refused, and nothing is decided', async () => {
    const answer = await post('apr_1/approve', { typed: 'web1 105', more: 'x'.repeat(20_000) });
    expect(answer.status).toBe(413);
    expect(answer.json.error).toMatchObject({ code: 'too_large', message: 'A request may have at most 16384 bytes.' });
    expect(open.engine.calls).toEqual([]);
  });

  test('a refusal of the engine is shown with its next step', async () => {
    await open.close();
    open = await openConsolePlace({ engine: scriptedEngine(() => fail('approval_expired', 'Approval apr_1 expired.')) });
    const answer = await post('apr_1/approve', { typed: 'web1 105' });
    expect(answer.status).toBe(422);
    expect(answer.json.error).toMatchObject({ code: 'approval_expired', message: 'Approval apr_1 expired.' });
    expect(answer.json.error?.hint).not.toBe('');
  });

  test('an internal fault is reported without its text', async () => {
    await open.close();
    const engine = scriptedEngine(() => {
      throw new Error('secret=hunter2');
    });
    open = await openConsolePlace({ engine });
    const answer = await post('apr_1/deny', { reason: 'no' });
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain('hunter2');
  });

  test('a reason of a denial is passed on, cut to the length that the operation takes; an empty one is left out', async () => {
    await post('apr_1/deny', { reason: ` ${'n'.repeat(400)}` });
    await post('apr_1/deny', { reason: '  ' });
    expect(open.engine.calls.map((call) => call.args)).toEqual([
      { approval_id: 'apr_1', reason: 'n'.repeat(300) },
      { approval_id: 'apr_1' },
    ]);
  });
});

describe('requests of unknown outcome', () => {
  test('are shown as harmless text, and closed by the person who looked, with one of two answers', async () => {
    const headers = await open.logIn();
    const shown = await open.ask('GET', '/api/open-runs', { headers });
    expect(shown.json).toEqual([
      {
        id: 'run_open',
        summary: 'Delete web1 (105) on pve',
        askedBy: 'local:agent',
        startedAt: '2026-11-23T10:00:00.000Z',
        message: 'no answer came',
      },
    ]);
    expect(await open.ask('POST', '/api/runs/run_open/close', { headers, body: { outcome: 'perhaps' } })).toMatchObject({ status: 422 });
    expect(open.engine.calls).toEqual([]);
    const closed = await open.ask('POST', '/api/runs/run_open/close', { headers, body: { outcome: 'not-done' } });
    expect(closed.json).toEqual({ status: 'failed' });
    expect(open.engine.calls).toMatchObject([
      { args: { id: 'run_open', outcome: 'not-done' }, caller: { channel: 'console', isOperator: true } },
    ]);
  });

  test('need a login', async () => {
    expect((await open.ask('GET', '/api/open-runs')).status).toBe(401);
    expect((await open.ask('POST', '/api/runs/run_open/close', { body: { outcome: 'done' } })).status).toBe(401);
    expect(open.engine.calls).toEqual([]);
  });
});
