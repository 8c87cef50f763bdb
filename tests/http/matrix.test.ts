import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../src/core/result.ts';
import { approval, type Call, deferred, run } from '../helpers/answering-engine.ts';
import { bearer, type HttpServer, startHttp } from './http-server.ts';

type Asked = { mode?: string; message: string; url?: string };
type Answer = { action: 'accept' | 'decline' | 'cancel'; content?: Record<string, string> };
interface Options {
  capabilities?: object;
  answer?: (asked: Asked) => Answer;
}
/** What all three clients can do, in one form. */
interface AnyClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(
    params: { name: string; arguments?: Record<string, unknown> },
    options?: { onprogress?: (p: { progress: number; message?: string }) => void; signal?: AbortSignal },
  ): Promise<{ isError?: boolean; structuredContent?: Record<string, unknown> }>;
  close(): Promise<void>;
}

const INFO = { name: 'matrix', version: '1' };
const generations: Record<string, (url: string, token: string, options: Options) => Promise<AnyClient>> = {
  async v1(url, token, { capabilities = {}, answer }) {
    const client = new Client1(INFO, { capabilities });
    if (answer) client.setRequestHandler(ElicitRequestSchema, (request) => answer(request.params as Asked));
    // biome-ignore lint/suspicious/noExplicitAny: the types of the older SDK do not know exactOptionalPropertyTypes
    await client.connect(new Transport1(new URL(url), { requestInit: { headers: bearer(token) } }) as any);
    return {
      listTools: () => client.listTools(),
      callTool: (params, options) => client.callTool(params, undefined, options as object) as ReturnType<AnyClient['callTool']>,
      close: () => client.close(),
    };
  },
  'v2 default': (url, token, options) => second(url, token, options, {}),
  'v2 auto': (url, token, options) => second(url, token, options, { versionNegotiation: { mode: 'auto' } }),
};

async function second(url: string, token: string, { capabilities = {}, answer }: Options, more: object): Promise<AnyClient> {
  const client = new Client2(INFO, { capabilities, ...more });
  if (answer) client.setRequestHandler('elicitation/create', (request) => answer(request.params as Asked));
  await client.connect(new Transport2(new URL(url), { requestInit: { headers: bearer(token) } }));
  return client as unknown as AnyClient;
}

let server: HttpServer;
let answering: (call: Call) => Result | Promise<Result>;
let tokens: { plain: string; trusted: string };
beforeAll(async () => {
  server = await startHttp((call) => answering(call), { consoleUrl: 'https://mcp.example.org/console/', waitSeconds: 20 });
  tokens = { plain: await server.token('plain'), trusted: await server.token('trusted', { trustsClient: true }) };
});
afterAll(() => server.close());

const required = (): Result => ({ kind: 'approval_required', approval: { ...approval, method: 'human' } });
const done = (output: Record<string, string | number>): Result => ({ kind: 'done', output });

describe.each(Object.keys(generations))('%s over HTTP', (name) => {
  const using = async <T>(options: Options & { token?: string }, work: (client: AnyClient) => Promise<T>): Promise<T> => {
    const client = await (generations[name] as (typeof generations)[string])(server.url, options.token ?? tokens.plain, options);
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  };

  it('lists and calls', () =>
    using({}, async (client) => {
      answering = () => done({ vmid: 105 });
      expect((await client.listTools()).tools.map((tool) => tool.name)).toContain('stop_vm');
      const result = await client.callTool({ name: 'get_vm', arguments: { vmid: 105 } });
      expect(result.structuredContent).toEqual({ vmid: 105 });
      expect(server.calls.at(-1)).toMatchObject({
        operation: 'get_vm',
        args: { vmid: 105 },
        caller: { principal: 'token:plain', channel: 'http' },
      });
    }));

  it('tells bad arguments from unknown tools', () =>
    using({}, async (client) => {
      const result = await client.callTool({ name: 'start_vm', arguments: { vmid: 105, wait_seconds: 'long' } });
      expect(result.isError).toBe(true);
      expect(result.structuredContent).toMatchObject({ error: { code: 'invalid_arguments' } });
      await expect(client.callTool({ name: 'format_disk', arguments: {} })).rejects.toThrow(/format_disk/);
    }));

  it('receives progress', () =>
    using({}, async (client) => {
      answering = ({ options }) => {
        for (const done of [1, 2]) options.onProgress?.({ done, total: 2, message: `step ${done}` });
        return { kind: 'running', run };
      };
      const heard: string[] = [];
      const result = await client.callTool(
        { name: 'start_vm', arguments: { vmid: 105 } },
        { onprogress: ({ message }) => void heard.push(message ?? '') },
      );
      expect(result.structuredContent).toMatchObject({ status: 'running', run_id: run.id });
      expect(heard).toEqual(['step 1', 'step 2']);
    }));

  it('can cancel: the wait ends on the server, too', () =>
    using({}, async (client) => {
      const [began, cancelled] = [deferred(), deferred()];
      answering = async ({ options }) => {
        options.signal?.addEventListener('abort', () => cancelled.resolve());
        began.resolve();
        await cancelled.promise;
        return { kind: 'running', run };
      };
      const stop = new AbortController();
      const call = client.callTool({ name: 'start_vm', arguments: { vmid: 105 } }, { signal: stop.signal });
      call.catch(() => {});
      await began.promise;
      stop.abort();
      await cancelled.promise;
      await expect(call).rejects.toThrow();
    }));

  it('is asked in a form only when the operator trusts its client', async () => {
    answering = ({ options, caller }) => {
      if (!caller.canAsk.elicitation) return required();
      if (!options.answer) return { kind: 'question', approval, question: { ...question, approvalId: approval.id } };
      return done({ status: options.answer.typed === question.mustType ? 'succeeded' : 'not confirmed' });
    };
    const asked: Asked[] = [];
    const answer = (request: Asked): Answer => {
      asked.push(request);
      return { action: 'accept', content: { typed: 'web1 105' } };
    };
    const form = { capabilities: { elicitation: { form: {} } }, answer };
    const approve = (client: AnyClient) => client.callTool({ name: 'approve', arguments: { approval_id: approval.id } });
    expect((await using({ ...form, token: tokens.trusted }, approve)).structuredContent).toMatchObject({ status: 'succeeded' });
    expect(asked).toHaveLength(1);
    expect(asked[0]?.message).toContain('Stop web1');
    expect((await using({ ...form, token: tokens.plain }, approve)).structuredContent).toMatchObject({
      approval_required: true,
      way: 'human',
    });
    expect(asked).toHaveLength(1);
  });

  it.each(['accept', 'decline', 'cancel'] as const)(
    'is sent to the console where it can open one (%s), and waits for the human there',
    (action) => {
      const asked: Asked[] = [];
      const answer = (request: Asked): Answer => {
        asked.push(request);
        return { action };
      };
      answering = ({ options, args }) => {
        if ((args as { wait_seconds?: number }).wait_seconds === 0) return required();
        return options.waitForHuman === 20 ? done({ status: 'succeeded' }) : required();
      };
      return using({ capabilities: { elicitation: { url: {} } }, answer }, async (client) => {
        const result = await client.callTool({ name: 'approve', arguments: { approval_id: approval.id } });
        expect(asked).toHaveLength(1);
        expect(asked[0]).toMatchObject({ mode: 'url', url: 'https://mcp.example.org/console/' });
        expect(JSON.stringify(asked)).not.toContain('pmcp_');
        // Whatever the client says came of it decides nothing: the engine was asked, without an answer.
        expect(server.calls.at(-1)?.options.answer).toBeUndefined();
        expect(result.structuredContent).toMatchObject({ status: 'succeeded' });
      });
    },
  );
});

const question = { text: 'Stop web1 (105) on pve', mustType: 'web1 105', method: 'elicitation' as const, needsPassphrase: false };
