import type { Operation } from './define.ts';
import { operations } from './index.ts';

/**
 * How each operation of `index.ts` is loaded, by name and in its order. Here all are. In the bundle this is a table of imports, made from that
 * list by `scripts/loaders.mjs`: a call loads the code of its own operation, because all of them take as long as the rest of a start.
 */
export const LOADERS: Readonly<Record<string, () => Promise<Operation | undefined>>> = Object.fromEntries(
  operations.map((operation) => [operation.name, async () => operation]),
);
