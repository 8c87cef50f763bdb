import { McpServer, type McpServerFactory, type ScopeChallengeHandler, type Tool } from '@modelcontextprotocol/server';
import * as z from 'zod';
import type { Caller } from '../core/caller.ts';
import { defined } from '../core/defined.ts';
import type { Settings } from '../core/settings.ts';
import { roleAllows } from '../engine/limits/roles.ts';
import type { Engine } from '../engine/types.ts';
import { availableIn, changesNothing } from '../operations/available.ts';
import type { Operation } from '../operations/define.ts';
import { type CallContext, callTool } from './call.ts';
import { type ClientInfo, clientOf } from './client.ts';
import { createElicitation } from './elicitation.ts';
import { missingScope } from './identity.ts';
import { instructions } from './instructions.ts';
import { registerPrompts } from './prompts.ts';
import { registerResources } from './resources.ts';
import { toolDefinition } from './tools.ts';

export interface FactoryOptions {
  /** Called at the first tool call, never before; must answer the same engine every time. A rejection becomes the tool's error. */
  engine: () => Promise<Engine>;
  operations: readonly Operation[];
  settings: Pick<Settings, 'readOnly' | 'toolsets' | 'demo' | 'waitSeconds'>;
  /** The caller: the transport knows the channel, this knows the client. */
  caller: (client: ClientInfo) => Caller;
  /** This product's version. */
  version: string;
  /** Notices for the next answer (a certificate trusted on first use, …); removed by being read. */
  notices?: () => string[];
  /** Address of the page on which humans decide, where one is served to the clients' users. */
  consoleUrl?: () => string;
  /** Signs what travels through the client while a human is asked: at least 32 bytes, the same in every replica. Default: random. */
  stateKey?: Uint8Array | string;
  /** Epoch milliseconds; tells an answer that a person gave from one that a client gave by itself. Default: the system's clock. */
  now?: () => number;
}

// The engine checks arguments, so that a refusal is audited and says what to do; the schema that clients see is in the cached list.
const ANY_ARGUMENTS = z.looseObject({});
const LIST_TTL_MS = 300_000;

/**
 * The MCP server without a transport: stdio runs one instance for a connection, HTTP one for a request (2026-07-28) or a session (older).
 * So whatever costs time is made once, here or at first use, and the factory only registers.
 */
export function createServerFactory(options: FactoryOptions): McpServerFactory {
  const { demo, waitSeconds } = options.settings;
  const operations = availableIn(options.operations, options.settings);
  const context: CallContext = {
    engine: options.engine,
    caller: options.caller,
    elicitation: createElicitation(options.stateKey, options.now),
    demo,
    waitSeconds,
    notices: options.notices ?? (() => []),
    ...defined({ consoleUrl: options.consoleUrl }),
  };
  let tools: { operation: Operation; tool: Tool }[] | undefined;

  return ({ authInfo, era }) => {
    // A remote caller who may only read is told neither the rules of changing nor the prompts that need it.
    const allowed = operations.filter((operation) => missingScope(authInfo, operation) === undefined);
    const rules = instructions({ readOnly: allowed.every(changesNothing), demo });
    const server = new McpServer(
      { name: 'proxmox-mcp', title: demo ? 'Proxmox VE (simulator)' : 'Proxmox VE', version: options.version },
      {
        instructions: rules,
        capabilities: { tools: { listChanged: false }, resources: { listChanged: false }, prompts: { listChanged: false } },
        cacheHints: {
          'tools/list': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
          'prompts/list': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
          'resources/templates/list': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
          'server/discover': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
        },
        requestState: { verify: context.elicitation.verify },
        maxToolInputElements: 10_000,
      },
    );
    for (const operation of operations) {
      const config = { inputSchema: ANY_ARGUMENTS, scopeChallenge: challengeFor(operation, context) };
      server.registerTool(operation.name, config, (args, ctx) => callTool(context, server, operation, args, ctx, era));
    }
    // Tools outside the role are not listed, yet registered: an OAuth client that calls one is told which scope it needs.
    server.server.setRequestHandler('tools/list', (_request, ctx) => {
      tools ??= operations.map((operation) => ({ operation, tool: toolDefinition(operation) }));
      const { role } = context.caller(clientOf(server, ctx));
      return { tools: tools.filter(({ operation }) => roleAllows(role, operation)).map(({ tool }) => tool) };
    });
    registerResources(server, context, operations);
    registerPrompts(server, allowed);
    return server;
  };
}

/** Over HTTP, 403 with the scope that is lacking. The engine checks the scope too, and records the refusal in the audit. */
function challengeFor(operation: Operation, { engine, caller }: CallContext): ScopeChallengeHandler {
  return async ({ authInfo }) => {
    const scope = missingScope(authInfo, operation);
    if (authInfo === undefined || scope === undefined) return undefined;
    const errorDescription = `${operation.name} needs the scope ${scope}`;
    const who = caller({ authInfo, elicitation: false, opensUrls: false });
    await engine()
      .then(({ perform }) => perform(operation.name, {}, who, { invalid: `${errorDescription}.` }))
      .catch(() => {});
    return { scopes: [scope], errorDescription };
  };
}
