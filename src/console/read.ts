import { asError, fail } from '../core/errors/errors.ts';
import type { Caller } from '../core/people/caller.ts';
import { isObject, type Json, type JsonObject } from '../core/text/json.ts';
import { plainText } from '../core/text/text.ts';
import type { Engine } from '../engine/types.ts';
import type { Problem } from './wire.ts';

/** Reads of one cluster for a person; '' where there is only one. */
export interface Reader {
  cluster: string;
  /** The output of a read. Each leaves a line in the audit. */
  read(operation: string, args: object): Promise<JsonObject>;
}

export function readersOf(engine: Engine, caller: Caller): Reader[] {
  const names = engine.clusters.length === 0 ? [''] : engine.clusters;
  return names.map((cluster) => ({
    cluster,
    async read(operation, args) {
      const result = await engine.perform(operation, cluster === '' ? args : { ...args, cluster }, caller);
      return result.kind === 'done' ? result.output : fail('internal', `The operation ${operation} returned no result.`);
    },
  }));
}

export function rowsOf(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter((row) => isObject(row)) : [];
}

/** A text of an answer, harmless and capped; a list with commas, other types as JSON. */
export function textOf(value: Json | undefined, max: number): string {
  return plainText(joined(value), max);
}

function joined(value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : Array.isArray(value) ? value.map(joined).join(', ') : JSON.stringify(value);
}

export function numberOf(value: Json | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

export function problemOf(thrown: unknown): Problem {
  const { code, message, hint } = asError(thrown);
  return { code, message: plainText(message, 600), hint: plainText(hint, 400) };
}
