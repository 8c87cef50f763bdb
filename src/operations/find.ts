import type { Operation } from './define.ts';
import { FORMER_NAMES } from './former-names.ts';
import { LOADERS } from './loaders.ts';

/** The names of all operations. */
export const operationNames: readonly string[] = Object.keys(LOADERS);

/** The name of the operation that this name or former name means; undefined for any other text. */
export function nameOfOperation(name: string): string | undefined {
  const present = FORMER_NAMES.get(name) ?? name;
  return operationNames.includes(present) ? present : undefined;
}

/** Operations whose code is loaded, by each name used so far. A server looks one up three times a call. */
const loaded = new Map<string, Operation>();

/** By its name or a former one. */
export async function findOperation(name: string): Promise<Operation | undefined> {
  const known = loaded.get(name);
  if (known) return known;
  const present = nameOfOperation(name);
  if (present === undefined) return undefined;
  const operation = await LOADERS[present]?.();
  if (operation) loaded.set(name, operation);
  return operation;
}
