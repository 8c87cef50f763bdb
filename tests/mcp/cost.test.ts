import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { toolsetTokens } from '../../scripts/docs/tokens.ts';
import { instructions } from '../../src/mcp/instructions.ts';

// Whatever is listed is in the agent's context for the whole conversation.
describe('the tokens (o200k) that an agent pays before its first call', () => {
  it.each([
    ['everyday', 5_000],
    ['api', 600],
    ['all', 9_000],
  ])('for the toolset %s are at most %i', (toolset, budget) => {
    const found = toolsetTokens().find(({ toolsets }) => toolsets === toolset);
    expect(found?.tokens).toBeLessThanOrEqual(budget);
  });

  it('for the rules of use are less than 400', () => {
    expect(encode(JSON.stringify(instructions({ readOnly: false, demo: true, clusters: [] }))).length).toBeLessThan(400);
  });
});
