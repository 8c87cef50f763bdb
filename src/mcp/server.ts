import { McpServer, type McpServerFactory, type ScopeChallengeHandler, type StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import { defined } from '../core/defined.ts';
import { lazy } from '../core/lazy.ts';
import { choicesOf, type Settings } from '../core/settings/settings.ts';
import { isObject } from '../core/text/json.ts';
import { availableIn, changesNothing, type Offered, roleAllows } from '../operations/available.ts';
import { formerNames } from '../operations/former-names.ts';
import type { CallContext } from './call.ts';
import { registerCards, showsCards, withCard } from './cards/index.ts';
import { clientOf } from './client.ts';
import { identityOf, missingScope } from './identity.ts';
import { instructions } from './instructions.ts';
import { registerPrompts } from './prompts.ts';
import type { ChangeFeed } from './resources/changes.ts';
import { completions } from './resources/complete.ts';
import { listedResources, registerResources } from './resources/index.ts';
import { registerSubscriptions } from './resources/subscriptions.ts';
import { withCluster } from './several-clusters.ts';
import { registerSkill, SKILL } from './skill.ts';
import type { OfferedTool } from './tools.ts';

/** The transport gives what every call of its connections shares. */
export interface FactoryOptions
  extends Pick<CallContext, 'engine' | 'operation' | 'caller' | 'consoleUrl'>,
    Partial<Pick<CallContext, 'notices'>> {
  tools: readonly OfferedTool[];
  settings: Pick<Settings, 'readOnly' | 'toolsets' | 'demo' | 'waitSeconds' | 'clusters'> & Partial<Pick<Settings, 'cardClients'>>;
  /** This product's version. */
  version: string;
  /** Signs the state that a question carries through the client: at least 32 bytes, the same in every replica. Default: random. */
  stateKey?: Uint8Array | string;
  /** Reports changes to subscribers; without it clients cannot subscribe. */
  changes?: ChangeFeed;
  /** Epoch milliseconds; tells an answer that a person gave from one that a client gave by itself. Default: the system's clock. */
  now?: () => number;
}

// The engine checks arguments, so that a refusal is audited and says what to do; the schema that clients see is in the cached list.
const ANY_OBJECT = { type: 'object', additionalProperties: {} };
// As a schema of its own, because a server for one request would build the JSON of another one again.
const ANY_ARGUMENTS: StandardSchemaWithJSON<Record<string, unknown>> = {
  '~standard': {
    version: 1,
    vendor: 'proxmox-mcp',
    validate: (value) => (isObject(value) ? { value } : { issues: [{ message: 'Invalid input: expected an object' }] }),
    jsonSchema: { input: () => ANY_OBJECT, output: () => ANY_OBJECT },
  },
};
const LIST_TTL_MS = 300_000;

/**
 * The MCP server without a transport: stdio runs one instance for a connection, HTTP one for a request (2026-07-28) or a session (older).
 * Expensive parts are created once, here or at first use, and the factory only registers.
 */
export function createServerFactory(options: FactoryOptions): McpServerFactory {
  const { demo, waitSeconds, cardClients = [] } = options.settings;
  const clusters = choicesOf(options.settings);
  const offered = availableIn(options.tools, options.settings);
  const tools = clusters.length === 0 ? offered : offered.map(withCluster);
  const base = {
    engine: options.engine,
    operation: options.operation,
    caller: options.caller,
    demo,
    waitSeconds,
    notices: options.notices ?? (() => []),
    ...defined({ consoleUrl: options.consoleUrl }),
  };
  const calls = lazy(async () => {
    const [{ callTool }, { createElicitation }] = await Promise.all([import('./call.ts'), import('./elicitation.ts')]);
    const context: CallContext = { ...base, elicitation: createElicitation(options.stateKey, options.now) };
    return { callTool, context };
  });

  const registrations = tools.flatMap((tool) => {
    const config = { inputSchema: ANY_ARGUMENTS, scopeChallenge: challengeFor(tool, base) };
    return [tool.name, ...formerNames(tool.name)].map((name) => ({ name, tool, config }));
  });

  return ({ authInfo, era, requestInfo }) => {
    const name = era === 'modern' ? calledTool(requestInfo) : undefined;
    const called = name === undefined ? [] : registrations.filter((one) => one.name === name);
    // A remote caller that may only read gets neither the rules of changing nor the prompts that change.
    const allowed = called.length > 0 ? [] : tools.filter((tool) => missingScope(authInfo, tool) === undefined);
    const scope = identityOf(authInfo)?.scope?.clusters;
    const own = clusters.filter((one) => scope?.includes(one) ?? true);
    // A client reads them before it calls a tool, from the answer to another request.
    const rules = called.length > 0 ? '' : instructions({ readOnly: allowed.every(changesNothing), demo, clusters: own });
    const server = new McpServer(
      { name: 'proxmox-mcp', title: demo ? 'Proxmox VE (simulator)' : 'Proxmox VE', version: options.version },
      {
        instructions: rules,
        capabilities: {
          tools: { listChanged: false },
          resources: { listChanged: false, subscribe: options.changes !== undefined },
          prompts: { listChanged: false },
        },
        cacheHints: {
          'tools/list': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
          'prompts/list': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
          'resources/templates/list': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
          'server/discover': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
        },
        requestState: { verify: async (state, ctx) => (await calls.get()).context.elicitation.verify(state, ctx) },
        maxToolInputElements: 10_000,
      },
    );
    for (const { name, tool, config } of called.length > 0 ? called : registrations)
      server.registerTool(name, config, async (raw, ctx) => {
        const { callTool, context } = await calls.get();
        return callTool(context, { server, name: tool.name, raw, ctx, era });
      });
    if (called.length > 0) return server;
    // Tools outside the role are registered but not listed, so that an OAuth client that calls one learns which scope it needs.
    server.server.setRequestHandler('tools/list', (_request, ctx) => {
      const client = clientOf(server, ctx);
      const { role } = base.caller(client);
      const shown = tools.filter((one) => roleAllows(role, one));
      return { tools: shown.map(showsCards(client, cardClients) ? withCard : ({ tool }) => tool) };
    });
    const complete = completions(base, server, allowed, authInfo);
    registerResources(server, base, tools, complete);
    registerPrompts(server, allowed, complete);
    registerSkill(server);
    if (cardClients.length > 0) registerCards(server, cardClients, [...listedResources(tools), SKILL]);
    if (options.changes && era === 'legacy') registerSubscriptions(server, base, options.changes);
    return server;
  };
}

/**
 * The tool that a request of 2026-07-28 calls: its server serves nothing else. The SDK refuses a request whose headers differ from its body, so
 * the headers decide nothing but what is registered.
 */
function calledTool(request: Request | undefined): string | undefined {
  return request?.headers.get('mcp-method') === 'tools/call' ? (request.headers.get('mcp-name') ?? undefined) : undefined;
}

/** Over HTTP, 403 with the missing scope. The engine checks the scope too, and records the refusal in the audit. */
function challengeFor(operation: Offered, { engine, caller }: Pick<CallContext, 'engine' | 'caller'>): ScopeChallengeHandler {
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
