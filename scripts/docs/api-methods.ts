import { classOf } from '../../src/operations/api/lib/classes.ts';
import { operations } from '../../src/operations/index.ts';
import { type ApiMethod, contract } from '../../src/proxmox/contract/contract.ts';
import { GENERATED, rows } from './markdown.ts';

/** docs/api-methods.md: how each method of the API is reached, or why it is not. */
export async function apiMethodsDoc(): Promise<string> {
  const { methods } = await contract();
  const own = operations.filter(({ toolset }) => toolset !== 'api');
  const named = (one: ApiMethod) => `\`${one.method} ${one.path}\``;
  const classed = methods.map((one) => ({ name: named(one), found: classOf(one, own) }));
  const through = (effect: string) => classed.filter(({ found }) => found.by === 'api' && found.effect === effect).map(({ name }) => name);
  const never = classed.flatMap(({ name, found }) => (found.by === 'never' ? [{ name, reason: found.reason }] : []));
  const reasons = [...new Set(never.map(({ reason }) => reason))];
  const tools = classed.flatMap(({ name, found }) => (found.by === 'tool' ? [[name, `\`${found.tool}\``]] : []));
  const counts = ['change', 'disrupt', 'destroy', 'read'].map((effect) => `${through(effect).length} ${effect}`).join(', ');
  return `${[
    GENERATED,
    '# API methods',
    `Proxmox VE 9.2 has ${methods.length} methods. A tool covers ${tools.length} of them. \`api_read\` and \`api_change\` reach ${methods.length - tools.length - never.length} (${counts}). The other ${never.length} are never sent. The effects were reviewed by method and path; a method without a reviewed effect counts as destroy.`,
    '`api_change` sets those keys of a guest’s configuration that no tool knows.',
    '## Never sent',
    ...reasons.flatMap((reason) => [`Because ${reason}:`, listed(never.filter((one) => one.reason === reason).map(({ name }) => name))]),
    '## Covered by a tool',
    'A method that a tool covers is refused with the name of the tool.',
    rows(['Method', 'Tool'], tools),
    '## Through `api_change`',
    ...['destroy', 'disrupt', 'change'].flatMap((effect) => [`### ${effect}`, listed(through(effect))]),
    '## Through `api_read`',
    'Tools may read them too.',
    listed(through('read')),
  ].join('\n\n')}\n`;
}

function listed(names: readonly string[]): string {
  return names.map((name) => `- ${name}`).join('\n');
}
