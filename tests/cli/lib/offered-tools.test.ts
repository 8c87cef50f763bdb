import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { offeredTools } from '../../../src/cli/lib/offered-tools.ts';
import { offeredTool } from '../../../src/mcp/tools.ts';
import { operations } from '../../../src/operations/index.ts';
import { binary } from '../../helpers/binary.ts';

const made = JSON.parse(JSON.stringify(operations.map(offeredTool)));

it('ships the tools that the operations define, in their order', () => {
  const shipped = JSON.parse(readFileSync(join(dirname(binary()), 'tools.json'), 'utf8'));
  expect(shipped).toEqual(made);
  expect(JSON.stringify(shipped)).toBe(JSON.stringify(made));
});

it('makes the same list where the product runs from source', async () => {
  expect(JSON.parse(JSON.stringify(await offeredTools()))).toEqual(made);
});
