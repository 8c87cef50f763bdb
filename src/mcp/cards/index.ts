import { type McpServer, type Resource, ResourceNotFoundError, type ServerContext, type Tool } from '@modelcontextprotocol/server';
import { fail } from '../../core/errors/errors.ts';
import { lazy } from '../../core/lazy.ts';
import type { Offered } from '../../operations/available.ts';
import { type ClientInfo, clientOf } from '../client.ts';

// MCP Apps (extension `io.modelcontextprotocol/ui`, 2026-01-26): a page that a host shows beside the answer of a tool. The page uses the answer
// that every client gets, so answers do not differ.

const URI = 'ui://proxmox-mcp/card.html';
const MIME = 'text/html;profile=mcp-app';

/** The built page lies beside the bundle, or in dist/ when this runs from source. */
const page = lazy(async () => {
  const [{ existsSync }, { readFile }] = await Promise.all([import('node:fs'), import('node:fs/promises')]);
  const file = ['./card.html', '../../../dist/card.html'].map((path) => new URL(path, import.meta.url)).find((url) => existsSync(url));
  return file === undefined
    ? fail('internal', 'The page of the cards is missing.', { hint: 'Run npm run build.' })
    : readFile(file, 'utf8');
});

/** @param clients names of clients that the operator lists, in lower case */
export function showsCards({ name, rendersCards }: ClientInfo, clients: readonly string[]): boolean {
  return rendersCards === true && name !== undefined && clients.includes(name.toLowerCase());
}

/** The table of guests, and every tool whose plan a human may have to see. */
export function withCard({ name, effect, tool }: Offered & { tool: Tool }): Tool {
  if (name !== 'list_vms' && effect !== 'disrupt' && effect !== 'destroy') return tool;
  // The flat key is that of hosts made before the extension was final.
  return { ...tool, _meta: { ...tool._meta, ui: { resourceUri: URI }, 'ui/resourceUri': URI } };
}

/** @param others the resources for every client. Only clients with cards can list and read the card. */
export function registerCards(mcp: McpServer, clients: readonly string[], others: readonly Resource[]): void {
  const isFor = (ctx: ServerContext) => showsCards(clientOf(mcp, ctx), clients);
  const config = { title: 'Card', description: 'Shows a plan that needs an approval, or the guests', mimeType: MIME };
  mcp.registerResource('card', URI, config, async (uri, ctx) => {
    if (!isFor(ctx)) throw new ResourceNotFoundError(uri.href);
    // The page loads, requests and frames nothing from elsewhere.
    const csp = { connectDomains: [], resourceDomains: [], frameDomains: [], baseUriDomains: [] };
    return { contents: [{ uri: URI, mimeType: MIME, text: await page.get(), _meta: { ui: { csp, prefersBorder: false } } }] };
  });
  mcp.server.setRequestHandler('resources/list', (_request, ctx) => ({
    resources: [...others, ...(isFor(ctx) ? [{ uri: URI, name: 'card', ...config }] : [])],
  }));
}
