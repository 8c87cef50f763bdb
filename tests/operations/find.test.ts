import { expect, test } from 'vitest';
import { findOperation, nameOfOperation, operationNames } from '../../src/operations/find.ts';
import * as all from '../../src/operations/index.ts';

test('each operation of the list is found by its name, in the order of the list', async () => {
  expect(operationNames).toEqual(all.operations.map(({ name }) => name));
  for (const one of all.operations) expect(await findOperation(one.name), one.name).toBe(one);
});

test.each(['no_such_tool', 'constructor', '__proto__', ''])('%j is not the name of an operation', async (name) => {
  expect(nameOfOperation(name)).toBeUndefined();
  expect(await findOperation(name)).toBeUndefined();
});
