import { Client as Client2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as Stdio2 } from '@modelcontextprotocol/client/stdio';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as Stdio1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { binary } from '../helpers/binary.ts';

/** The clients of the matrix: the older SDK line, the newer one as it comes, and the newer one speaking 2026-07-28. */
export const PEERS = ['v1', 'v2', 'v2 auto'] as const;
export type PeerKind = (typeof PEERS)[number];

export interface Reply {
  action: 'accept' | 'decline' | 'cancel';
  content?: { typed: string };
}
/** What the human at the client does; undefined: the client cannot ask. */
export type Human = (message: string) => Reply | Promise<Reply>;

interface ToolAnswer {
  isError?: boolean | undefined;
  text: string;
  structured: Record<string, unknown> & { error?: { code: string } };
}

interface CallOptions {
  onprogress?: (progress: { progress: number; message?: string | undefined }) => void;
  signal?: AbortSignal;
  timeout?: number;
}

export interface Peer {
  pid: number;
  stderr(): string;
  protocol(): string | undefined;
  instructions(): string | undefined;
  tools(): Promise<string[]>;
  /** Everything that the list says about each tool. */
  definitions(): Promise<unknown[]>;
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<ToolAnswer>;
  close(): Promise<void>;
}

interface Raw {
  isError?: boolean | undefined;
  content?: unknown;
  structuredContent?: unknown;
}

const INFO = { name: 'matrix', version: '1.0.0' };

/** A real client on a real pipe to the shipped binary. */
export function connectPeer(kind: PeerKind, env: Record<string, string>, human?: Human, more: string[] = []): Promise<Peer> {
  return connectCommand(kind, ['stdio', ...more], env, human);
}

/** The same to any command that speaks MCP on its pipes. */
export async function connectCommand(kind: PeerKind, command: string[], env: Record<string, string>, human?: Human): Promise<Peer> {
  const parameters = { command: process.execPath, args: [binary(), ...command], env, stderr: 'pipe' as const };
  const capabilities = human ? { elicitation: { form: {} } } : {};
  const open = kind === 'v1' ? await openV1(parameters, capabilities, human) : await openV2(kind, parameters, capabilities, human);
  let stderr = '';
  open.transport.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  return {
    pid: open.transport.pid ?? 0,
    stderr: () => stderr,
    protocol: open.protocol,
    instructions: () => open.client.getInstructions(),
    tools: async () => (await open.client.listTools()).tools.map(({ name }) => name),
    definitions: async () => (await open.client.listTools()).tools,
    call: async (name, args = {}, options = {}) => answerOf(await open.call(name, args, options)),
    close: () => open.client.close(),
  };
}

type Parameters = ConstructorParameters<typeof Stdio2>[0];

async function openV1(parameters: Parameters, capabilities: object, human: Human | undefined) {
  const transport = new Stdio1(parameters);
  const client = new Client1(INFO, { capabilities });
  if (human) client.setRequestHandler(ElicitRequestSchema, async ({ params }) => ({ ...(await human(params.message)) }));
  await client.connect(transport);
  const call = async (name: string, args: Record<string, unknown>, options: CallOptions) =>
    (await client.callTool({ name, arguments: args }, undefined, options)) as Raw;
  return { transport, client, call, protocol: () => undefined };
}

async function openV2(kind: PeerKind, parameters: Parameters, capabilities: object, human: Human | undefined) {
  const transport = new Stdio2(parameters);
  const client = new Client2(INFO, { capabilities, ...(kind === 'v2 auto' ? { versionNegotiation: { mode: 'auto' } } : {}) });
  if (human) client.setRequestHandler('elicitation/create', async ({ params }) => ({ ...(await human(params.message)) }));
  await client.connect(transport);
  const call = async (name: string, args: Record<string, unknown>, options: CallOptions): Promise<Raw> =>
    client.callTool({ name, arguments: args }, options);
  return { transport, client, call, protocol: () => client.getNegotiatedProtocolVersion() };
}

function answerOf(raw: Raw): ToolAnswer {
  return {
    isError: raw.isError,
    text: (raw.content as { text: string }[] | undefined)?.map(({ text }) => text).join('\n') ?? '',
    structured: (raw.structuredContent ?? {}) as ToolAnswer['structured'],
  };
}
