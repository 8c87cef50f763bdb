import { Client as ModernClient, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createMcpHandler, InMemoryTransport, type McpServer, type McpServerFactory } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { fail } from '../../src/core/errors/errors.ts';
import type { Caller } from '../../src/core/people/caller.ts';
import type { ApprovalRecord } from '../../src/core/plan/approval.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { RunRecord } from '../../src/core/plan/run.ts';
import type { Result } from '../../src/core/result.ts';
import type { Engine, PerformOptions } from '../../src/engine/types.ts';
import type { ClientInfo } from '../../src/mcp/client.ts';
import { createServerFactory, type FactoryOptions } from '../../src/mcp/server.ts';
import { offeredTool } from '../../src/mcp/tools.ts';
import { defineOperation } from '../../src/operations/define.ts';
import { secret } from '../../src/operations/secret.ts';

/** An engine that answers what a test tells it to: it forces each kind of answer through the transport, and remembers what it was asked. */
export interface Call {
  operation: string;
  args: unknown;
  caller: Caller;
  options: PerformOptions;
}
export type Answering = (call: Call) => Result | Promise<Result>;

export const plan: Plan = {
  operation: 'stop_vm',
  summary: 'Stop web1 (105) on pve',
  effect: 'disrupt',
  steps: [
    {
      kind: 'request',
      id: 'stop',
      method: 'POST',
      path: '/nodes/pve/qemu/105/status/shutdown',
      params: { timeout: 60, forceStop: false },
      purpose: 'ask web1 (105) to shut down',
    },
    {
      kind: 'wait',
      id: 'down',
      until: { kind: 'guest', type: 'qemu', vmid: 105, node: 'pve', is: 'stopped' },
      timeoutSeconds: 60,
      purpose: 'web1 is stopped',
    },
  ],
  expected: [],
  choices: [],
  warnings: ['2 users are logged in'],
  undo: 'start_vm starts it again',
};

export const approval: ApprovalRecord = {
  id: 'apr_0123456789abcdef',
  operation: 'stop_vm',
  args: { vmid: 105 },
  cluster: 'c',
  principal: 'local:1000',
  owner: 'local:1000',
  channel: 'stdio',
  plan,
  digest: 'd',
  effect: 'disrupt',
  method: 'relay',
  needed: 1,
  status: 'pending',
  createdAt: '2026-11-23T10:00:00.000Z',
  expiresAt: '2026-11-23T10:15:00.000Z',
};

export const run: RunRecord = {
  id: 'run_0123456789abcdef',
  operation: 'stop_vm',
  args: { vmid: 105 },
  cluster: 'c',
  principal: 'local:1000',
  plan,
  digest: 'd',
  status: 'executing',
  steps: [{ id: 'stop', state: 'done', at: '2026-11-23T10:00:01.000Z', upid: 'UPID:pve:1' }],
  startedAt: '2026-11-23T10:00:00.000Z',
};

const notReached = async (): Promise<never> => {
  throw new Error('the transport must go through perform');
};

/** One operation of each effect. */
export const operations = [
  defineOperation({
    name: 'list_vms',
    title: 'List guests',
    description: 'List guests.',
    effect: 'read',
    toolset: 'everyday',
    input: z.strictObject({ status: z.enum(['running', 'stopped']).optional() }),
    output: z.object({
      vms: z.array(z.object({ vmid: z.int(), name: z.string(), status: z.enum(['running', 'stopped']) })),
      total: z.int(),
    }),
    table: 'vms',
    preview: () => [],
    read: notReached,
  }),
  defineOperation({
    name: 'get_vm',
    title: 'Look at a guest',
    description: 'Look at a guest.',
    effect: 'read',
    toolset: 'everyday',
    input: z.strictObject({ vmid: z.int().min(100).max(999_999_999) }),
    output: z.object({ vmid: z.int() }),
    preview: () => [],
    read: notReached,
  }),
  defineOperation({
    name: 'create_vm',
    title: 'Create a VM',
    description: 'Create a VM.',
    effect: 'change',
    toolset: 'everyday',
    input: z.strictObject({ name: z.string(), password: secret(z.string()).optional() }),
    output: z.object({ vmid: z.int(), created: z.boolean(), status: z.literal('stopped') }),
    sends: {},
    reserves: ({ name }) => ({ name }),
    plan: notReached,
    report: notReached,
  }),
  defineOperation({
    name: 'start_vm',
    title: 'Start a guest',
    description: 'Start a guest.',
    effect: 'change',
    toolset: 'everyday',
    input: z.strictObject({ vmid: z.int().min(100).max(999_999_999) }),
    output: z.object({ vmid: z.int(), labels: z.record(z.string(), z.string()).optional() }),
    sends: {},
    plan: notReached,
    report: notReached,
  }),
  defineOperation({
    name: 'stop_vm',
    title: 'Stop a guest',
    description: 'Stop a guest.',
    effect: 'disrupt',
    toolset: 'everyday',
    input: z.strictObject({ vmid: z.int().min(100).max(999_999_999) }),
    output: z.object({ vmid: z.int() }),
    sends: {},
    plan: notReached,
    report: notReached,
  }),
  defineOperation({
    name: 'delete_vm',
    title: 'Delete a guest',
    description: 'Delete a guest.',
    effect: 'destroy',
    toolset: 'everyday',
    input: z.strictObject({ vmid: z.int().min(100).max(999_999_999) }),
    output: z.object({ vmid: z.int() }),
    sends: {},
    plan: notReached,
    report: notReached,
  }),
  defineOperation({
    name: 'approve',
    title: 'Approve',
    description: 'Approve.',
    effect: 'control',
    decides: true,
    releases: true,
    toolset: 'everyday',
    input: z.strictObject({ approval_id: z.string(), wait_seconds: z.int().min(0).max(50).optional() }),
    output: z.object({ status: z.string() }),
    run: notReached,
  }),
  defineOperation({
    name: 'deny',
    title: 'Deny',
    description: 'Deny.',
    effect: 'control',
    decides: true,
    toolset: 'everyday',
    input: z.strictObject({ approval_id: z.string(), reason: z.string().optional() }),
    output: z.object({ status: z.string() }),
    run: notReached,
  }),
  defineOperation({
    name: 'list_approvals',
    title: 'List approvals',
    description: 'List approvals.',
    effect: 'control',
    decides: false,
    toolset: 'everyday',
    input: z.strictObject({ cursor: z.string().optional() }),
    output: z.object({ approvals: z.array(z.looseObject({ approval_id: z.string() })), next_cursor: z.string().optional() }),
    run: notReached,
  }),
];

export interface Face {
  factory: McpServerFactory;
  calls: Call[];
  /** How often the engine was asked for. */
  opened: () => number;
}

export function face(answering: Answering, options: Partial<FactoryOptions> = {}): Face {
  const calls: Call[] = [];
  let opened = 0;
  const engine: Engine = {
    clusters: [],
    async perform(operation, args, caller, performOptions = {}) {
      if (performOptions.invalid) fail('invalid_arguments', performOptions.invalid);
      const call = { operation, args, caller, options: performOptions };
      calls.push(call);
      return answering(call);
    },
    approval: async () => undefined,
    async watch() {
      return { pending: [], total: 0, recent: [] };
    },
    stamps: notReached,
    standing: { create: notReached, revoke: notReached, list: notReached },
    openRuns: { list: notReached, close: notReached },
    quotas: notReached,
    async close() {},
  };
  const factory = createServerFactory({
    engine: async () => {
      opened += 1;
      return engine;
    },
    tools: operations.map(offeredTool),
    operation: async (name) => operations.find((operation) => operation.name === name),
    settings: { readOnly: false, toolsets: ['everyday'], demo: false, waitSeconds: 45 },
    caller: localCaller,
    version: '0.0.0',
    ...options,
  });
  return { factory, calls, opened: () => opened };
}

function localCaller({ client, elicitation }: ClientInfo): Caller {
  return {
    principal: 'local:1000',
    owner: 'local:1000',
    channel: 'stdio',
    ...(client ? { client } : {}),
    canAsk: { elicitation, terminal: false },
    isOperator: false,
  };
}

/** A promise that a test resolves from outside. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

type ClientOptions = NonNullable<ConstructorParameters<typeof ModernClient>[1]>;
export type Era = 'legacy' | 'modern';
export const ERAS: Era[] = ['legacy', 'modern'];

/** The official client, connected to the MCP server in process, in the generation asked for. `prepare` sets handlers before the connection. */
export async function connect(
  { factory }: Face,
  era: Era,
  capabilities: ClientOptions['capabilities'] = {},
  prepare: (client: ModernClient) => void = () => {},
): Promise<ModernClient> {
  const info = { name: 'test-client', version: '1.2.3' };
  if (era === 'legacy') {
    const client = new ModernClient(info, { capabilities });
    prepare(client);
    const server = (await factory({ era })) as McpServer;
    const [near, far] = InMemoryTransport.createLinkedPair();
    await server.connect(far);
    await client.connect(near);
    return client;
  }
  const client = new ModernClient(info, { capabilities, versionNegotiation: { mode: 'auto' } });
  prepare(client);
  const handler = createMcpHandler(factory, { legacy: 'reject' });
  const fetch = async (url: string | URL, init?: RequestInit) => handler.fetch(new Request(url, init));
  await client.connect(new StreamableHTTPClientTransport(new URL('http://test.local/mcp'), { fetch }));
  return client;
}
