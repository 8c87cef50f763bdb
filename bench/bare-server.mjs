// The least that an MCP server can be with the official SDK: what our start-up is measured against.
import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod';
import { get, getGuests } from './get.mjs';

serveStdio(() => {
  const server = new McpServer({ name: 'bare', version: '0' }, { capabilities: { tools: {} } });
  server.registerTool('echo', { description: 'Echo', inputSchema: z.strictObject({ text: z.string() }) }, ({ text }) => ({
    content: [{ type: 'text', text }],
  }));
  server.registerTool('list_vms', { description: 'List guests', inputSchema: z.strictObject({}) }, async () => ({
    content: [{ type: 'text', text: await getGuests() }],
  }));
  server.registerTool(
    'get_vm',
    { description: 'Show a guest', inputSchema: z.strictObject({ paths: z.array(z.string()) }) },
    async ({ paths }) => ({
      content: [{ type: 'text', text: JSON.stringify(await Promise.all(paths.map(get))) }],
    }),
  );
  return server;
});
process.stdin.once('end', () => process.exit(0));
