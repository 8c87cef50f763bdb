import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { asError, fail } from '../../core/errors/errors.ts';
import { type Common, commonOf, MAX_REASON_LENGTH, MAX_WAIT_SECONDS } from '../../operations/common.ts';
import type { Operation } from '../../operations/define.ts';
import type { PerformOptions } from '../types.ts';
import { readBy } from './arguments.ts';

type RawArguments = Record<string, unknown>;

const commonSchema = z.object({
  dry_run: z.boolean().optional(),
  wait_seconds: z.int().min(0).max(MAX_WAIT_SECONDS).optional(),
  reason: z.string().max(MAX_REASON_LENGTH).optional(),
} satisfies Record<Common, z.ZodType>);

/** Separates the operation's own arguments, which the engine checks, from the parameters that all operations of its effect have. */
export function splitCommon(operation: Operation, raw: RawArguments): { args: RawArguments; options: PerformOptions } {
  const common = commonOf(operation) as string[];
  if (!common.some((name) => Object.hasOwn(raw, name))) return { args: raw, options: {} };
  const entries = Object.entries(raw);
  const own = Object.fromEntries(entries.filter(([name]) => !common.includes(name)));
  const given = Object.fromEntries(entries.filter(([name]) => common.includes(name)));
  try {
    // A caller who gave a value meant a dry run: an unreadable value must not become a real run.
    if (common.includes('dry_run') && ['', 'null'].includes(raw.dry_run as string))
      fail('invalid_arguments', `${operation.name}: dry_run must be true or false.`);
    const { dry_run, wait_seconds, reason } = readBy(commonSchema, { raw: given, name: operation.name });
    return { args: own, options: defined({ dryRun: dry_run, wait: wait_seconds, reason }) };
  } catch (refused) {
    return { args: {}, options: { invalid: asError(refused).message } };
  }
}
