import { PassThrough } from 'node:stream';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { createServerFactory } from '../mcp/server.ts';
import { offeredTools } from './lib/offered-tools.ts';
import './commands/stdio.ts';

/**
 * Runs while a snapshot of the process is made (src/launch.ts). It loads what `stdio` needs for its first answers, and lists the tools
 * once, which builds the protocol's schemas. Reads no setting and no environment.
 */
export async function prepare(): Promise<void> {
  const factory = createServerFactory({
    engine: notHere,
    tools: await offeredTools(),
    operation: notHere,
    settings: { readOnly: false, toolsets: ['everyday'], demo: false, waitSeconds: 45 },
    caller: () => ({ principal: '', owner: '', channel: 'stdio', canAsk: { elicitation: false, terminal: false }, isOperator: false }),
    version: '',
  });
  const [input, output] = [new PassThrough(), new PassThrough()];
  const server = serveStdio(factory, { transport: new StdioServerTransport(input, output) });
  const clientInfo = { name: 'snapshot', version: '0' };
  const messages = [
    { id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } },
    { method: 'notifications/initialized' },
    { id: 2, method: 'tools/list' },
  ];
  for (const message of messages) input.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  let answers = '';
  for await (const chunk of output) {
    answers += chunk;
    if (answers.includes('"id":2') && answers.endsWith('\n')) break;
  }
  await server.close();
}

async function notHere(): Promise<never> {
  throw new Error('no call is made while a snapshot is built');
}
