import type { Client } from '@modelcontextprotocol/client';
import { fail } from '../../core/errors/errors.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { paint } from '../terminal/look.ts';
import { print } from '../terminal/output.ts';
import { news } from '../terminal/progress.ts';

export const PUBLIC_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleE demo@example.org';

/** Calls a tool, shows the call and its answer, and fails when the answer is not the expected one. */
export type Agent = (tool: string, args?: JsonObject, expectedError?: string) => Promise<JsonObject>;

export function agentOn(client: Client): Agent {
  return async (tool, args = {}, expectedError) => {
    print(`${bold(`> ${tool}`)} ${Object.keys(args).length > 0 ? JSON.stringify(args) : ''}`);
    const isNew = news();
    const result = await client.callTool(
      { name: tool, arguments: args },
      { onprogress: ({ message }) => message && isNew(message) && print(dim(`  … ${message}`)), resetTimeoutOnProgress: true },
    );
    const answer = (result.structuredContent ?? {}) as JsonObject;
    const [content] = result.content;
    for (const line of (content?.type === 'text' ? content.text : '').split('\n')) print(`  ${line}`);
    const code = (answer.error as JsonObject | undefined)?.code;
    check(code === expectedError, expectedError ? `${tool} is refused with ${expectedError}` : `${tool} succeeds`);
    return answer;
  };
}

export function say(title: string, text = ''): void {
  print(`\n${bold(title)}${text === '' ? '' : `\n${text}`}`);
}

export function check(holds: boolean, what: string): void {
  if (!holds) fail('internal', `The demo failed. Expected: ${what}.`);
}

export const bold = (text: string) => paint('bold', text);
const dim = (text: string) => paint('dim', text);
