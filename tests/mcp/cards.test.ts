import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createMcpHandler, InMemoryTransport, type McpServer } from '@modelcontextprotocol/server';
import { describe, expect, it } from 'vitest';
import type { Result } from '../../src/core/result.ts';
import { approval, connect, ERAS, type Era, face } from '../helpers/answering-engine.ts';

const URI = 'ui://proxmox-mcp/card.html';
const MIME = 'text/html;profile=mcp-app';
const RENDERS = { extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: [MIME] } } };
const LISTED = ['another', 'test-client'];

const answers: Record<string, Result> = {
  list_vms: { kind: 'done', output: { vms: [{ vmid: 105, name: 'web1', status: 'running' }], total: 1 } },
  stop_vm: { kind: 'approval_required', approval: { ...approval, method: 'human' } },
};
const server = (cardClients?: string[]) =>
  face(({ operation }) => answers[operation] ?? { kind: 'done', output: {} }, {
    settings: { readOnly: false, toolsets: ['everyday'], demo: false, waitSeconds: 45, ...(cardClients ? { cardClients } : {}) },
    consoleUrl: () => 'http://127.0.0.1:1/console/',
  });

/** Every byte that the server sends to a client that lists, reads and calls. */
async function wire(era: Era, cardClients: string[] | undefined, capabilities: object, calls = true): Promise<string> {
  const sent: string[] = [];
  const { factory } = server(cardClients);
  const info = { name: 'test-client', version: '1.2.3' };
  let client: Client;
  if (era === 'legacy') {
    client = new Client(info, { capabilities });
    const [near, far] = InMemoryTransport.createLinkedPair();
    const send = far.send.bind(far);
    far.send = (message, options) => {
      sent.push(JSON.stringify(message));
      return send(message, options);
    };
    await ((await factory({ era })) as McpServer).connect(far);
    await client.connect(near);
  } else {
    client = new Client(info, { capabilities, versionNegotiation: { mode: 'auto' } });
    const handler = createMcpHandler(factory, { legacy: 'reject' });
    const fetch = async (url: string | URL, init?: RequestInit) => {
      const response = await handler.fetch(new Request(url, init));
      sent.push(await response.clone().text());
      return response;
    };
    await client.connect(new StreamableHTTPClientTransport(new URL('http://test.local/mcp'), { fetch }));
  }
  if (!calls) sent.length = 0;
  else {
    await client.listTools();
    await client.listResources();
    await client.listResourceTemplates();
  }
  await client.callTool({ name: 'list_vms', arguments: {} });
  await client.callTool({ name: 'stop_vm', arguments: { vmid: 105 } });
  await client.close();
  return sent.join('\n');
}

describe.each(ERAS)('a %s client', (era) => {
  it.each([
    ['without a list of clients', undefined, RENDERS],
    ['that does not declare that it shows cards', LISTED, {}],
    ['that shows other types of pages', LISTED, { extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/uri-list'] } } }],
    ['whose name is not in the list', ['another'], RENDERS],
  ])('%s gets byte for byte what it got without cards', async (_which, cardClients, capabilities) => {
    const plain = await wire(era, undefined, {});
    expect(plain).toContain('web1');
    expect(plain).not.toContain('ui://');
    expect(await wire(era, cardClients, capabilities)).toBe(plain);
  });

  it('with cards gets byte for byte the same answers to its calls', async () => {
    expect(await wire(era, LISTED, RENDERS, false)).toBe(await wire(era, undefined, {}, false));
  });

  it('with cards gets them for plans that a human may have to see, and for the table of guests', async () => {
    const client = await connect(server(LISTED), era, RENDERS);
    const { tools } = await client.listTools();
    const carded = tools.filter(({ _meta }) => (_meta?.ui as { resourceUri?: string } | undefined)?.resourceUri === URI);
    expect(carded.map(({ name }) => name)).toEqual(['list_vms', 'stop_vm', 'delete_vm']);
    for (const { _meta } of carded) expect(_meta?.['ui/resourceUri']).toBe(URI);
    const { resources } = await client.listResources();
    expect(resources.filter(({ uri }) => uri === URI)).toMatchObject([{ name: 'card', mimeType: MIME }]);
    await client.close();
  });

  it('reads the card, which allows nothing from elsewhere', async () => {
    const client = await connect(server(LISTED), era, RENDERS);
    const { contents } = await client.readResource({ uri: URI });
    const none = { connectDomains: [], resourceDomains: [], frameDomains: [], baseUriDomains: [] };
    expect(contents).toMatchObject([{ uri: URI, mimeType: MIME, _meta: { ui: { csp: none } } }]);
    const html = (contents[0] as { text: string }).text;
    expect(html).toContain("default-src 'none'; script-src 'sha256-");
    // A few kB, with no address of anything.
    expect(html.length).toBeLessThan(16_000);
    expect(html.replace('https?:', '')).not.toMatch(/https?:|src=|url\(|unsafe-|innerHTML|tools\/call/);
    await client.close();
  });

  it('without cards does not find it', async () => {
    const client = await connect(server(['another']), era, RENDERS);
    await expect(client.readResource({ uri: URI })).rejects.toThrow(/not found/i);
    await client.close();
  });
});
