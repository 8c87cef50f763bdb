import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { TOOLSETS } from '../../src/core/settings/toolset.ts';
import { toolDefinition } from '../../src/mcp/tools.ts';
import { availableIn } from '../../src/operations/available.ts';
import type { Operation } from '../../src/operations/define.ts';
import { operations } from '../../src/operations/index.ts';

/** Its section, its toolset and the sum of all toolsets need each. */
const counted = new Map<Operation, number>();

/** Tokens (o200k) of a tool as clients show it to a model: name, description and input schema. */
export function tokensOf(operation: Operation): number {
  const known = counted.get(operation);
  if (known !== undefined) return known;
  const { name, description, inputSchema } = toolDefinition(operation);
  const tokens = encode(JSON.stringify({ name, description, input_schema: inputSchema })).length;
  counted.set(operation, tokens);
  return tokens;
}

/** Each choice of toolsets with the number of its tools and their tokens. */
export function toolsetTokens(): { toolsets: string; tools: number; tokens: number }[] {
  const choices = [...TOOLSETS.map((one) => [one]), TOOLSETS];
  return choices.map((toolsets) => {
    const own = availableIn(operations, { readOnly: false, toolsets }).filter(({ toolset }) => toolsets.includes(toolset));
    const tokens = own.map(tokensOf).reduce((sum, one) => sum + one, 0);
    return { toolsets: toolsets.length === 1 ? String(toolsets[0]) : 'all', tools: own.length, tokens };
  });
}
