import type { McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import type { Offered } from '../operations/available.ts';

const provisionArguments = z.object({ name: z.string(), purpose: z.string().optional() });

/** Starting points that a user picks from a menu; each needs the tools it names. */
export function registerPrompts(server: McpServer, operations: readonly Offered[]): void {
  const has = (...names: string[]) => names.every((name) => operations.some((operation) => operation.name === name));

  if (has('list_approvals', 'approve', 'deny')) {
    server.registerPrompt('review_approvals', { title: 'Review approvals', description: 'Review and decide pending approvals' }, () =>
      ask(
        'Call list_approvals with status pending. Show me what each one does, to which guest, whether it can be undone, and when it expires. ' +
          'Ask me about each in turn. Approve or deny only what I answer.',
      ),
    );
  }
  if (has('create_vm', 'list_vms')) {
    server.registerPrompt(
      'provision_vm',
      { title: 'Provision a VM', description: 'Plan a new VM, agree on it and create it', argsSchema: provisionArguments },
      ({ name, purpose }) =>
        ask(
          `Create a VM named ${JSON.stringify(name)}${purpose ? ` for: ${purpose}` : ''}. Check list_vms for a suitable template and for the name, ` +
            'propose sizes, and show me the dry run of create_vm or clone_template. Create it after I agree. Tell me how to log in.',
        ),
    );
  }
}

function ask(text: string) {
  return { messages: [{ role: 'user' as const, content: { type: 'text' as const, text } }] };
}
