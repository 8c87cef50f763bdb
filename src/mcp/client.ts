import type { ClientCapabilities, Implementation, McpServer, ServerContext } from '@modelcontextprotocol/server';
import { type AuthInfo, CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY } from '@modelcontextprotocol/server';
import { defined } from '../core/defined.ts';

/** Facts about the client of one request. All are the client's own claims, except `authInfo`. */
export interface ClientInfo {
  /** Name and version, as the client gives them; for the audit only. */
  client?: string;
  /** The name alone. */
  name?: string;
  /** Whether it declared that it can show pages of the server beside answers (MCP Apps). */
  rendersCards?: boolean;
  /** Whether it declared that it can show a form to its user. */
  elicitation: boolean;
  /** Whether it declared that it can open an address in its user's browser. */
  opensUrls: boolean;
  /** The verified token of an HTTP request. */
  authInfo?: AuthInfo;
}

/** 2026-07-28 sends capabilities and name with every request, older revisions once at initialize. */
export function clientOf(server: McpServer, ctx: ServerContext): ClientInfo {
  const envelope = ctx.mcpReq.envelope as Record<string, unknown> | undefined;
  const capabilities =
    (envelope?.[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined) ?? server.server.getClientCapabilities();
  const info = (envelope?.[CLIENT_INFO_META_KEY] as Implementation | undefined) ?? server.server.getClientVersion();
  const authInfo = ctx.http?.authInfo;
  return {
    ...(info ? { client: `${info.name} ${info.version}`.slice(0, 100), name: info.name } : {}),
    rendersCards: canRender(capabilities),
    elicitation: canShowForm(capabilities),
    opensUrls: capabilities?.elicitation?.url !== undefined,
    ...defined({ authInfo }),
  };
}

/** An empty `elicitation` object means forms; one that names only `url` does not (specification, client/elicitation). */
function canShowForm(capabilities: ClientCapabilities | undefined): boolean {
  const elicitation = capabilities?.elicitation;
  return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined);
}

/** Extension of the revision 2026-01-26: the client names the types that it can show. */
function canRender(capabilities: ClientCapabilities | undefined): boolean {
  const { mimeTypes } = (capabilities?.extensions?.['io.modelcontextprotocol/ui'] ?? {}) as { mimeTypes?: unknown };
  return Array.isArray(mimeTypes) && mimeTypes.includes('text/html;profile=mcp-app');
}
