import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  completable,
  createRequestStateCodec,
  fromJsonSchema,
  type InputRequest,
  inputRequired,
  inputResponse,
  McpServer,
  type McpServerFactory,
  ResourceTemplate,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';

/** The tools, resources and prompts with fixed names that the official conformance suite calls. Nothing of the product is in here. */

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const SILENCE = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
const name = z.object({ name: z.string() });
const elicit = (message: string, requestedSchema: z.ZodType): InputRequest =>
  inputRequired.elicit({ message, requestedSchema } as Parameters<typeof inputRequired.elicit>[0]);
const sample = (question: string, maxTokens: number) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: question } }], maxTokens });
const kindOf = (ctx: ServerContext, key: string) => inputResponse(ctx.mcpReq.inputResponses, key).kind;
const capabilitiesOf = (server: McpServer, ctx: ServerContext) =>
  ((ctx.mcpReq.envelope as Record<string, unknown> | undefined)?.[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined) ??
  server.server.getClientCapabilities() ??
  {};

const SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } } },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};
const input2020 = fromJsonSchema(SCHEMA_2020_12 as Parameters<typeof fromJsonSchema>[0]);

const ENUMS = {
  type: 'object',
  properties: {
    untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
    titledSingle: {
      type: 'string',
      oneOf: [
        { const: 'value1', title: 'First Option' },
        { const: 'value2', title: 'Second Option' },
        { const: 'value3', title: 'Third Option' },
      ],
    },
    legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
    untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
    titledMulti: {
      type: 'array',
      items: {
        anyOf: [
          { const: 'value1', title: 'First Choice' },
          { const: 'value2', title: 'Second Choice' },
          { const: 'value3', title: 'Third Choice' },
        ],
      },
    },
  },
};

type State = { step: string };
const codec = createRequestStateCodec<State>({ key: 'conformance-fixture-key-of-32-bytes!', ttlSeconds: 300 });

export const fixtureFactory: McpServerFactory = ({ era }) => {
  const server = new McpServer(
    { name: 'conformance-fixture', version: '1.0.0' },
    {
      capabilities: {
        tools: {},
        resources: era === 'legacy' ? { subscribe: true } : {},
        prompts: {},
        completions: {},
        logging: {},
      },
      cacheHints: { 'tools/list': { ttlMs: 1000, cacheScope: 'private' } },
      requestState: { verify: codec.verify },
    },
  );
  const tool = (toolName: string, run: (ctx: ServerContext) => unknown) =>
    server.registerTool(toolName, { description: `Conformance: ${toolName}` }, run as never);

  tool('test_simple_text', () => text('This is a simple text response for testing.'));
  tool('test_image_content', () => ({ content: [{ type: 'image', data: PIXEL, mimeType: 'image/png' }] }));
  tool('test_audio_content', () => ({ content: [{ type: 'audio', data: SILENCE, mimeType: 'audio/wav' }] }));
  tool('test_embedded_resource', () => ({
    content: [
      {
        type: 'resource',
        resource: { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' },
      },
    ],
  }));
  tool('test_multiple_content_types', () => ({
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      { type: 'image', data: PIXEL, mimeType: 'image/png' },
      {
        type: 'resource',
        resource: { uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}' },
      },
    ],
  }));
  tool('test_error_handling', () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  const logging = async (ctx: ServerContext) => {
    for (const line of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await ctx.mcpReq.log('info', line);
      await pause();
    }
    return text('Logged.');
  };
  tool('test_tool_with_logging', logging);
  tool('test_logging_tool', logging);
  tool('test_tool_with_progress', async (ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined)
        await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
      await pause();
    }
    return text('Done.');
  });

  server.registerTool(
    'test_sampling',
    { description: 'Asks the model', inputSchema: z.object({ prompt: z.string() }) },
    ({ prompt }, ctx) => {
      const view = inputResponse(ctx.mcpReq.inputResponses, 'sampling');
      if (view.kind === 'missing') return inputRequired({ inputRequests: { sampling: sample(prompt, 100) } });
      return text(`LLM response: ${JSON.stringify(ctx.mcpReq.inputResponses?.sampling)}`);
    },
  );
  const User = z.object({ username: z.string().describe("User's response"), email: z.string().describe("User's email address") });
  server.registerTool(
    'test_elicitation',
    { description: 'Asks the user', inputSchema: z.object({ message: z.string() }) },
    ({ message }, ctx) =>
      kindOf(ctx, 'user') === 'missing'
        ? inputRequired({ inputRequests: { user: elicit(message, User) } })
        : text(`User response: ${JSON.stringify(ctx.mcpReq.inputResponses?.user)}`),
  );
  const asking = (toolName: string, schema: z.ZodType) =>
    tool(toolName, (ctx) =>
      kindOf(ctx, 'form') === 'missing'
        ? inputRequired({ inputRequests: { form: elicit('Please fill this in', schema) } })
        : text(`Elicitation completed: ${JSON.stringify(ctx.mcpReq.inputResponses?.form)}`),
    );
  asking(
    'test_elicitation_sep1034_defaults',
    z.object({
      name: z.string().default('John Doe'),
      age: z.int().min(0).max(200).default(30),
      score: z.number().default(95.5),
      status: z.enum(['active', 'inactive', 'pending']).default('active'),
      verified: z.boolean().default(true),
    }),
  );
  asking('test_elicitation_sep1330_enums', ENUMS as unknown as z.ZodType);
  asking('test_streaming_elicitation', name);
  tool('test_missing_capability', () => inputRequired({ inputRequests: { model: sample('Needs sampling', 10) } }));
  server.registerTool('json_schema_2020_12_tool', { description: 'Tool with JSON Schema 2020-12 features', inputSchema: input2020 }, () =>
    text('ok'),
  );

  // Several rounds (SEP-2322).
  tool('test_input_required_result_elicitation', (ctx) => {
    const answer = acceptedContent(ctx.mcpReq.inputResponses, 'user_name', name);
    return answer ? text(`Hello, ${answer.name}!`) : inputRequired({ inputRequests: { user_name: elicit('What is your name?', name) } });
  });
  tool('test_input_required_result_sampling', (ctx) =>
    kindOf(ctx, 'capital_question') === 'missing'
      ? inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?', 100) } })
      : text(JSON.stringify(ctx.mcpReq.inputResponses?.capital_question)),
  );
  tool('test_input_required_result_list_roots', (ctx) =>
    kindOf(ctx, 'client_roots') === 'missing'
      ? inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } })
      : text(JSON.stringify(ctx.mcpReq.inputResponses?.client_roots)),
  );
  const Ok = z.object({ ok: z.boolean() });
  const confirming = (toolName: string) =>
    tool(toolName, async (ctx) => {
      const state = ctx.mcpReq.requestState<State>();
      if (state?.step === toolName && kindOf(ctx, 'confirm') !== 'missing') return text('state-ok');
      return inputRequired({
        inputRequests: { confirm: elicit('Please confirm', Ok) },
        requestState: await codec.mint({ step: toolName }, ctx),
      });
    });
  confirming('test_input_required_result_request_state');
  confirming('test_input_required_result_tampered_state');
  tool('test_input_required_result_multiple_inputs', async (ctx) => {
    if (['user_name', 'greeting', 'client_roots'].every((key) => kindOf(ctx, key) !== 'missing')) return text('All there.');
    return inputRequired({
      inputRequests: {
        user_name: elicit('What is your name?', name),
        greeting: sample('Generate a greeting', 50),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await codec.mint({ step: 'multiple' }, ctx),
    });
  });
  tool('test_input_required_result_multi_round', async (ctx) => {
    const { step } = ctx.mcpReq.requestState<State>() ?? {};
    const Color = z.object({ color: z.string() });
    if (step === '2' && kindOf(ctx, 'step2') !== 'missing') return text('Both answered.');
    if (step === '1' && kindOf(ctx, 'step1') !== 'missing')
      return inputRequired({
        inputRequests: { step2: elicit('Step 2: What is your favorite color?', Color) },
        requestState: await codec.mint({ step: '2' }, ctx),
      });
    return inputRequired({
      inputRequests: { step1: elicit('Step 1: What is your name?', name) },
      requestState: await codec.mint({ step: '1' }, ctx),
    });
  });
  tool('test_input_required_result_capabilities', (ctx) => {
    const { elicitation, sampling } = capabilitiesOf(server, ctx);
    if (sampling && kindOf(ctx, 'greeting') === 'missing')
      return inputRequired({ inputRequests: { greeting: sample('Generate a greeting', 50) } });
    if (elicitation && kindOf(ctx, 'user_name') === 'missing')
      return inputRequired({ inputRequests: { user_name: elicit('What is your name?', name) } });
    return text('Nothing more to ask.');
  });

  const resource = (uri: string, contents: object) =>
    server.registerResource(uri.replace('test://', ''), uri, { description: uri, mimeType: 'text/plain' }, () => ({
      contents: [{ uri, ...contents } as { uri: string; text: string }],
    }));
  resource('test://static-text', { mimeType: 'text/plain', text: 'This is the content of the static text resource.' });
  resource('test://static-binary', { mimeType: 'image/png', blob: PIXEL });
  resource('test://watched-resource', { mimeType: 'text/plain', text: 'Watched.' });
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description: 'A template', mimeType: 'application/json' },
    (uri, { id }) => ({
      contents: [
        { uri: uri.href, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) },
      ],
    }),
  );
  if (era === 'legacy') {
    server.server.setRequestHandler('resources/subscribe', () => ({}));
    server.server.setRequestHandler('resources/unsubscribe', () => ({}));
    server.server.setRequestHandler('logging/setLevel', () => ({}));
  }

  const say = (...contents: object[]) => ({
    messages: contents.map((content) => ({ role: 'user' as const, content: content as { type: 'text'; text: string } })),
  });
  server.registerPrompt('test_simple_prompt', { description: 'Simple' }, () =>
    say({ type: 'text', text: 'This is a simple prompt for testing.' }),
  );
  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'Arguments',
      argsSchema: z.object({
        arg1: completable(z.string(), (typed) => ['paris', 'park', 'party'].filter((v) => v.startsWith(typed))),
        arg2: z.string(),
      }),
    },
    ({ arg1, arg2 }) => say({ type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` }),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Embedded', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri }) =>
      say(
        { type: 'resource', resource: { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' } },
        { type: 'text', text: 'Please process the embedded resource above.' },
      ),
  );
  server.registerPrompt('test_prompt_with_image', { description: 'Image' }, () =>
    say({ type: 'image', data: PIXEL, mimeType: 'image/png' }, { type: 'text', text: 'Please analyze the image above.' }),
  );
  server.registerPrompt('test_input_required_result_prompt', { description: 'Asks first' }, (ctx: ServerContext) => {
    const answer = acceptedContent(ctx.mcpReq.inputResponses, 'user_context', z.object({ context: z.string() }));
    if (answer) return say({ type: 'text', text: `Context: ${answer.context}` });
    return inputRequired({
      inputRequests: { user_context: elicit('What context should the prompt use?', z.object({ context: z.string() })) },
    }) as never;
  });
  return server;
};
