import type { Client } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { fail } from '../../src/core/errors.ts';
import type { Result } from '../../src/engine/types.ts';
import { approval, type Call, connect, deferred, ERAS, type Era, face } from './face.ts';

const MUST_TYPE = 'web1 105';
const question: Result = {
  kind: 'question',
  approval: { ...approval, way: 'elicitation' },
  question: { approvalId: approval.id, text: 'Stop web1 (105) on pve?', mustType: MUST_TYPE, way: 'elicitation', needsPassphrase: false },
};

/** As the engine does it: the exact text is a yes, anything else is an error and the approval stays. */
function deciding({ caller, options }: Call): Result {
  if (!caller.canAsk.elicitation) return { kind: 'approval_required', approval };
  if (options.answer === undefined) return question;
  if (options.answer.typed !== MUST_TYPE) fail('approval_not_confirmed', 'Not confirmed.');
  return { kind: 'done', output: { status: 'succeeded' } };
}

type Reply = { action: 'accept' | 'decline' | 'cancel'; content?: { typed: string } };

async function approveWith(era: Era, reply: Reply | (() => Promise<Reply>), capabilities = { elicitation: { form: {} } }) {
  const it = face(deciding);
  const asked: unknown[] = [];
  const client = await connect(it, era, capabilities, (connecting: Client) =>
    connecting.setRequestHandler('elicitation/create', async ({ params }) => {
      asked.push(params);
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
    expect(calls.map(({ options }) => options.answer)).toEqual([
      undefined,
      { approvalId: approval.id, via: 'elicitation', typed: MUST_TYPE },
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
    expect(calls[1]?.options.answer?.typed).toBe(typed);
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

  it('a human who does not answer before the client gives up has said nothing', async () => {
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

  it('a client that fails to ask has said nothing', async () => {
    const { call, calls } = await approveWith(era, () => Promise.reject(new Error('no window')));
    const outcome = await call().then(
      (result) => result.isError,
      () => true,
    );
    expect(outcome).toBe(true);
    expect(calls.map(({ options }) => options.answer)).toEqual([undefined]);
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

  it('counts once', async () => {
    const { call, state } = await firstRound();
    expect((await call({ inputResponses: yes, requestState: state })).structuredContent).toEqual({ status: 'succeeded' });
    const again = await call({ inputResponses: yes, requestState: state });
    expect(again.structuredContent).toMatchObject({ error: { code: 'approval_not_confirmed' } });
  });

  it('is refused when it was changed', async () => {
    const { it: under, call, state } = await firstRound();
    const [version, body, mac] = state.split('.') as [string, string, string];
    const forged = Buffer.from(Buffer.from(body, 'base64url').toString().replace(approval.id, 'apr_other')).toString('base64url');
    await expect(call({ inputResponses: yes, requestState: [version, forged, mac].join('.') })).rejects.toMatchObject({ code: -32602 });
    expect(under.calls).toHaveLength(1);
  });

  it('is needed: an answer to a question that was not asked counts for nothing', async () => {
    const { it: under, call } = await firstRound();
    await call({ inputResponses: yes });
    expect(under.calls[1]?.options.answer).toBeUndefined();
  });
});
