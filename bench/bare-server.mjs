// The least that an MCP server can be with the official SDK: what our start-up is measured against.
import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod';
import { getGuests } from './get.mjs';

serveStdio(() => {
  const server = new McpServer({ name: 'bare', version: '0' }, { capabilities: { tools: {} } });
  server.registerTool('echo', { description: 'Echo', inputSchema: z.strictObject({ text: z.string() }) }, ({ text }) => ({
    content: [{ type: 'text', text }],
  }));
  server.registerTool('list_vms', { description: 'List guests', inputSchema: z.strictObject({}) }, async () => ({
    content: [{ type: 'text', text: await getGuests() }],
  }));
  return server;
});
process.stdin.once('end', () => process.exit(0));
