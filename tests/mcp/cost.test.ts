import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { instructions } from '../../src/mcp/instructions.ts';
import { toolDefinition } from '../../src/mcp/tools.ts';
import { operations } from '../../src/operations/index.ts';

const tokens = (value: unknown) => encode(JSON.stringify(value)).length;

// Whatever is listed is in the agent's context for the whole conversation.
describe('what an agent pays before its first call', () => {
  it('is less than 5,000 tokens (o200k) for the default tool list, output schemas included', () => {
    const perTool = Object.fromEntries(operations.map((operation) => [operation.name, tokens(toolDefinition(operation))]));
    expect(tokens({ tools: operations.map(toolDefinition) }), JSON.stringify(perTool, null, 1)).toBeLessThan(5000);
  });

  it('is less than 400 tokens for the rules of use', () => {
    expect(tokens(instructions({ readOnly: false, demo: true }))).toBeLessThan(400);
  });
});
