// The least that an MCP server over HTTP can be with the official SDK: what HTTP and the protocol alone cost.
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { getGuests } from './get.mjs';

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'bare', version: '0' }, { capabilities: { tools: {} } });
  const text = z.strictObject({ text: z.string() });
  server.registerTool('echo', { description: 'Echo', inputSchema: text, outputSchema: text }, ({ text }) => ({
    content: [{ type: 'text', text }],
    structuredContent: { text },
  }));
  server.registerTool('list_vms', { description: 'List guests', inputSchema: z.looseObject({}), outputSchema: text }, async () => {
    const guests = await getGuests();
    return { content: [{ type: 'text', text: guests }], structuredContent: { text: guests } };
  });
  return server;
});
const server = createServer(toNodeHandler(handler));
server.listen(0, '127.0.0.1', () => console.error(`http://127.0.0.1:${server.address().port}/mcp`));
