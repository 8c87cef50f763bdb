import { ERRORS, type Who } from '../../src/core/errors/errors.ts';
import { GENERATED, rows } from './markdown.ts';

const WHO: Record<Who, string> = {
  agent: 'the agent: another call',
  operator: 'the operator: configuration or rights',
  proxmox: 'Proxmox: its state must change',
  server: 'the server: a fault of its own',
};

/** docs/errors.md */
export function errorsDoc(): string {
  const body = Object.entries(ERRORS).map(([code, { who, exit = 1, meaning, hint }]) => [
    `\`${code}\``,
    meaning,
    WHO[who],
    hint,
    String(exit),
  ]);
  return `${[
    GENERATED,
    '# Errors',
    'Every error has a code, names the party that must act, and states one next step. MCP tools answer `isError` with `structuredContent.error`. `proxmox-mcp call` prints `{"error": {code, who, message, hint, details?}}` on stdout. Every command prints the message and the next step on stderr. `details.proxmox` has Proxmox’s own words. An error never contains a secret.',
    'Exit codes of the command line: 0 done, 1 failed, 2 usage or configuration, 3 approval required.',
    rows(['Code', 'Meaning', 'Who must act', 'Next step', 'Exit'], body),
  ].join('\n\n')}\n`;
}
