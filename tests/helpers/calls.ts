import { readFileSync } from 'node:fs';
import type { Caller } from '../../src/core/people/caller.ts';
import type { Result } from '../../src/core/result.ts';
import type { JsonObject } from '../../src/core/text/json.ts';
import type { Engine, PerformOptions } from '../../src/engine/types.ts';

export interface Calls {
  call(operation: string, args: object, options?: PerformOptions, caller?: Caller): Promise<Result>;
  /** The output of a call that is done; throws for every other result. */
  done(operation: string, args: object, options?: PerformOptions, caller?: Caller): Promise<JsonObject>;
  /** The id of the approval that the call asks for. */
  asks(operation: string, args: object, options?: PerformOptions): Promise<string>;
}

/** Calls as tests make them: by the agent unless another caller is given, and waiting for the end. */
export function callsTo(engine: Engine, agent: Caller): Calls {
  const call: Calls['call'] = (operation, args, options = {}, caller = agent) =>
    engine.perform(operation, args, caller, { wait: 'end', ...options });
  return {
    call,
    async done(...args) {
      const result = await call(...args);
      if (result.kind !== 'done') throw new Error(`not done but ${result.kind}`);
      return result.output;
    },
    async asks(...args) {
      const result = await call(...args);
      if (result.kind !== 'approval_required') throw new Error(`not asked but ${result.kind}`);
      return result.approval.id;
    },
  };
}

/** The lines of an audit file. */
export function auditLines(file: string): JsonObject[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}
