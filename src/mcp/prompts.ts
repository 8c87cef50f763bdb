import { completable, type McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { visibleJson } from '../core/text/text.ts';
import type { Offered } from '../operations/available.ts';
import type { Completions } from './resources/complete.ts';

interface Starter {
  name: string;
  title: string;
  description: string;
  /** The tools that the text names. */
  needs: string[];
  /** Parameters with the kind of names that complete them. */
  args?: Record<string, keyof Completions | undefined>;
  required?: string;
  text: (args: Record<string, string | undefined>) => string;
}

export const STARTERS: readonly Starter[] = [
  {
    name: 'review_approvals',
    title: 'Review approvals',
    description: 'Review and decide pending approvals',
    needs: ['list_approvals', 'approve', 'deny'],
    text: () =>
      'Call list_approvals with status pending. Show me what each one does, to which guest, whether it can be undone, and when it expires. ' +
      'Ask me about each in turn. Approve or deny only what I answer.',
  },
  {
    name: 'provision_vm',
    title: 'Provision a VM',
    description: 'Plan a new VM, agree on it and create it',
    needs: ['create_vm', 'list_vms'],
    args: { name: undefined, purpose: undefined, image: 'images' },
    required: 'name',
    text: ({ name, purpose, image }) =>
      `Create a VM named ${quoted(name)}${purpose ? ` for ${quoted(purpose)}` : ''}${image ? ` from the image ${quoted(image)}` : ''}. ` +
      'Look for a suitable template or image and for the name, propose sizes, and show me the dry run of create_vm or clone_template. ' +
      'Create it after I agree. Tell me how to log in.',
  },
  {
    name: 'investigate_guest',
    title: 'Investigate a slow guest',
    description: 'Find out why a VM or container is slow',
    needs: ['get_vm', 'get_metrics', 'get_task'],
    args: { guest: 'guests' },
    required: 'guest',
    text: ({ guest }) =>
      `Find out why the guest ${quoted(guest)} is slow. Call get_vm with fields tasks and changes, then get_metrics for the guest (hour and day), ` +
      'for its node and for its storage. Compare them. Tell me the most likely cause with its figures, what speaks against it, and one remedy. ' +
      'Change nothing.',
  },
  {
    name: 'find_waste',
    title: 'Find idle, oversized and orphaned things',
    description: 'List what could be smaller, stopped or removed',
    needs: ['list_vms', 'get_metrics', 'get_cluster'],
    text: () =>
      'Find what wastes space or memory: running guests with almost no CPU use over a week (get_metrics), guests whose p95 of memory is far below ' +
      'what they have, guests that have been stopped for long, old snapshots, and volumes that belong to no guest. Show a table with the gain of ' +
      'each and your confidence. Propose, and change nothing until I choose.',
  },
  {
    name: 'plan_evacuation',
    title: "Plan a node's evacuation",
    description: 'Plan to empty a node before maintenance',
    needs: ['list_vms', 'get_cluster'],
    args: { node: 'nodes' },
    required: 'node',
    text: ({ node }) =>
      `Plan to empty the node ${quoted(node)} for maintenance. Show its guests, where each would go, what would move live and what with an ` +
      'interruption, what blocks a guest from moving, and the memory of each target after it. Show the dry run of migrate_vm if that tool is there. ' +
      'Wait for my word before anything moves.',
  },
  {
    name: 'review_backups',
    title: 'Review backups',
    description: 'Which guests have no good recent backup',
    needs: ['list_backups'],
    args: { max_age_days: undefined },
    text: ({ max_age_days }) =>
      `Call list_backups with coverage${max_age_days ? ` and max_age_days ${quoted(max_age_days)}` : ''}. Tell me which guests have no backup, an old one, or one ` +
      'whose verification failed or never ran, and which backups this token cannot see. Propose what to back up now and where.',
  },
  {
    name: 'security_review',
    title: 'Security review',
    description: 'Look for exposed guests and loose settings',
    needs: ['list_vms', 'get_vm'],
    text: () =>
      'Review the security of the guests: firewall off or NICs without it, guests without protection that matter, privileged containers, ' +
      'passthrough devices, old QEMU machine types, guests without a recent backup, and recent failed tasks. Use get_vm with fields firewall. ' +
      'Rank the findings, say what you could not see, and change nothing.',
  },
  {
    name: 'what_changed',
    title: 'What changed since yesterday',
    description: 'Changes of the last day, with who asked and approved',
    needs: ['get_task', 'list_approvals'],
    text: () =>
      'Tell me what changed on the cluster since yesterday: call get_task with mine false, list_approvals, and get_vm with fields changes for guests ' +
      'that stand out. For each change: when, who asked, who approved, what, and whether it failed. Point out each change without an approval.',
  },
];

/** Starting points that a user picks from a menu. Each is offered where all tools that it names are. */
export function registerPrompts(server: McpServer, operations: readonly Offered[], complete: Completions): void {
  const has = (name: string) => operations.some((operation) => operation.name === name);
  for (const { name, title, description, args, required, text } of STARTERS.filter((one) => one.needs.every(has))) {
    const message = (given: Record<string, string | undefined>) => ({
      messages: [{ role: 'user' as const, content: { type: 'text' as const, text: text(given) } }],
    });
    if (args === undefined) server.registerPrompt(name, { title, description }, () => message({}));
    else server.registerPrompt(name, { title, description, argsSchema: schemaOf(args, required, complete) }, (given) => message(given));
  }
}

function schemaOf(args: NonNullable<Starter['args']>, required: string | undefined, complete: Completions) {
  const fields = Object.entries(args).map(([name, kind]): [string, z.ZodType<string | undefined>] => {
    const text = kind === undefined ? z.string() : completable(z.string(), (typed) => complete[kind](typed));
    return [name, name === required ? text : text.optional()];
  });
  return z.object(Object.fromEntries(fields)) as z.ZodObject<Record<string, z.ZodType<string | undefined>>>;
}

/** Quoted, so that what the user typed stays data. */
function quoted(text = ''): string {
  return visibleJson(text);
}
