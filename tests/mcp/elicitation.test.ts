import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createMcpHandler, type McpServer } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { describe, expect, it, vi } from 'vitest';
import { fail } from '../../src/core/errors/errors.ts';
import type { Result } from '../../src/core/result.ts';
import { approval, type Call, connect, deferred, ERAS, type Era, face } from '../helpers/answering-engine.ts';

const MUST_TYPE = 'web1 105';
const question: Result = {
  kind: 'question',
  approval: { ...approval, method: 'elicitation' },
  question: {
    approvalId: approval.id,
    text: 'Stop web1 (105) on pve?',
    mustType: MUST_TYPE,
    method: 'elicitation',
    needsPassphrase: false,
  },
};

/** As the engine does it: the exact text is a yes, anything else is an error and the approval stays. */
function deciding({ caller, options }: Call): Result {
  if (!caller.canAsk.elicitation) return { kind: 'approval_required', approval };
  if (options.answer === undefined) return question;
  const { action, typed } = options.answer;
  if (action !== 'accept' || typed !== MUST_TYPE) fail('approval_not_confirmed', 'Not confirmed.');
  return { kind: 'done', output: { status: 'succeeded' } };
}

type Reply = { action: 'accept' | 'decline' | 'cancel'; content?: { typed: string } };

/** `seconds`: what passes between the form and its answer. */
async function approveWith(era: Era, reply: Reply | (() => Promise<Reply>), { seconds = 5 } = {}) {
  let now = Date.parse(approval.createdAt);
  const it = face(deciding, { now: () => now });
  const capabilities = { elicitation: { form: {} } };
  const asked: unknown[] = [];
  const client = await connect(it, era, capabilities, (connecting: Client) =>
    connecting.setRequestHandler('elicitation/create', async ({ params }) => {
      asked.push(params);
      now += seconds * 1000;
      return typeof reply === 'function' ? reply() : reply;
    }),
  );
  return {
    ...it,
    asked,
    client,
    call: (options = {}) => client.callTool({ name: 'approve', arguments: { approval_id: approval.id } }, options),
  };
}

describe.each(ERAS)('asking the human through a %s client', (era) => {
  it('shows the text of the server and takes the typed name as the answer', async () => {
    const { call, asked, calls } = await approveWith(era, { action: 'accept', content: { typed: MUST_TYPE } });
    const result = await call();
    expect(result.structuredContent).toEqual({ status: 'succeeded' });
    expect(asked).toMatchObject([{ message: 'Stop web1 (105) on pve?', requestedSchema: { required: ['typed'] } }]);
    // A form over the connection has one answer; that of a repeated call could come again.
    const formId = era === 'modern' ? { formId: expect.stringMatching(/^[0-9a-f-]{36}$/) } : {};
    expect(calls.map(({ options }) => options.answer)).toEqual([
      undefined,
      { approvalId: approval.id, via: 'elicitation', typed: MUST_TYPE, action: 'accept', seconds: 5, ...formId },
    ]);
  });

  it.each<[string, Reply, string]>([
    ['something else', { action: 'accept', content: { typed: 'web2 106' } }, 'web2 106'],
    ['nothing', { action: 'accept', content: { typed: '' } }, ''],
    ['an accept without content', { action: 'accept' }, ''],
    ['a decline', { action: 'decline' }, ''],
    ['a cancel', { action: 'cancel' }, ''],
    ['a decline that carries the right text', { action: 'decline', content: { typed: MUST_TYPE } }, ''],
    ['a cancel that carries the right text', { action: 'cancel', content: { typed: MUST_TYPE } }, ''],
  ])('takes %s as no yes', async (_what, reply, typed) => {
    const { call, calls } = await approveWith(era, reply);
    const result = await call();
    expect(result.isError).toBe(true);
    expect(result.structuredContent).toMatchObject({ error: { code: 'approval_not_confirmed' } });
    expect(calls[1]?.options.answer).toMatchObject({ typed, action: reply.action });
  });

  it.each<[string, unknown]>([
    ['an unknown action', { action: 'maybe' }],
    ['an empty reply', {}],
  ])('takes %s as no answer, in the form of our errors', async (_what, reply) => {
    const { call, calls } = await approveWith(era, reply as Reply);
    const result = await call().catch((error: unknown) => error as Awaited<ReturnType<typeof call>>);
    expect(calls.slice(1).map(({ options }) => options.answer?.action ?? 'none')).not.toContain('accept');
    if (era === 'legacy') expect(result.structuredContent).toMatchObject({ error: { code: 'approval_not_confirmed' } });
  });

  it('sends no second form for an approval that the client declined before a person could read it', async () => {
    const { call, asked, calls } = await approveWith(era, { action: 'decline' }, { seconds: 0.2 });
    await call();
    expect(calls[1]?.options.answer).toMatchObject({ action: 'decline', seconds: 0.2 });
    const again = await call();
    expect(asked).toHaveLength(1);
    expect(again.structuredContent).toMatchObject({
      status: 'pending',
      way: 'human',
      next: expect.stringContaining('approvals approve'),
    });
  });

  it('asks again after a decline that a person gave, or a cancel: the engine knows the outcome', async () => {
    for (const reply of [{ action: 'decline' as const }, { action: 'cancel' as const }]) {
      const { call, asked } = await approveWith(era, reply, { seconds: 1 });
      await call();
      await call();
      expect(asked).toHaveLength(2);
    }
  });

  it('never asks again in the same call, whatever the engine answers', async () => {
    const it = face(() => question);
    const client = await connect(it, era, { elicitation: {} }, (connecting) =>
      connecting.setRequestHandler('elicitation/create', async () => ({ action: 'accept' as const, content: { typed: 'x' } })),
    );
    const result = await client.callTool({ name: 'approve', arguments: { approval_id: approval.id } });
    expect(result.structuredContent).toMatchObject({ error: { code: 'approval_not_confirmed' } });
    expect(it.calls).toHaveLength(2);
  });

  it('a human who does not answer before the client gives up decides nothing', async () => {
    const asked = deferred();
    const { call, calls, client } = await approveWith(era, () => {
      asked.resolve();
      return new Promise<Reply>(() => {});
    });
    // A 2026-07-28 client asks between two calls: nothing of the server's is open meanwhile, and nothing times out.
    const abort = new AbortController();
    const pending = call({ signal: abort.signal }).then(
      () => 'answered',
      () => 'gave up',
    );
    await asked.promise;
    abort.abort();
    if (era === 'legacy') expect(await pending).toBe('gave up');
    await client.close();
    expect(calls.map(({ options }) => options.answer)).toEqual([undefined]);
  });

  it('a client that fails to ask decides nothing', async () => {
    const { call, calls } = await approveWith(era, () => Promise.reject(new Error('no window')));
    const outcome = await call().then(
      (result) => result.isError,
      () => true,
    );
    expect(outcome).toBe(true);
    expect(calls.map(({ options }) => options.answer)).toEqual([undefined]);
  });
});

describe('a client of an older generation', () => {
  it('that cancelled the call still passes on the late answer of its user', async () => {
    const [shown, decided] = [deferred(), deferred<Reply>()];
    const { call, calls, client } = await approveWith('legacy', () => {
      shown.resolve();
      return decided.promise;
    });
    const abort = new AbortController();
    const pending = call({ signal: abort.signal }).catch(() => 'gave up');
    await shown.promise;
    abort.abort();
    expect(await pending).toBe('gave up');
    decided.resolve({ action: 'accept', content: { typed: MUST_TYPE } });
    await expect.poll(() => calls[1]?.options.answer, { timeout: 30_000 }).toMatchObject({ action: 'accept', typed: MUST_TYPE });
    expect(calls[1]?.options.signal).toBeUndefined();
    await client.close();
  });

  it('that gets progress learns that its user has not answered yet', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    try {
      const [shown, decided] = [deferred(), deferred<Reply>()];
      const { call } = await approveWith('legacy', () => {
        shown.resolve();
        return decided.promise;
      });
      const heard: { progress: number; message?: string | undefined }[] = [];
      const pending = call({ onprogress: (progress: { progress: number; message?: string }) => void heard.push(progress) });
      await shown.promise;
      await vi.advanceTimersByTimeAsync(25_000);
      decided.resolve({ action: 'accept', content: { typed: MUST_TYPE } });
      await pending;
      expect(heard.map(({ progress, message }) => [progress, message])).toEqual([
        [0, 'waiting for the user to answer the form'],
        [1, 'waiting for the user to answer the form'],
      ]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('that answers a form with null gets the error of the server at once', async () => {
    const under = face(deciding);
    const server = (await under.factory({ era: 'legacy' })) as McpServer;
    const [input, output] = [new PassThrough(), new PassThrough()];
    await server.connect(new StdioServerTransport(input, output));
    const send = (message: object) => input.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    const lines = createInterface({ input: output });
    const answer = new Promise<Record<string, unknown>>((resolve) => {
      lines.on('line', (line) => {
        const message = JSON.parse(line);
        if (message.method === 'elicitation/create') send({ id: message.id, result: null });
        if (message.id === 2 && message.result) resolve(message.result.structuredContent);
      });
    });
    const hello = { protocolVersion: '2025-06-18', capabilities: { elicitation: {} }, clientInfo: { name: 'raw', version: '1' } };
    send({ id: 1, method: 'initialize', params: hello });
    send({ method: 'notifications/initialized' });
    send({ id: 2, method: 'tools/call', params: { name: 'approve', arguments: { approval_id: approval.id } } });
    expect(await answer).toMatchObject({ error: { code: 'approval_not_confirmed', hint: expect.stringContaining('approvals approve') } });
    expect(under.calls).toHaveLength(1);
    await server.close();
  });
});

describe.each(ERAS)('what a %s client says about itself', (era) => {
  it.each([
    ['nothing', {}, false],
    ['elicitation', { elicitation: {} }, true],
    ['elicitation with forms', { elicitation: { form: {} } }, true],
    ['elicitation with forms and addresses', { elicitation: { form: {}, url: {} } }, true],
    ['elicitation with addresses only', { elicitation: { url: {} } }, false],
  ])('%s', async (_what, capabilities, canAsk) => {
    const it = face(() => ({ kind: 'done', output: {} }));
    const client = await connect(it, era, capabilities);
    await client.callTool({ name: 'list_vms' });
    expect(it.calls[0]?.caller.canAsk.elicitation).toBe(canAsk);
  });
});

describe('what travels through a 2026-07-28 client', () => {
  async function firstRound() {
    const it = face(deciding);
    const client = await connect(it, 'modern', { elicitation: {} });
    const call = (more: Record<string, unknown> = {}) =>
      client.callTool({ name: 'approve', arguments: { approval_id: approval.id }, ...more }, { allowInputRequired: true });
    const first = (await call()) as unknown as { requestState: string };
    return { it, call, state: first.requestState };
  }
  const yes = { confirm: { action: 'accept', content: { typed: MUST_TYPE } } };

  it('reaches the engine with the id of its form, which is the same each time it comes', async () => {
    const { it: under, call, state } = await firstRound();
    expect((await call({ inputResponses: yes, requestState: state })).structuredContent).toEqual({ status: 'succeeded' });
    await call({ inputResponses: yes, requestState: state });
    const other = (await call()) as unknown as { requestState: string };
    await call({ inputResponses: yes, requestState: other.requestState });
    const [first, second, third] = under.calls.flatMap(({ options }) => options.answer?.formId ?? []);
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it('is refused when it was changed', async () => {
    const { it: under, call, state } = await firstRound();
    const [version, body, mac] = state.split('.') as [string, string, string];
    const forged = Buffer.from(Buffer.from(body, 'base64url').toString().replace(approval.id, 'apr_other')).toString('base64url');
    await expect(call({ inputResponses: yes, requestState: [version, forged, mac].join('.') })).rejects.toMatchObject({ code: -32602 });
    expect(under.calls).toHaveLength(1);
  });

  it('is refused from every caller but the one that was asked', async () => {
    const under = face(deciding);
    const handler = createMcpHandler(under.factory, { legacy: 'reject' });
    const as = async (clientId: string) => {
      const info = { name: clientId, version: '1' };
      const client = new Client(info, { capabilities: { elicitation: {} }, versionNegotiation: { mode: 'auto' } });
      const authInfo = { token: clientId, clientId, scopes: [] };
      const fetch = async (url: string | URL, init?: RequestInit) => handler.fetch(new Request(url, init), { authInfo });
      await client.connect(new StreamableHTTPClientTransport(new URL('http://test.local/mcp'), { fetch }));
      return (more: object) =>
        client.callTool({ name: 'approve', arguments: { approval_id: approval.id }, ...more }, { allowInputRequired: true });
    };
    const [alice, bob] = [await as('alice'), await as('bob')];
    const { requestState } = (await alice({})) as unknown as { requestState: string };
    await expect(bob({ inputResponses: yes, requestState })).rejects.toMatchObject({ code: -32602 });
    expect(under.calls.map(({ options }) => options.answer)).toEqual([undefined]);
    expect((await alice({ inputResponses: yes, requestState })).structuredContent).toEqual({ status: 'succeeded' });
  });

  it('is required: an answer to a question that was not asked does not count', async () => {
    const { it: under, call } = await firstRound();
    await call({ inputResponses: yes });
    expect(under.calls[1]?.options.answer).toBeUndefined();
  });
});
