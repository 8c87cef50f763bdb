// The same with the SDK's first version, as most servers use it.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';
import { getGuests } from './get.mjs';

const server = new McpServer({ name: 'bare', version: '0' });
server.registerTool('echo', { description: 'Echo', inputSchema: { text: z.string() } }, ({ text }) => ({
  content: [{ type: 'text', text }],
}));
server.registerTool('list_vms', { description: 'List guests' }, async () => ({ content: [{ type: 'text', text: await getGuests() }] }));
await server.connect(new StdioServerTransport());
process.stdin.once('end', () => process.exit(0));
