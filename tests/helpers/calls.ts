import { readFileSync } from 'node:fs';
import type { Caller } from '../../src/core/people/caller.ts';
import type { Result } from '../../src/core/result.ts';
import type { JsonObject } from '../../src/core/text/json.ts';
import type { Engine, PerformOptions } from '../../src/engine/types.ts';

export interface Calls {
  call(operation: string, args: object, options?: PerformOptions, caller?: Caller): Promise<Result>;
  /** The output of a call that is done; throws for every other result. */
  done(operation: string, args: object, options?: PerformOptions, caller?: Caller): Promise<JsonObject>;
  /** The output of a call that is done, by an approval of the same caller where it needs one. */
  approved(operation: string, args: object): Promise<JsonObject>;
  /** The id of the approval that the call asks for. */
  asks(operation: string, args: object, options?: PerformOptions): Promise<string>;
}

/** Calls as tests make them: by the agent unless another caller is given, and waiting for the end. */
export function callsTo(engine: Engine, agent: Caller): Calls {
  const call: Calls['call'] = (operation, args, options = {}, caller = agent) =>
    engine.perform(operation, args, caller, { wait: 'end', ...options });
  const outputOf = (result: Result): JsonObject => {
    if (result.kind !== 'done') throw new Error(`not done but ${result.kind}`);
    return result.output;
  };
  return {
    call,
    done: async (...args) => outputOf(await call(...args)),
    async approved(operation, args) {
      const first = await call(operation, args);
      return outputOf(first.kind === 'approval_required' ? await call('approve', { approval_id: first.approval.id }) : first);
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
