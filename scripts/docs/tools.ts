import * as z from 'zod';
import type { OperationEffect } from '../../src/core/plan/effect.ts';
import { inputOf } from '../../src/operations/by-name.ts';
import { commonOf } from '../../src/operations/common.ts';
import type { Operation } from '../../src/operations/define.ts';
import { operations } from '../../src/operations/index.ts';
import { cell, GENERATED, rows } from './markdown.ts';
import { tokensOf, toolsetTokens } from './tokens.ts';

const EFFECTS: Record<OperationEffect, string> = {
  read: 'reads only',
  change: 'changes something at once; a plan that interrupts or destroys needs an approval',
  disrupt: 'interrupts a running service: needs an approval',
  destroy: 'loses something for good: needs an approval',
  control: 'acts on approvals and runs of this server',
};

export type Schema = {
  type?: string | string[];
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  description?: string;
  default?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  minimum?: number;
  maximum?: number;
  const?: unknown;
};

/** docs/tools.md */
export function toolsDoc(): string {
  const overview = operations.map((operation) => [
    `[\`${operation.name}\`](#${operation.name})`,
    operation.toolset,
    `\`${operation.effect}\``,
    String(tokensOf(operation)),
    operation.description,
  ]);
  return `${[
    GENERATED,
    '# Tools',
    "The same operations are MCP tools and commands: `proxmox-mcp call <operation> --args '<json>' [--dry-run] [--approve ID]`.",
    rows(['Operation', 'Toolset', 'Effect', 'Tokens', 'What it does'], overview),
    '`PROXMOX_TOOLSETS` chooses the toolsets that are offered: a list, or `all`; default `everyday`. `approve`, `deny`, `list_approvals` and `get_task` are there whenever a tool that changes is. Tokens (o200k) are those of name, description and input schema, which stay in the context of the model.',
    rows(
      ['Toolset', 'Tools', 'Tokens'],
      toolsetTokens().map(({ toolsets, tools, tokens }) => [`\`${toolsets}\``, String(tools), String(tokens)]),
    ),
    rows(
      ['Effect', 'Meaning'],
      Object.entries(EFFECTS).map(([effect, meaning]) => [`\`${effect}\``, meaning]),
    ),
    'Shared parameters: `dry_run` shows the plan and sends nothing. After `wait_seconds` (at most 50) the answer is `running`. The approver sees `reason`, marked as unverified.',
    ...operations.flatMap(section),
  ].join('\n\n')}\n`;
}

/** The setting without which the server does not offer it, so that an example can be pasted. */
function offered({ toolset }: Operation): string {
  return toolset === undefined || toolset === 'everyday' ? '' : `PROXMOX_TOOLSETS=everyday,${toolset} `;
}

function section(operation: Operation): string[] {
  const input = z.toJSONSchema(inputOf(operation), { io: 'input', unrepresentable: 'any' }) as Schema;
  const output = z.toJSONSchema(operation.output, { io: 'output', unrepresentable: 'any' }) as Schema;
  const common = commonOf(operation);
  const shared = common.length > 0 ? [`Also: ${common.map((name) => `\`${name}\``).join(', ')}.`] : [];
  return [
    `## ${operation.name}`,
    `**${operation.title}** (\`${operation.effect}\`). ${operation.description}`,
    parameters(input),
    ...(operation.example
      ? [`Example: \`${offered(operation)}proxmox-mcp call ${operation.name} --args '${JSON.stringify(operation.example)}' --demo\``]
      : []),
    ...shared,
    '<details><summary>Answer</summary>',
    rows(['Field', 'Type', ''], members(output)),
    '</details>',
  ];
}

function parameters(schema: Schema): string {
  const body = members(schema);
  return body.length === 0 ? 'No parameters.' : rows(['Parameter', 'Type', ''], body);
}

/** All members at any depth, as `name`, type and description; optional ones with a question mark. */
export function members(schema: Schema, prefix = ''): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const optional = schema.required?.includes(name) ? '' : '?';
    const path = `${prefix}${name}`;
    const text = [member.description, member.default === undefined ? undefined : `Default: \`${JSON.stringify(member.default)}\`.`]
      .filter(Boolean)
      .join('. ');
    const inner = member.items?.properties ? members(member.items, `${path}[].`) : members(member, `${path}.`);
    return [[`\`${path}\`${optional}`, cell(typeOf(member)), text], ...inner];
  });
}

function typeOf(schema: Schema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(' ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeOf))].join(' or ');
  if (schema.type === 'array') return `list of ${schema.items ? typeOf(schema.items) : 'anything'}`;
  const bounds = [schema.minimum, schema.maximum].some((bound) => bound !== undefined)
    ? ` ${schema.minimum ?? ''}–${schema.maximum === Number.MAX_SAFE_INTEGER ? '' : (schema.maximum ?? '')}`
    : '';
  return `${Array.isArray(schema.type) ? schema.type.join(' or ') : (schema.type ?? 'anything')}${bounds}`;
}
