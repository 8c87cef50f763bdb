import type { ChangeOperation, Operation, ReadOperation } from '../../src/operations/define.ts';
import { operations } from '../../src/operations/index.ts';

/** The operation of this name. @throws for a name that the list lacks */
export function operationNamed(name: string): Operation {
  const found = operations.find((one) => one.name === name);
  if (!found) throw new Error(`${name} is not an operation`);
  return found;
}

/** The same, of a kind that only reads. */
export function readOperation(name: string): ReadOperation {
  const found = operationNamed(name);
  if (found.effect !== 'read') throw new Error(`${name} does not read`);
  return found;
}

/** The same, of a kind that plans. */
export function changeOperation(name: string): ChangeOperation {
  const found = operationNamed(name);
  if (!('plan' in found)) throw new Error(`${name} has no plan`);
  return found;
}
