import { STARTERS } from '../../src/mcp/prompts.ts';
import { ITEMS, LISTS } from '../../src/mcp/resources/kinds.ts';
import { GENERATED, rows } from './markdown.ts';

/** docs/resources.md */
export function resourcesDoc(): string {
  const addresses = [...LISTS.map((kind) => ({ ...kind, at: kind.uri })), ...ITEMS.map((kind) => ({ ...kind, at: kind.template }))];
  return `${[
    GENERATED,
    '# Resources, prompts and the skill',
    'Beside its tools the server offers what a person picks in a client. None of it costs tokens before it is picked, and a client that lists it sends nothing to Proxmox.',
    '## Resources',
    'A resource is read through the tool of its row, so scope, masking and audit are those of the tool. Clients complete the id of a template: a VMID also by a part of the name of the guest. Where several clusters have the VMID, the id names the cluster: `proxmox://guest/home:105`.',
    rows(
      ['Address', 'What it holds', 'Tool'],
      addresses.map(({ at, description, tool }) => [`\`${at}\``, description, `\`${tool}\``]),
    ),
    'A client may subscribe to guests, approvals and tasks, and to their lists. While it does, the server looks every 5 seconds and sends the addresses of those that changed. Over HTTP it sends no changes of guests: VMIDs can be guessed, and a caller may be limited to some guests.',
    '## Prompts',
    'A prompt is offered where the tools that it names are.',
    rows(
      ['Prompt', 'What it does', 'Parameters'],
      STARTERS.map(({ name, description, args = {}, required }) => [
        `\`${name}\``,
        description,
        Object.keys(args)
          .map((arg) => `\`${arg}\`${arg === required ? '' : '?'}`)
          .join(' '),
      ]),
    ),
    '## The skill',
    '[SKILL.md](SKILL.md) teaches an agent the command line. A client that knows the Skills extension (`io.modelcontextprotocol/skills`) loads it from the server as `skill://proxmox-mcp/SKILL.md`.',
  ].join('\n\n')}\n`;
}
