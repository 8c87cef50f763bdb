import type { Operation } from './define.ts';
import { operations } from './index.ts';

/**
 * Loads each operation by its name, in the order of `index.ts`. Here all are loaded. In the bundle `scripts/loaders.mjs` makes a table of
 * imports from that list, so that a call loads its own operation alone: all of them take as long as the rest of a start.
 */
export const LOADERS: Readonly<Record<string, () => Promise<Operation | undefined>>> = Object.fromEntries(
  operations.map((operation) => [operation.name, async () => operation]),
);
